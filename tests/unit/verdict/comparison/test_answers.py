"""Hand-made pairs of runs: each count is worked out in the test."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import (
    make_accuracy_config,
    make_accuracy_record,
    make_evaluation,
    make_manifest,
    name_image,
)

from resnet50_bench.config import Precision
from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.model.manifest import FileIdentity
from resnet50_bench.report.comparison.answers import describe_gate, describe_meaning
from resnet50_bench.results.accuracy import Accuracy
from resnet50_bench.results.record import Dataset
from resnet50_bench.stats.proportions import Pairs, paired_interval, sign_test
from resnet50_bench.verdict.comparison.answers import Change, Comparison, compare, find_differences

LABELS = (10, 20, 30, 40, 50, 60, 70)
# Classes first .. fifth. Image 6 was seen by the first run alone, image 5 by the second alone.
FIRST = {
    0: [10, 1, 2, 3, 4],  # right
    1: [20, 1, 2, 3, 4],  # right
    2: [1, 30, 2, 3, 4],  # wrong, right in the top five
    3: [1, 2, 3, 4, 5],  # wrong
    4: [1, 2, 3, 4, 50],  # wrong, right in the top five
    6: [70, 1, 2, 3, 4],
}
SECOND = {
    4: [1, 50, 3, 4, 2],  # the same five in another order, the same first
    3: [2, 1, 3, 4, 6],  # wrong otherwise
    2: [30, 1, 2, 3, 4],  # won; the same five
    1: [1, 20, 2, 3, 4],  # lost; the same five
    0: [10, 1, 2, 3, 9],  # right as before, another five
    5: [60, 1, 2, 3, 4],
}


def record(answers, precision=Precision.AVX_FP32, labels=LABELS, **changes):
    config = make_accuracy_config(precision=precision)
    return make_accuracy_record(make_evaluation(labels, answers, **changes), config)


FP32 = record(FIRST)
INT8 = record(SECOND, Precision.AVX_INT8)


def make_comparison(both, first, second, neither):
    """A comparison of so many images; its flips and top-5 do not matter."""
    top1 = Pairs(both, first, second, neither)
    return Comparison(
        first=Accuracy(top1.count, both + first, top1.count),
        second=Accuracy(top1.count, both + second, top1.count),
        top1=top1,
        top5=Pairs(top1.count, 0, 0, 0),
        same_class=both,
        same_five=both,
        flips=(),
        only_first=(),
        only_second=(),
    )


class TestCounts:
    def test_pairs_are_made_by_name_of_images_both_have_answered(self):
        comparison = compare(FP32, INT8)
        assert comparison.images == 5
        assert comparison.only_first == (name_image(6),)
        assert comparison.only_second == (name_image(5),)
        # Right: 0 in both, 1 at first, 2 then.
        assert comparison.top1 == Pairs(both=1, first=1, second=1, neither=2)
        assert comparison.top5 == Pairs(both=4, first=0, second=0, neither=1)
        assert comparison.first == Accuracy(5, 2, 4)
        assert comparison.second == Accuracy(5, 2, 4)
        assert (comparison.same_class, comparison.same_five) == (2, 3)

    def test_lost_and_won_are_not_confused(self):
        labels = (5,) * 6
        before = record(
            {**dict.fromkeys(range(4), (5, 0.9)), 4: (6, 0.9), 5: (6, 0.9)}, labels=labels
        )
        after = record(
            {**dict.fromkeys(range(1, 5), (5, 0.9)), 0: (6, 0.9), 5: (6, 0.9)}, labels=labels
        )
        worse = record(dict.fromkeys(range(6), (6, 0.9)), labels=labels)
        assert compare(before, after).top1 == Pairs(both=3, first=1, second=1, neither=1)
        assert compare(before, worse).top1 == Pairs(both=0, first=4, second=0, neither=2)
        assert compare(worse, before).top1 == Pairs(both=0, first=0, second=4, neither=2)

    def test_flips_are_lost_won_then_others(self):
        flips = compare(FP32, INT8).flips
        assert [(flip.name, flip.change) for flip in flips] == [
            (name_image(1), Change.LOST),
            (name_image(2), Change.WON),
            (name_image(3), Change.OTHER),
        ]
        lost = flips[0]
        assert (lost.label, lost.first.classes[0], lost.second.classes[0]) == (20, 20, 1)

    def test_of_one_kind_the_surest_comes_first(self):
        before = dict.fromkeys(range(3), (5, 0.9))
        after = {0: (6, 0.4), 1: (6, 0.8), 2: (6, 0.6)}
        flips = compare(record(before, labels=(5, 5, 5)), record(after, labels=(5, 5, 5))).flips
        assert [flip.name for flip in flips] == [name_image(1), name_image(2), name_image(0)]

    def test_swapping_the_runs_swaps_everything(self):
        there, back = compare(FP32, INT8), compare(INT8, FP32)
        assert back.top1 == Pairs(both=1, first=1, second=1, neither=2)
        assert [flip.change for flip in back.flips] == [Change.LOST, Change.WON, Change.OTHER]
        assert (back.flips[0].name, back.flips[1].name) == (name_image(2), name_image(1))
        assert (back.only_first, back.only_second) == (there.only_second, there.only_first)

    def test_a_run_compared_with_itself_differs_in_nothing(self):
        comparison = compare(FP32, FP32)
        assert comparison.flips == ()
        assert comparison.same_class == comparison.same_five == comparison.images == 6
        assert (comparison.p, comparison.top1.gain) == (1.0, 0.0)
        assert find_differences(FP32, FP32) == ()

    def test_positions_do_not_matter_only_names(self):
        images = tuple(name_image(number) for number in reversed(range(7)))
        mirrored = {6 - place: answer for place, answer in SECOND.items()}
        other = record(mirrored, labels=LABELS[::-1], images=images)
        assert compare(FP32, other).top1 == compare(FP32, INT8).top1

    def test_a_model_without_background_class_is_compared_by_labels(self):
        other = record(SECOND, Precision.AVX_INT8, classes=1000)
        assert compare(FP32, other, force=True) == compare(FP32, INT8)

    def test_the_background_class_is_minus_one(self):
        background = compare(record({0: (10, 0.9)}), record({0: (-1, 0.9)}))
        assert background.flips[0].second.classes[0] == -1


class TestNames:
    def test_folders_are_left_out_where_nothing_fits_otherwise(self):
        inside = tuple(f"val/{name_image(number)}" for number in range(7))
        other = record(SECOND, images=inside)
        assert compare(FP32, other).top1 == compare(FP32, INT8).top1

    def test_but_not_where_names_would_clash(self):
        clashing = tuple(f"{number}/{name_image(0)}" for number in range(7))
        with pytest.raises(RequestError, match="no image in common") as caught:
            compare(FP32, record(SECOND, images=clashing))
        assert "--limit" in caught.value.advice


class TestRefusals:
    @pytest.mark.parametrize(
        "without",
        [make_accuracy_record(None), make_accuracy_record(make_evaluation(LABELS, {}))],
    )
    def test_a_run_without_answers(self, without):
        for pair in ((without, FP32), (FP32, without)):
            with pytest.raises(RecordError, match="has no answers") as caught:
                compare(*pair, force=True)
            assert "--mode accuracy" in caught.value.advice

    def test_another_model_unless_forced(self):
        source = FileIdentity("other.pb", "6" * 64, 1)
        other = replace(INT8, model=make_manifest(source=source))
        with pytest.raises(
            RequestError, match=r"model: resnet50_v1\.pb .* and other\.pb"
        ) as caught:
            compare(FP32, other)
        assert "--force" in caught.value.advice
        assert compare(FP32, other, force=True) == compare(FP32, INT8)

    def test_another_preprocessing_unless_forced(self):
        other = record(SECOND, preprocessing="torchvision")
        with pytest.raises(RequestError, match="preprocessing: mlperf and torchvision"):
            compare(FP32, other)
        assert compare(FP32, other, force=True).images == 5

    def test_another_label_of_one_image_even_if_forced(self):
        labels = (*LABELS[:2], 31, *LABELS[3:])
        message = f"1 of 5 images have another label in the second run, such as {name_image(2)}: 30 and 31"
        with pytest.raises(RequestError, match=message):
            compare(FP32, record(SECOND, labels=labels), force=True)

    def test_labels_of_images_that_are_not_compared_do_not_matter(self):
        labels = (*LABELS[:5], 61, 71)
        assert compare(FP32, record(SECOND, labels=labels)).images == 5


def test_every_difference_is_named():
    other = make_accuracy_record(
        make_evaluation(
            LABELS, SECOND, labels_origin="synset_labels.txt", preprocessing="tensorflow"
        ),
        make_accuracy_config(precision=Precision.AVX_INT8),
        dataset=Dataset(path="val", description="folder", images=7, skipped=()),
        host=replace(FP32.host, hostname="another"),
        status="interrupted",
    )
    found = {item.what: item.forbids for item in find_differences(FP32, other)}
    assert found == {
        "preprocessing": True,
        "labels": False,
        "precision": False,
        "host": False,
        "dataset": False,
        "status": False,
    }


class TestFigures:
    def test_they_are_those_of_the_pairs(self):
        comparison = make_comparison(1500, 30, 10, 460)
        assert comparison.p == sign_test(10, 30)
        assert comparison.gain_interval == paired_interval(Pairs(1500, 30, 10, 460))
        assert comparison.top1.gain == -0.01

    @pytest.mark.parametrize(
        ("pairs", "sentence"),
        [
            (
                (1500, 30, 10, 460),
                "int8 loses 1.00 points (0.37 .. 1.64) against fp32: significant (p = 0.0022).",
            ),
            (
                (1500, 10, 30, 460),
                "int8 gains 1.00 points (0.37 .. 1.64) against fp32: significant (p = 0.0022).",
            ),
            (
                (1500, 12, 10, 478),
                "int8 loses 0.10 points (-0.38 .. 0.58) against fp32: not significant (p = 0.8318).",
            ),
            (
                (1500, 0, 200, 300),
                "int8 gains 10.00 points (8.70 .. 11.34) against fp32: significant (p < 0.0001).",
            ),
            (
                (95, 0, 0, 5),
                (
                    "int8 and fp32 have the same top-1 on these images; the true difference lies "
                    "within -3.85 .. +3.85 points."
                ),
            ),
        ],
    )
    def test_sentence(self, pairs, sentence):
        assert describe_meaning(make_comparison(*pairs), ("fp32", "int8")) == sentence


class TestGate:
    """The drop of (1500, 30, 10, 460) is 1.00 points, at most 1.64."""

    @pytest.mark.parametrize(
        ("limit", "failed"), [(0, True), (1, True), (1.6, True), (1.7, False), (100, False)]
    )
    def test_the_upper_end_of_the_drop_counts(self, limit, failed):
        assert make_comparison(1500, 30, 10, 460).exceeds(limit) is failed

    def test_a_small_sample_does_not_pass_by_knowing_little(self):
        assert make_comparison(20, 0, 0, 0).exceeds(1)
        assert not make_comparison(20_000, 0, 0, 0).exceeds(1)

    def test_a_gain_passes(self):
        assert not make_comparison(1500, 10, 30, 460).exceeds(0)

    def test_words(self):
        comparison = make_comparison(1500, 30, 10, 460)
        assert describe_gate(comparison, 2) == (
            "PASSED: the drop is at most 1.64 points (upper end of its 95 % interval), 2 are allowed"
        )
        assert describe_gate(comparison, 1.5) == (
            "FAILED: a drop of up to 1.64 points is possible, 1.5 are allowed: more images may tell"
        )
        assert describe_gate(comparison, 0.5) == (
            "FAILED: a drop of up to 1.64 points is possible, 0.5 are allowed"
        )
