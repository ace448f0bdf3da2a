"""Why an accuracy is low: other readings of the same answers, and of a sample prepared otherwise.

A reading is a way to judge the answers: with labels one class off, with the labels in another
order, with the images prepared in another way, or two of these. It is named as a cause only when

- it gains at least `MIN_GAIN` on the images it was tried on, and
- reaches at least `MIN_GAIN` more than one answer to all of them could: the share of the most
  frequent class, and
- the exact paired test (`stats.sign_test`) on these images gives p < `MAX_P` after Bonferroni's
  correction: p times the number of readings tried, and
- for two changes at once: gain and test hold against each of the two alone, and
- for labels in another order, which has the most freedom and so can imitate the others: every
  image is judged by an order learned on other images, and it gains `MIN_GAIN` over every other
  cause, and
- no other cause reaches `MIN_GAIN` more.

Pure and without numpy: it runs in the process that waits for a run's workers.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Preprocessing
from resnet50_bench.instance.predictions import find_class_offset, unpack_rows
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.stats.proportions import sign_test
from resnet50_bench.stats.samples import plan_slices
from resnet50_bench.verdict.class_orders import SHIFT_ADVICE, advise_shift, plan_orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resnet50_bench.results.record import Evaluation, Trial

MIN_GAIN = 0.10
MAX_P = 0.001
SHIFTS = (-1, 1, -2, 2)
"""Classes between answer and label that are tried."""

EXPECTED_SHARE = 0.95
UNKNOWN_MODEL_TOP1 = 0.70
"""Every published ResNet-50 v1.5 reaches 75 % or more: TensorFlow's official models 76.5 %,
torchvision's first weights 76.1 %."""

SAMPLE_IMAGES = 256

