import math
from dataclasses import replace

import pytest

from resnet50_bench.errors import ModelError
from resnet50_bench.model.agreement.gate import (
    MAX_TIMES_ROUNDING,
    Loss,
    describe_loss,
    find_kept_interval,
    find_worst,
    judge_loss,
    require_right,
)
from resnet50_bench.model.manifest import Agreement, LayerError
from resnet50_bench.stats.proportions import wilson_interval

GOOD = Agreement(
    128, 0.01, 0.64, 120, kept=0.98, effective_images=100.0, total_variation=0.02,
    worst_layer=LayerError(name="Relu", relative_l2=0.02, rounding_l2=0.01),
)  # fmt: skip


def spoil(**layer):
    assert GOOD.worst_layer is not None
    return replace(GOOD, worst_layer=replace(GOOD.worst_layer, **layer))


def test_far_logits_alone_are_no_reason_to_refuse():
    require_right(GOOD)
    assert judge_loss(GOOD) is Loss.NONE_SEEN


@pytest.mark.parametrize("relative_l2", [0.01 * MAX_TIMES_ROUNDING * 1.01, 1.0, math.nan, math.inf])
def test_a_layer_further_away_than_rounding_explains_is_broken_and_named(relative_l2):
    with pytest.raises(ModelError, match=r"broken at Relu: .* rounding gives 0\.01"):
        require_right(spoil(relative_l2=relative_l2))


def test_a_layer_that_rounds_nothing_must_differ_by_nothing():
    require_right(spoil(relative_l2=0.0, rounding_l2=0.0))
    with pytest.raises(ModelError, match="broken at Relu"):
        require_right(spoil(relative_l2=1e-6, rounding_l2=0.0))


@pytest.mark.parametrize("logits", [math.nan, math.inf])
def test_answers_that_are_no_numbers_are_broken(logits):
    with pytest.raises(ModelError, match="no numbers"):
        require_right(replace(GOOD, logits_relative_l2=logits))


def test_where_nothing_is_rounded_the_logits_are_bounded():
    exact = replace(GOOD, logits_relative_l2=1e-5, bound=1e-4, worst_layer=None)
    require_right(exact)
    with pytest.raises(ModelError, match=r"logits differ by 0.0002 .* where 0.0001 is allowed"):
        require_right(replace(exact, logits_relative_l2=2e-4))


def test_the_worst_layer_is_the_one_with_the_most_roundings_and_no_number_comes_first():
    layers = [
        LayerError(name="large", relative_l2=0.5, rounding_l2=0.4),
        LayerError(name="off", relative_l2=0.1, rounding_l2=0.01),
        LayerError(name="exact", relative_l2=0.0, rounding_l2=0.0),
    ]
    assert find_worst(layers).name == "off"
    nan = LayerError(name="nan", relative_l2=math.nan, rounding_l2=0.1)
    assert find_worst([*layers[:1], nan, *layers[1:]]).name == "nan"


def test_the_interval_is_wilsons_of_the_equally_sure_images():
    assert find_kept_interval(GOOD) == wilson_interval(98, 100)
    half = find_kept_interval(replace(GOOD, kept=0.985))
    low, high = wilson_interval(98, 100), wilson_interval(99, 100)
    assert half is not None
    assert low[0] < half[0] < high[0]


@pytest.mark.parametrize(
    ("kept", "images", "loss"),
    [
        (1.0, 128, Loss.NONE_SEEN),
        (0.97, 100, Loss.NONE_SEEN),
        (0.92, 100, Loss.POSSIBLE),  # 0.85 .. 0.96
        (1.0, 10, Loss.POSSIBLE),  # too few images to tell: 0.72 .. 1
        (0.45, 100, Loss.POSSIBLE),  # 0.36 .. 0.55
        (0.35, 100, Loss.TOO_MUCH),  # 0.26 .. 0.45
        (0.0, 100, Loss.TOO_MUCH),
        (0.0, 3, Loss.POSSIBLE),  # 0 .. 0.56
    ],
)
def test_a_loss_is_judged_by_both_ends_of_its_interval(kept, images, loss):
    assert judge_loss(replace(GOOD, kept=kept, effective_images=float(images))) is loss


def test_a_manifest_that_does_not_tell_is_believed():
    assert judge_loss(Agreement(8, 6e-06, 4e-06, 8)) is Loss.NONE_SEEN


def test_the_sentence_has_the_share_its_interval_and_the_images():
    assert describe_loss(replace(GOOD, kept=0.35)) == (
        "keeps 35.0% (95 % interval 26.4% .. 44.7%) of the right answers its source expects of "
        "itself, on 128 held-out images"
    )
