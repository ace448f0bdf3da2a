"""Which label belongs to which image: by its name, its number, or its place among the others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from resnet50_bench.data.labels.classes import CLASSES, VALIDATION_IMAGES, number_wnids
from resnet50_bench.data.labels.problem import LabelProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

USUAL_ORDER = "synset"
"""The sorted WNIDs, from 0."""

_V = TypeVar("_V")

_VALIDATION_NAME = re.compile(
    r"ILSVRC2012_val_(\d{8})(?:_n\d{8})?\.jpe?g", re.ASCII | re.IGNORECASE
)
_SUFFIX = re.compile(r"\.(?:jpe?g|png)$", re.IGNORECASE)
_WNID_BEHIND = re.compile(r"_n\d{8}$", re.ASCII)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a source's images.

    Attributes:
        labels: one for each of the source's refs, in their order: 0..999.
        origin: where they come from and what was understood, in one line.
        order: what the numbers in the origin count by, as `--class-order` says; None where it names
            the classes by their WNIDs.
    """

    labels: tuple[int, ...]
    origin: str
    order: str | None = USUAL_ORDER


def require_all(labels: Sequence[int | None], names: Sequence[str], where: str) -> tuple[int, ...]:
    """Return the labels if every image has one.

    Raises:
        LabelProblem: it says how many have none, and names the first.
    """
    found = tuple(label for label in labels if label is not None)
    if len(found) < len(names):
        first = names[labels.index(None)]
        raise LabelProblem(
            f"{where}: {len(names) - len(found)} of {len(names)} images have no label of their "
            f"own there, the first: {first}"
        )
    return found


def number_by_synset(wnids: Sequence[str], places: Sequence[str]) -> tuple[int, ...]:
    """Return the index of each WNID among the sorted ones of the 1000 classes.

    Args:
        wnids: of the images.
        places: what to call each of `wnids` in an error.

    Raises:
        LabelProblem: a WNID is not among the classes.
    """
    numbers = number_wnids()
    for wnid, place in zip(wnids, places, strict=True):
        if wnid not in numbers:
            raise LabelProblem(f"{place}: {wnid} is none of the {CLASSES} classes of ILSVRC2012")
    return tuple(numbers[wnid] for wnid in wnids)


def pick_by_number(names: Sequence[str]) -> list[int | None]:
    """Return the number, 1..50,000, of each image named ILSVRC2012_val_000NNNNN.JPEG."""
    found = [_VALIDATION_NAME.fullmatch(_base(name)) for name in names]
    numbers = [None if match is None else int(match[1]) for match in found]
    return [
        number if number is not None and 1 <= number <= VALIDATION_IMAGES else None
        for number in numbers
    ]


def pick_in_order(values: Sequence[_V], names: Sequence[str], where: str) -> list[_V]:
    """Return each image's line of a file that has one for each image, in the order of file names.

    Raises:
        LabelProblem: the lines are not as many as the images, or the order is not clear.
    """
    if len(values) == VALIDATION_IMAGES:
        numbers = pick_by_number(names)
        if None not in numbers:
            return [values[number - 1] for number in numbers if number is not None]
    if len(values) != len(names):
        raise LabelProblem(
            f"{where}: has {len(values)} lines, but the dataset has {len(names)} images, so which "
            f"line belongs to which is not known (with {VALIDATION_IMAGES} lines, images named "
            "ILSVRC2012_val_000NNNNN.JPEG are found by their numbers)"
        )
    bases = [_base(name) for name in names]
    twice = [base for base, count in Counter(bases).items() if count > 1]
    if twice:
        raise LabelProblem(
            f"{where}: says the labels in the order of file names, but several images are named "
            f"{twice[0]}"
        )
    places = sorted(range(len(names)), key=bases.__getitem__)
    by_place = dict(zip(places, values, strict=True))
    return [by_place[place] for place in range(len(names))]


@dataclass(frozen=True, slots=True)
class Matched:
    """What a file that goes by names says of images.

    Attributes:
        values: the value of each image; None where there is none, or more than one could be it.
        note: what had to be overlooked in the names, in a few words; "" for nothing.
    """

    values: tuple[int | None, ...]
    note: str

    @property
    def count(self) -> int:
        """How many images have one."""
        return len(self.values) - self.values.count(None)


def match_names(entries: Mapping[str, int], names: Sequence[str]) -> Matched:
    """Find the entry of each image, by the strictest way to compare names that finds the most.

    Either side may leave out leading folders. Letter case, the ending (`x`, `x.jpg`, `x.JPEG`) and
    a WNID behind the name are overlooked where they have to be.

    Args:
        entries: a value by the name that a file gives to its image.
        names: of the images.
    """
    best = Matched((None,) * len(names), "")
    for simplify in (_keep, str.casefold, _drop_ending, _drop_wnid):
        found = _match(entries, names, simplify)
        if found.count(None) < best.values.count(None):
            best = Matched(found, _describe(simplify, entries))
        if None not in best.values:
            break
    return best


def simplify_name(name: str) -> str:
    """Return what is left of a name when all is overlooked that may be."""
    return _drop_wnid(_base(name.replace("\\", "/")))


def _match(
    entries: Mapping[str, int], names: Sequence[str], simplify: Callable[[str], str]
) -> tuple[int | None, ...]:
    """Only what one image and one entry have in common counts: another could be meant otherwise."""
    table: defaultdict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for entry, value in entries.items():
        simple = simplify(entry)
        table[_base(simple)][simple].add(value)
    found = [_find_entry(table, simplify(name)) for name in names]
    users = Counter(entry for entry, _ in filter(None, found))
    return tuple(
        next(iter(item[1])) if item and users[item[0]] == 1 and len(item[1]) == 1 else None
        for item in found
    )


def _find_entry(
    table: Mapping[str, Mapping[str, set[int]]], name: str
) -> tuple[str, set[int]] | None:
    same_base = table.get(_base(name), {})
    if name in same_base:
        return name, same_base[name]
    fitting = [
        entry for entry in same_base if name.endswith(f"/{entry}") or entry.endswith(f"/{name}")
    ]
    return (fitting[0], same_base[fitting[0]]) if len(fitting) == 1 else None


def _describe(simplify: Callable[[str], str], entries: Iterable[str]) -> str:
    if simplify is str.casefold:
        return "letter case ignored"
    if simplify in (_drop_ending, _drop_wnid):
        has_ending = _SUFFIX.search(next(iter(entries), "")) is not None
        return "extension ignored" if has_ending else "extension added"
    return ""


def _keep(name: str) -> str:
    return name


def _drop_ending(name: str) -> str:
    return _SUFFIX.sub("", name.casefold())


def _drop_wnid(name: str) -> str:
    return _WNID_BEHIND.sub("", _drop_ending(name))


def _base(name: str) -> str:
    return name.rpartition("/")[2]
