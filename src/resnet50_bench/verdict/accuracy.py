"""Whether an accuracy may be believed, and whether it is what the model is known for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from resnet50_bench.instance.predictions import unpack_rows
from resnet50_bench.results.accuracy import Accuracy, compute_accuracy
from resnet50_bench.results.findings import Finding
from resnet50_bench.verdict.expectation import find_expected_top1

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.record import Evaluation, Record, Share

GATE = 0.99
"""The share of the expected accuracy that must be reached (MLPerf inference rules)."""

NEARLY_ALL_IMAGES = 49_500
"""Of the 50,000 validation images: all but those that may have calibrated int8 and be left out."""

MAX_CALIBRATING_SHARE = 0.1

_SHOWN = 3


def check_accuracy(record: Record) -> Iterator[Finding]:
    """What makes an accuracy invalid."""
    evaluation = record.evaluation
    if evaluation is None:
        return
    yield from _check_shares(evaluation)
    if record.status != "completed":
        return
    yield from _check_answers(evaluation)
    yield from _check_unreadable(record, evaluation)
    accuracy = compute_accuracy(evaluation)
    if accuracy is None:
        yield Finding("no image was answered", "look at the reasons above")
        return
    yield from _check_gate(record, accuracy)


def warn_of_accuracy(record: Record) -> Iterator[Finding]:
    """What a reader of the accuracy should know."""
    evaluation = record.evaluation
    if evaluation is None:
        return
    if is_subset(evaluation):
        yield Finding(
            f"SUBSET: {len(evaluation.images):,} of {evaluation.dataset_images:,} images, drawn "
            f"with seed {record.config.seed}",
            "leave out --limit to evaluate them all",
        )
    yield from _warn_of_calibration(evaluation)
    accuracy = compute_accuracy(evaluation)
    expected = find_expected_top1(record.config, record.model)
    if accuracy is None:
        return
    if expected is None and record.model is not None:
        yield Finding(
            "what top-1 this model should reach is not known, so it was not checked",
            "--expected-top1 PERCENT checks it",
        )
    elif expected is not None and _is_undecided(accuracy, expected):
        low, high = accuracy.top1_interval
        yield Finding(
            f"the interval {low:.2%} .. {high:.2%} holds the required {GATE * expected:.2f} %: too "
            "few images to tell",
            "evaluate more images: a larger --limit",
        )


def _warn_of_calibration(evaluation: Evaluation) -> Iterator[Finding]:
    """Few of many images sway nothing: 128 of 50,000 move the accuracy by 0.26 points at most."""
    count, total = len(evaluation.calibrating), len(evaluation.images)
    if evaluation.calibrating_counted and count > MAX_CALIBRATING_SHARE * total:
        yield Finding(
            f"{count:,} of the {total:,} images counted calibrated int8 as well: the accuracy may "
            "be better than on images that did not",
            "count the others alone with --leave-out-calibration, or calibrate with images of "
            "another dataset: --calibration PATH",
        )


def is_subset(evaluation: Evaluation) -> bool:
    """Whether a sample stands for the dataset."""
    return len(evaluation.images) < evaluation.dataset_images


def _check_answers(evaluation: Evaluation) -> Iterator[Finding]:
    """Every image was answered once or found unreadable."""
    counts = Counter(prediction.position for prediction in unpack_rows(evaluation.rows))
    counts.update(position for position, _ in evaluation.unreadable)
    total = len(evaluation.images)
    wrong = [position for position in counts if position >= total or counts[position] > 1]
    if wrong:
        yield Finding(f"{len(wrong)} images were answered more than once, or are not of the set")
    missing = total - len(counts)
    if missing > 0:
        yield Finding(f"{missing:,} of {total:,} images were neither answered nor found unreadable")


def _check_shares(evaluation: Evaluation) -> Iterator[Finding]:
    """Each image was one instance's to see, and that one, and no other, answered once."""
    for share in evaluation.shares:
        who = _name_instance(share)
        if share.repeated:
            yield Finding(f"{who} gave {share.repeated:,} answers to images answered before")
        if share.strange:
            yield Finding(f"{who} gave {share.strange:,} answers to images it was not told to see")
    asked = sum(share.asked for share in evaluation.shares)
    total = len(evaluation.images) - evaluation.resumed_images
    if evaluation.shares and asked != total:
        yield Finding(f"{asked:,} images were dealt to the instances, and {total:,} were to see")
    without = sorted(evaluation.shares, key=lambda share: -len(share.missing))
    parts = [_describe_missing(evaluation, share) for share in without if share.missing]
    if parts:
        more = [f"and {len(parts) - _SHOWN} more instances"] if len(parts) > _SHOWN else []
        count = sum(len(share.missing) for share in without)
        yield Finding(
            f"{count:,} of {len(evaluation.images):,} images were not answered: "
            f"{'; '.join([*parts[:_SHOWN], *more])}",
            "`r50 run --resume RUN` sees these and no others",
        )


def _describe_missing(evaluation: Evaluation, share: Share) -> str:
    named = [evaluation.images[place] for place in share.missing[:_SHOWN]]
    more = len(share.missing) - len(named)
    names = ", ".join(named) + (f" and {more:,} more" if more else "")
    return f"{len(share.missing):,} of {share.asked:,} of {_name_instance(share)} ({names})"


def _name_instance(share: Share) -> str:
    where = f" on {share.host}" if share.host is not None else ""
    return f"instance {share.instance}{where}"


def _check_unreadable(record: Record, evaluation: Evaluation) -> Iterator[Finding]:
    """Files that are no usable image count like images that cannot be decoded."""
    allowed = record.config.max_unreadable or 0
    named = [f"{evaluation.images[place]} {reason}" for place, reason in evaluation.unreadable]
    if record.dataset is not None:
        named += [f"{name}: {reason}" for name, reason in record.dataset.skipped]
    if len(named) <= allowed:
        return
    more = [f"and {len(named) - _SHOWN} more"] if len(named) > _SHOWN else []
    yield Finding(
        f"{len(named)} images could not be read, {allowed} may be: "
        f"{'; '.join([*named[:_SHOWN], *more])}",
        "mend or remove them, or allow them with --max-unreadable N",
    )


def _check_gate(record: Record, accuracy: Accuracy) -> Iterator[Finding]:
    expected = find_expected_top1(record.config, record.model)
    if expected is None or _is_undecided(accuracy, expected):
        return
    required = GATE * expected
    if accuracy.top1 * 100 < required:
        yield Finding(
            f"top-1 {accuracy.top1:.2%} is below {required:.2f} %, which is {GATE:.0%} of the "
            f"{expected:g} % expected",
            "see what the report says about the cause",
        )


def _is_undecided(accuracy: Accuracy, expected: float) -> bool:
    """Whether a sample is too small to tell; the whole validation set always decides."""
    low, high = accuracy.top1_interval
    return accuracy.images < NEARLY_ALL_IMAGES and low * 100 < GATE * expected <= high * 100