_ORDER_CAUSE = "the labels number the classes in another order than the model does"
_ORDER_ADVICE = (
    "it is none of the known orders: --class-order FILE takes a file with a class name on each "
    "line, as labels or, behind outputs:, the model's outputs are in the order of; or give the "
    "devkit's archive to --labels, which holds its own order"
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that explains a low accuracy.

    Attributes:
        sentence: what is wrong.
        top1_now: share of the images answered right as the run was made, 0..1.
        top1_then: the same with the mistake undone.
        images: how many images both were computed on.
        advice: what to do.
    """

    sentence: str
    top1_now: float
    top1_then: float
    images: int
    advice: str

    def describe(self) -> str:
        """Return the sentence with its figures."""
        return (
            f"{self.sentence}: with that changed, top-1 is {self.top1_then:.1%} instead of "
            f"{self.top1_now:.1%} on {self.images} images"
        )


_Judged = dict[int, bool]
"""Position of an image -> whether its answer is right."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """Another way to judge the answers, and the simpler ways it has to beat."""

    sentence: str
    advice: str
    right: _Judged
    simpler: tuple[_Judged, ...]


def should_explain(evaluation: Evaluation, expected_top1: float | None) -> bool:
    """Whether the accuracy is so low that something must be wrong.

    It is when even the upper end of the 95 % interval of top-1 lies below `EXPECTED_SHARE` of what
    is expected, or below `UNKNOWN_MODEL_TOP1` where nothing is known of the model.

    Args:
        evaluation: the answers.
        expected_top1: in percent, as `RunConfig.expected_top1`; None when not known.
    """
    accuracy = compute_accuracy(evaluation)
    if accuracy is None:
        return False
    if expected_top1 is None:
        return accuracy.top1_interval[1] < UNKNOWN_MODEL_TOP1
    return accuracy.top1_interval[1] < EXPECTED_SHARE * expected_top1 / 100


def plan_sample(
    evaluation: Evaluation, count: int = SAMPLE_IMAGES, seed: int = 0
) -> tuple[int, ...]:
    """Choose images that were answered to try variants on: ascending positions.

    They are spread over the set: it is cut into `count` parts, and one image is drawn of each.
    """
    seen = sorted({answer.position for answer in unpack_rows(evaluation.rows)})
    if not seen:
        return ()
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    parts = plan_slices(0, len(seen), min(count, len(seen)))
    return tuple(seen[rng.randrange(begin, end)] for begin, end in parts)


def explain(
    evaluation: Evaluation, trials: Sequence[Trial], causes: Mapping[str, str]
) -> tuple[Cause, ...]:
    """Return what explains the accuracy, the reading with most right answers first.

    Args:
        evaluation: the answers.
        trials: samples of the images, prepared in other ways.
        causes: for each variant of the trials, what is wrong if it answers better; a variant
            that is missing is named instead.

    Returns:
        nothing when no reading passes the rule above.
    """
    offset = find_class_offset(evaluation.classes, evaluation.class_offset)
    wanted = [label + offset for label in evaluation.labels]
    answers = _read_answers(evaluation.rows)
    now = _judge(answers, wanted)
    readings = _plan_shifts(evaluation, answers, wanted, now)
    shifted = dict(zip(SHIFTS, (reading.right for reading in readings)))
    readings += [
        _Reading(item.sentence, item.advice, _judge(answers, item.wanted), (now,))
        for item in plan_orders(evaluation)
    ]
    for trial in trials:
        readings += _plan_trial(trial, wanted, {0: now, **shifted}, causes)
    tries = len(readings) + 1
    found = [item for item in readings if _explains(item, wanted, tries)]
    best = max((_share(item.right) for item in found), default=0.0)
    order = _Reading(_ORDER_CAUSE, _ORDER_ADVICE, _judge_reordered(answers, wanted), (now,))
    if _explains(order, wanted, tries) and _share(order.right) >= best + MIN_GAIN:
        found = [order]
    found = [item for item in found if _share(item.right) > best - MIN_GAIN]
    found.sort(key=lambda item: -_share(item.right))
    return tuple(_make_cause(item, now) for item in found)


def _read_answers(rows: bytes) -> dict[int, int]:
    """The most probable class of each image that was seen."""
    return {answer.position: answer.classes[0] for answer in unpack_rows(rows)}


def _judge(answers: Mapping[int, int], wanted: Sequence[int], shift: int = 0) -> _Judged:
    return {place: answer == wanted[place] + shift for place, answer in answers.items()}


def _plan_shifts(
    evaluation: Evaluation, answers: Mapping[int, int], wanted: Sequence[int], now: _Judged
) -> list[_Reading]:
    return [
        _Reading(
            _describe_shift(shift),
            advise_shift(evaluation, shift),
            _judge(answers, wanted, shift),
            (now,),
        )
        for shift in SHIFTS
    ]


def _describe_shift(shift: int) -> str:
    side = "above" if shift > 0 else "below"
    if abs(shift) == 1:
        return (
            f"the model's answers are one class {side} the labels (a mix-up of 1000 and 1001 "
            "classes: a background class is counted on one side only)"
        )
    return f"the model's answers are {abs(shift)} classes {side} the labels"


def _plan_trial(
    trial: Trial,
    wanted: Sequence[int],
    as_it_was: Mapping[int, _Judged],
    causes: Mapping[str, str],
) -> list[_Reading]:
    """The trial with the labels as they are, and with each shift of them."""
    answers = _read_answers(trial.rows)
    sentence = causes.get(trial.variant, f"images prepared as {trial.variant} are answered better")
    advice = _advise_preparation(trial.variant)
    alone = _judge(answers, wanted)
    readings = [_Reading(sentence, advice, alone, (as_it_was[0],))]
    for shift in SHIFTS:
        readings.append(
            _Reading(
                f"{sentence}; and {_describe_shift(shift)}",
                f"{advice}; {SHIFT_ADVICE}",
                _judge(answers, wanted, shift),
                (as_it_was[0], alone, as_it_was[shift]),
            )
        )
    return readings


def _advise_preparation(variant: str) -> str:
    if variant in {item.value for item in Preprocessing}:
        return f"--preprocessing {variant}"
    return (
        "prepare the images as the model was trained (--preprocessing names the ways there are), "
        "or export the model with its own preparation corrected"
    )


def _judge_reordered(answers: Mapping[int, int], wanted: Sequence[int]) -> _Judged:
    """Judge each image by an order of the classes learned on the other half of the images.

    Left out are images whose class the other half does not have.
    """
    halves: tuple[dict[int, int], dict[int, int]] = ({}, {})
    turns: Counter[int] = Counter()
    for place in sorted(answers):
        halves[turns[wanted[place]] % 2][place] = answers[place]
        turns[wanted[place]] += 1
    judged: _Judged = {}
    for learned, tested in (halves, halves[::-1]):
        known = {wanted[place] for place in learned}
        order = _learn_order((wanted[place], answer) for place, answer in learned.items())
        for place, answer in tested.items():
            if wanted[place] in known:
                judged[place] = order.get(wanted[place]) == answer
    return judged


def _learn_order(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Map each class to the answer it gets most often; no answer to two classes.

    One to one, so that a model that gives one answer to everything is not taken for a good one.
    """
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    for label, answer in pairs:
        votes[label][answer] += 1
    ranked = sorted(
        (-count, label, answer)
        for label, counted in votes.items()
        for answer, count in counted.items()
    )
    order: dict[int, int] = {}
    taken = set()
    for _, label, answer in ranked:
        if label not in order and answer not in taken:
            order[label] = answer
            taken.add(answer)
    return order


def _explains(reading: _Reading, wanted: Sequence[int], tries: int) -> bool:
    if not reading.right:
        return False
    classes = Counter(wanted[place] for place in reading.right)
    one_answer = max(classes.values()) / len(reading.right)
    if _share(reading.right) < one_answer + MIN_GAIN:
        return False
    return all(_gains(simpler, reading.right, tries) for simpler in reading.simpler)


def _gains(before: _Judged, after: _Judged, tries: int) -> bool:
    common = before.keys() & after.keys()
    more = sum(after[place] and not before[place] for place in common)
    less = sum(before[place] and not after[place] for place in common)
    return bool(
        common and (more - less) / len(common) >= MIN_GAIN and sign_test(more, less) * tries < MAX_P
    )


def _share(judged: _Judged) -> float:
    return sum(judged.values()) / len(judged)


def _make_cause(reading: _Reading, now: _Judged) -> Cause:
    common = sorted(now.keys() & reading.right.keys())
    return Cause(
        sentence=reading.sentence,
        top1_now=sum(now[place] for place in common) / len(common),
        top1_then=sum(reading.right[place] for place in common) / len(common),
        images=len(common),
        advice=reading.advice,
    )
