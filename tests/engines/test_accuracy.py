"""Real accuracy runs of a real model, whose answers are known before: see `tests.labelled`."""

from __future__ import annotations

import json

import cv2
import pytest
from tests.labelled import Mistake, mislabel, write_val_map
from tests.process.conftest import assert_nothing_left, make_r50

from resnet50_bench.data.profiles import MLPERF, find_profile, list_variants

pytestmark = pytest.mark.tensorflow

WRONG = 16
SWAPPED = 24
"""Enough for a mistake of all of them to be no chance: each is tried in every other preparation."""
GIVE_UP_SECONDS = 900
VARIANTS = {
    Mistake.BGR: "mlperf/bgr",
    Mistake.MEANS_LEFT_IN: "mlperf/no-mean",
    Mistake.SCALED_TO_ONE: "mlperf/unit",
    Mistake.SQUASHED: "mlperf/squash",
}


@pytest.fixture
def r50(tmp_path):
    runner = make_r50(tmp_path)
    yield runner
    assert_nothing_left(runner)


@pytest.fixture
def evaluate(r50, cache, tmp_path, few):
    """Runs an evaluation with these labels, with a patience that suits a real network."""

    def evaluate(path, labels, *more):
        val_map = write_val_map(tmp_path / "val_map.txt", few.names, labels)
        arguments = ["run", "--mode", "accuracy", "--model", path, "--labels", val_map,
                     "--batch-size", "8", "--warmup-steps", "1", "--output", r50.output, *more]  # fmt: skip
        process = r50.start(*arguments, env={"R50_CACHE_DIR": str(cache.parent)})
        process.wait(GIVE_UP_SECONDS)
        ended = r50.end(process)
        assert ended.code in {0, 1}, ended.stderr
        return ended, r50.record()

    return evaluate


def find_causes(ended):
    """The causes that the report names, in its order."""
    return [line.split(maxsplit=1)[1] for line in ended.stdout.splitlines()
            if line.startswith("Cause")]  # fmt: skip


def test_the_accuracy_is_exactly_what_was_computed_beforehand(evaluate, fitted, few, r50):
    model = fitted.make()
    labels = mislabel(few.labels, WRONG)
    right = model.count_correct([label + 1 for label in labels])
    in_five = model.count_correct([label + 1 for label in labels], top=5)
    assert right == len(labels) - WRONG
    more = ["--dataset", few.tar, "--expected-top1", "75"]
    ended, record = evaluate(fitted.write(), labels, *more)
    assert ended.code == 0, ended.stdout
    assert f"{right} and {in_five} of {len(labels)} images" in ended.stdout
    assert "avx_fp32 PROVEN" in ended.stdout
    assert find_causes(ended) == []
    assert record.evaluation.images == few.names
    assert (record.evaluation.preprocessing, record.trials) == ("mlperf", ())
    summary = json.loads(r50("show", "--json", r50.folder()).stdout)["accuracy"]
    assert (summary["top1_correct"], summary["top5_correct"]) == (right, in_five)


def swap_channels(few, folder, count):
    """The first images with red and blue exchanged: to the model, what a reader of BGR gives it."""
    folder.mkdir()
    for name in few.names[:count]:
        picture = cv2.imread(str(few.folder / name))
        quality = [cv2.IMWRITE_JPEG_QUALITY, 95]
        assert cv2.imwrite(str(folder / name), picture[..., ::-1], quality)
    return folder


def test_other_channels_and_labels_off_by_one_are_both_named(evaluate, fitted, few, tmp_path):
    """`test_explain_mistakes` makes each mistake alone, and the others."""
    folder = swap_channels(few, tmp_path / "swapped", SWAPPED)
    labels = [label - 1 for label in few.labels]
    more = ["--dataset", folder, "--expected-top1", "100"]
    ended, record = evaluate(fitted.write(), labels, *more)
    assert ended.code == 1
    assert "top-1 0.00% is below 99.00 %" in ended.stdout
    (cause,) = find_causes(ended)
    variants = {item.profile_name: item.cause for item in list_variants(MLPERF)}
    assert variants[VARIANTS[Mistake.BGR]] in cause
    assert "a mix-up of 1000 and 1001 classes" in cause
    assert {trial.variant for trial in record.trials} == variants.keys()


@pytest.mark.parametrize("mistake", VARIANTS)
def test_each_variant_prepares_images_as_the_mistake_does(labelled, mistake):
    """So a model made with the mistake gets its own images when the variant is tried."""
    import numpy as np
    from tests.labelled import prepare_images

    from resnet50_bench.data.preprocess import preprocess

    expected = prepare_images(labelled, mistake)
    for number in (0, 7, 100):
        data = (labelled.folder / labelled.names[number]).read_bytes()
        found = preprocess(data, find_profile(VARIANTS[mistake]))
        np.testing.assert_allclose(found, expected[number], atol=1e-4)
