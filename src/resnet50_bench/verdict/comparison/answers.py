"""Two runs over the same images, compared image by image.

Two accuracies measured apart differ by the luck of which images each saw; on the same images only
those that flip count, and a few thousand images show what two independent runs over all 50,000
would not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.instance.predictions import find_class_offset, unpack_rows
from resnet50_bench.results.accuracy import Accuracy
from resnet50_bench.stats.proportions import Pairs, paired_interval, sign_test
from resnet50_bench.verdict.comparison.differences import name_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnet50_bench.results.record import Evaluation, Record

SIGNIFICANT = 0.05
"""A p below it is called significant, as everywhere."""

_NAMED = 3


class Change(str, Enum):
    """What became of the answer to one image."""

    LOST = "right -> wrong"
    WON = "wrong -> right"
    OTHER = "wrong -> other wrong"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one run to one image.

    Attributes:
        classes: five, as labels: 0..999, or -1 for the background class.
        score: the probability of the first.
    """

    classes: tuple[int, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Flip:
    """An image whose most probable class is another one in the second run."""

    name: str
    label: int
    change: Change
    first: Answer
    second: Answer


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not the same in two runs.

    Attributes:
        what: in one or two words.
        first, second: what it is in each.
        forbids: what differs then is not the precision's or the machine's doing.
    """

    what: str
    first: str
    second: str
    forbids: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs on the images both have answered.

    Attributes:
        first, second: the accuracy of each on these images.
        top1, top5: how the images were judged twice.
        same_class: images with the same most probable class in both.
        same_five: images with the same five most probable classes in both, in any order.
        flips: images whose most probable class differs: lost, won, then the others; those with
            the surest second answer first.
        only_first, only_second: names of the images only one of them has answered.
    """

    first: Accuracy
    second: Accuracy
    top1: Pairs
    top5: Pairs
    same_class: int
    same_five: int
    flips: tuple[Flip, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def images(self) -> int:
        """How many images both have answered."""
        return self.top1.count

    @property
    def p(self) -> float:
        """McNemar's exact test of top-1."""
        return sign_test(self.top1.second, self.top1.first)

    @property
    def gain_interval(self) -> tuple[float, float]:
        """The 95 % interval of the second top-1 less the first, -1..1."""
        return paired_interval(self.top1)

    def count(self, change: Change) -> int:
        """How many flips are of this kind."""
        return sum(flip.change is change for flip in self.flips)

    def exceeds(self, max_drop_points: float) -> bool:
        """Whether a drop of top-1 by more than so many points is not ruled out.

        A test of non-inferiority: the second run passes when even the upper end of the drop's
        95 % interval, which the true drop exceeds in 2.5 % of such comparisons, is not above the
        limit. A small sample with a wide interval therefore does not pass by knowing little.
        """
        return -self.gain_interval[0] * 100 > max_drop_points


def find_differences(first: Record, second: Record) -> tuple[Difference, ...]:
    """Say what differs between two runs besides their answers."""
    pairs = [
        ("model", name_model(first), name_model(second), True),
        *_pair_evaluations(_require(first), _require(second)),
        ("precision", first.config.precision.value, second.config.precision.value, False),
        ("engine", first.runtime, second.runtime, False),
        ("host", _name_host(first), _name_host(second), False),
        ("dataset", _name_dataset(first), _name_dataset(second), False),
        ("status", first.status, second.status, False),
    ]
    return tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])


def compare(first: Record, second: Record, *, force: bool = False) -> Comparison:
    """Compare the answers to the images both runs have answered, paired by name.

    Raises:
        RecordError: a record has no answers.
        RequestError: model or preprocessing differ, and it is not forced; an image has two
            different labels; or there is no image that both have answered.
    """
    forbidding = [item for item in find_differences(first, second) if item.forbids]
    if forbidding and not force:
        listed = "; ".join(f"{item.what}: {item.first} and {item.second}" for item in forbidding)
        raise RequestError(
            f"these runs are not two measurements of one thing: {listed}",
            "--force compares them all the same",
        )
    answered = [_read_answered(_require(record)) for record in (first, second)]
    if set(answered[0]).isdisjoint(answered[1]):
        answered = [_shorten_names(side) for side in answered]
    return _compare_answered(*answered)


