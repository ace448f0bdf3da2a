from __future__ import annotations

from dataclasses import replace

import pytest

from resnet50_bench.instance.predictions import Prediction, pack_row
from resnet50_bench.results.accuracy import Accuracy, compute_accuracy, compute_other_accuracy
from resnet50_bench.results.record import Evaluation

SCORES = (0.5, 0.25, 0.125, 0.0625, 0.03125)


def evaluate(labels, answers, classes):
    """An evaluation of the answers (position: the five classes)."""
    return Evaluation(
        preprocessing="mlperf",
        labels_origin="a test",
        classes=classes,
        dataset_images=len(labels),
        images=tuple(f"{number}.JPEG" for number in range(len(labels))),
        labels=tuple(labels),
        rows=b"".join(
            pack_row(Prediction(position, classes, SCORES)) for position, classes in answers.items()
        ),
    )


ANSWERS = {
    3: (10, 11, 12, 13, 14),  # right at once
    0: (1, 2, 3, 4, 0),  # right at last
    2: (999, 1, 2, 3, 4),  # right at once, at the end of the classes
    1: (7, 8, 9, 10, 11),  # wrong
}
LABELS = (0, 6, 999, 10, 500)  # the last image was never seen


def test_hand_counted():
    assert compute_accuracy(evaluate(LABELS, ANSWERS, 1000)) == Accuracy(4, 2, 3)


def test_with_a_background_class_every_right_answer_is_one_further():
    shifted = {place: tuple(index + 1 for index in row) for place, row in ANSWERS.items()}
    assert compute_accuracy(evaluate(LABELS, shifted, 1001)) == Accuracy(4, 2, 3)
    assert compute_accuracy(evaluate(LABELS, shifted, 1000)) == Accuracy(4, 0, 0)


def test_no_image_seen_is_no_accuracy():
    assert compute_accuracy(evaluate(LABELS, {}, 1001)) is None


def test_damaged_answers_are_refused():
    damaged = evaluate(LABELS, ANSWERS, 1001).rows[:-1]
    with pytest.raises(ValueError, match="135 bytes"):
        compute_accuracy(
            Evaluation(
                preprocessing="mlperf",
                labels_origin="a test",
                classes=1001,
                dataset_images=5,
                images=("a",) * 5,
                labels=LABELS,
                rows=damaged,
            )
        )


def test_shares_and_intervals():
    accuracy = Accuracy(10, 5, 8)
    assert (accuracy.top1, accuracy.top5) == (0.5, 0.8)
    assert accuracy.top1_interval == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert accuracy.top5_interval == pytest.approx((0.490162, 0.943318), abs=1e-6)


def calibrate(*positions, counted=True):
    answers = evaluate(LABELS, ANSWERS, 1000)
    return replace(answers, calibrating=positions, calibrating_counted=counted)


def test_images_that_calibrated_are_counted_and_the_others_by_themselves():
    evaluation = calibrate(3, 1)
    assert compute_accuracy(evaluation) == Accuracy(4, 2, 3)
    assert compute_other_accuracy(evaluation) == Accuracy(2, 1, 2)


def test_images_that_calibrated_are_left_out_where_asked_and_counted_besides():
    evaluation = calibrate(3, 1, counted=False)
    assert compute_accuracy(evaluation) == Accuracy(2, 1, 2)
    assert compute_other_accuracy(evaluation) == Accuracy(4, 2, 3)


def test_where_nothing_or_everything_calibrated_there_is_no_other_accuracy():
    assert compute_other_accuracy(calibrate()) is None
    assert compute_other_accuracy(calibrate(0, 1, 2, 3, 4)) is None
