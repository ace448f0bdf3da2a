"""Which label belongs to which image: by its name, its number, or its place among the others."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Labels = tuple[tuple[int, ...], str, "tuple[str, ...] | None"]
"""One label for each image, where they come from in one line, and the synsets if known."""

CLASSES = 1000
VALIDATION_IMAGES = 50_000
WNID = re.compile(r"n\d{8}", re.ASCII)

WHAT_TO_GIVE = (
    "give --labels PATH: a val_map.txt (lines of an image's name and its class 0..999), a "
    "synset_labels.txt (a line for each image in the order of their names), or "
    "ILSVRC2012_devkit_t12.tar.gz from image-net.org"
)

_WNID_AT_START = re.compile(r"(n\d{8})_", re.ASCII)
_WNID_AT_END = re.compile(r".*_(n\d{8})\.[^.]+", re.ASCII)
_VALIDATION_NAME = re.compile(
    r"ILSVRC2012_val_(\d{8})(?:_n\d{8})?\.jpe?g", re.ASCII | re.IGNORECASE
)


class LabelProblem(Exception):
    """Labels that cannot be used.

    Args:
        message: what is wrong and where, in one sentence.
        advice: the next step; None for the general one.
    """

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.advice = advice


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


def find_wnids(names: Sequence[str]) -> list[str | None]:
    """Return the WNID that the folder of each image or its name says.

    `n01440764/x.JPEG`, `n01440764_x.JPEG` or `x_n01440764.JPEG`, as the Hugging Face hub names
    them: `ILSVRC2012_val_00000001_n01440764.JPEG`.

    Raises:
        LabelProblem: an image's name and folder say different ones.
    """
    return [_find_wnid(name) for name in names]


def number_by_synset(
    wnids: Sequence[str], classes: Sequence[str], places: Sequence[str]
) -> tuple[int, ...]:
    """Return the index of each WNID among the sorted classes.

    Args:
        wnids: of the images.
        classes: all 1000, sorted.
        places: what to call each of `wnids` in an error.

    Raises:
        LabelProblem: a WNID is not among the classes.
    """
    numbers = {wnid: number for number, wnid in enumerate(classes)}
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


def pick_in_order(values: Sequence[str], names: Sequence[str], where: str) -> list[str]:
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
    found = [""] * len(names)
    for value, position in zip(values, sorted(range(len(names)), key=bases.__getitem__)):
        found[position] = value
    return found


class NameTable:
    """Labels by name, where either side may leave out leading folders."""

    def __init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._same_base: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, name: str, label: int) -> int:
        """Note a label, and return the one that the name now has: the first one given to it."""
        if name not in self._labels:
            self._labels[name] = label
            self._same_base[_base(name)].append(name)
        return self._labels[name]

    def look_up(self, names: Sequence[str]) -> list[int | None]:
        """Return the label of each image; None where there is none or more than one could be it."""
        entries = [self._find_entry(name) for name in names]
        users = Counter(entry for entry in entries if entry is not None)
        return [
            self._labels[entry] if entry is not None and users[entry] == 1 else None
            for entry in entries
        ]

    def _find_entry(self, name: str) -> str | None:
        if name in self._labels:
            return name
        fitting = [
            entry
            for entry in self._same_base.get(_base(name), ())
            if name.endswith(f"/{entry}") or entry.endswith(f"/{name}")
        ]
        return fitting[0] if len(fitting) == 1 else None


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _find_wnid(name: str) -> str | None:
    folders, _, base = name.rpartition("/")
    folder = folders.rpartition("/")[2]
    matches = _WNID_AT_START.match(base), _WNID_AT_END.fullmatch(base)
    of_name = {match[1] for match in matches if match is not None}
    of_folder = {folder} if WNID.fullmatch(folder) else set()
    if len(of_name | of_folder) > 1:
        by_folder = f"its folder says {folder} and " if of_folder else ""
        raise LabelProblem(
            f"image {name}: {by_folder}its name {'says ' * (not of_folder)}"
            f"{' and '.join(sorted(of_name))}",
            f"put it where it belongs, or {WHAT_TO_GIVE}",
        )
    return next(iter(of_name | of_folder), None)