_Answered = dict[str, tuple[int, Answer]]
"""Name of an image -> its label and the answer to it."""


def _require(record: Record) -> Evaluation:
    if record.evaluation is None or not record.evaluation.rows:
        raise RecordError(
            f"the run {record.run_id} has no answers to images "
            f"(mode {record.config.mode.value}, {record.status})",
            "give runs made with --mode accuracy",
        )
    return record.evaluation


def _pair_evaluations(
    first: Evaluation, second: Evaluation
) -> Iterable[tuple[str, str, str, bool]]:
    yield "preprocessing", first.preprocessing, second.preprocessing, True
    yield "classes", str(first.classes), str(second.classes), True
    # Where labels come from may differ: what they say is compared image by image.
    yield "labels", first.labels_origin, second.labels_origin, False


def _name_host(record: Record) -> str:
    return f"{record.host.hostname} ({record.host.cpu_model})"


def _name_dataset(record: Record) -> str:
    return "none" if record.dataset is None else record.dataset.path


def _read_answered(evaluation: Evaluation) -> _Answered:
    offset = find_class_offset(evaluation.classes, evaluation.class_offset)
    return {
        evaluation.images[row.position]: (
            evaluation.labels[row.position],
            Answer(tuple(index - offset for index in row.classes), row.scores[0]),
        )
        for row in unpack_rows(evaluation.rows)
    }


def _shorten_names(answered: _Answered) -> _Answered:
    """Leave out folders, as a tar and its unpacked tree differ in them, unless names then clash."""
    short = {name.rsplit("/", 1)[-1]: item for name, item in answered.items()}
    return short if len(short) == len(answered) else answered


def _compare_answered(first: _Answered, second: _Answered) -> Comparison:
    common = sorted(first.keys() & second.keys())
    if not common:
        raise RequestError(
            f"the runs have no image in common: one has {_list_names(sorted(first))}, the other "
            f"{_list_names(sorted(second))}",
            "give two runs over the same --dataset, with the same --limit and --seed",
        )
    _require_same_labels(common, first, second)
    top1, top5 = (
        _judge_twice(common, first, second, top) for top in (1, len(first[common[0]][1].classes))
    )
    return Comparison(
        first=Accuracy(len(common), top1.both + top1.first, top5.both + top5.first),
        second=Accuracy(len(common), top1.both + top1.second, top5.both + top5.second),
        top1=top1,
        top5=top5,
        same_class=sum(first[name][1].classes[0] == second[name][1].classes[0] for name in common),
        same_five=sum(
            set(first[name][1].classes) == set(second[name][1].classes) for name in common
        ),
        flips=_list_flips(common, first, second),
        only_first=tuple(sorted(first.keys() - second.keys())),
        only_second=tuple(sorted(second.keys() - first.keys())),
    )


def _require_same_labels(common: Sequence[str], first: _Answered, second: _Answered) -> None:
    clashes = [name for name in common if first[name][0] != second[name][0]]
    if clashes:
        name = clashes[0]
        raise RequestError(
            f"{len(clashes)} of {len(common)} images have another label in the second run, such as "
            f"{name}: {first[name][0]} and {second[name][0]}",
            "one of the two was judged by wrong labels: run it again with the other's --labels",
        )


def _judge_twice(common: Sequence[str], first: _Answered, second: _Answered, top: int) -> Pairs:
    counted = Counter(
        tuple(side[name][0] in side[name][1].classes[:top] for side in (first, second))
        for name in common
    )
    return Pairs(
        both=counted[True, True],
        first=counted[True, False],
        second=counted[False, True],
        neither=counted[False, False],
    )


def _list_flips(common: Sequence[str], first: _Answered, second: _Answered) -> tuple[Flip, ...]:
    flips = []
    for name in common:
        (label, before), (_, after) = first[name], second[name]
        if before.classes[0] == after.classes[0]:
            continue
        change = Change.OTHER
        if label == before.classes[0]:
            change = Change.LOST
        elif label == after.classes[0]:
            change = Change.WON
        flips.append(Flip(name, label, change, before, after))
    order = list(Change)
    return tuple(sorted(flips, key=lambda flip: (order.index(flip.change), -flip.second.score)))


def _list_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
