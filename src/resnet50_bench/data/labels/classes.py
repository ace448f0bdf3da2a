"""The 1000 classes of ILSVRC2012, and which of them each of its validation images shows.

`ilsvrc2012/classes.tsv` has a line for each class, in the order of the sorted synsets (WNIDs): the
WNID, the ILSVRC2012_ID that the devkit's meta.mat gives it, and its names in WordNet.
`ilsvrc2012/validation.txt.gz` has the class of each validation image, 0..999, in the order of their
names: `validation_labels.txt` of the package tensorflow-datasets 4.9.10 (Apache License 2.0), as
numbers.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES = 1000
VALIDATION_IMAGES = 50_000

_TABLES = Path(__file__).with_name("ilsvrc2012")
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class ImageClass:
    """One class.

    Attributes:
        wnid: its synset in WordNet, e.g. n01440764.
        ilsvrc2012_id: 1..1000, the devkit's number, which is not in the order of the synsets.
        names: what WordNet calls it, the most common first.
    """

    wnid: str
    ilsvrc2012_id: int
    names: tuple[str, ...]


@cache
def read_classes() -> tuple[ImageClass, ...]:
    """Return the classes in the order of their sorted WNIDs: a class's place is its number."""
    lines = (_TABLES / "classes.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return tuple(
        ImageClass(wnid, int(text), tuple(names.split(", "))) for wnid, text, names in rows
    )


@cache
def number_wnids() -> Mapping[str, int]:
    """Return the number, 0..999, of each WNID."""
    return {item.wnid: number for number, item in enumerate(read_classes())}


@cache
def read_validation_labels() -> tuple[int, ...]:
    """Return the class of each of the 50,000 validation images, in the order of their names."""
    data = gzip.decompress((_TABLES / "validation.txt.gz").read_bytes())
    return tuple(map(int, data.split()))


def find_by_name(name: str) -> frozenset[int]:
    """Return the classes that a name fits, whatever its letter case, hyphens and underscores.

    A few names fit two: a crane is a bird and a machine.
    """
    return _number_names().get(_simplify(name), frozenset())


@cache
def _number_names() -> Mapping[str, frozenset[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for number, item in enumerate(read_classes()):
        for name in item.names:
            found[_simplify(name)].add(number)
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _simplify(name: str) -> str:
    return _NO_WORD.sub(" ", name).strip().casefold()
