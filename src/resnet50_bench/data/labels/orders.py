"""Orders of the classes: which class a number stands for, in labels or among a model's outputs.

A text names an order: `synset` (the sorted WNIDs), `ilsvrc2012-id` (the devkit's numbers), or a
file with a class on each line. `:N` behind one of the two words says which number the first class
has. `outputs:` in front says that the model's outputs are in that order, and not the labels'
numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import CLASSES, read_classes
from resnet50_bench.data.labels.order_files import read_class_list
from resnet50_bench.data.labels.problem import LabelProblem
from resnet50_bench.files.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTPUTS = "outputs:"

ADVICE = (
    "give --class-order synset, synset:1, ilsvrc2012-id or a file with a class name on each line; "
    "outputs: in front of it says that the model's outputs are in that order"
)

_WORD = re.compile(r"(synset|ilsvrc2012-id)(?::(-?\d{1,4}))?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class ClassOrder:
    """One way to number the classes.

    Attributes:
        text: how it was named.
        is_outputs: it numbers the model's outputs; else the labels.
        classes: the class, 0..999 in the order of the sorted WNIDs, at each place.
        first: the number of the first place; None for outputs whose place follows from their
            number, 1000 or 1001.
    """

    text: str
    is_outputs: bool
    classes: tuple[int, ...]
    first: int | None

    def find_class(self, number: int) -> int | None:
        """Return the class that a label's number stands for; None when it stands for none."""
        place = number - (self.first or 0)
        return self.classes[place] if 0 <= place < len(self.classes) else None

    def find_number(self, label: int) -> int:
        """Return the number of a class, 0..999."""
        return self.places[label] + (self.first or 0)

    @cached_property
    def places(self) -> Mapping[int, int]:
        """The place of each class."""
        return {label: place for place, label in enumerate(self.classes)}

    @property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest number."""
        first = self.first or 0
        return first, first + len(self.classes) - 1


def find_order(text: str) -> ClassOrder | None:
    """Return the order that a word names; None for a file."""
    is_outputs = text.lower().startswith(OUTPUTS)
    match = _WORD.fullmatch(text[len(OUTPUTS) :] if is_outputs else text)
    if match is None:
        return None
    return _make_order(text, match[1].lower(), match[2], is_outputs=is_outputs)


def read_order(text: str) -> ClassOrder:
    """Return the order that a text names.

    Raises:
        LabelProblem: it is neither a word nor a file, or the file is not a list of the classes.
    """
    if (known := find_order(text)) is not None:
        return known
    is_outputs = text.lower().startswith(OUTPUTS)
    name = text[len(OUTPUTS) :] if is_outputs else text
    if not is_there(Path(name)):
        raise LabelProblem(f"--class-order {text}: is no order, and there is no such file", ADVICE)
    found = read_class_list(Path(name), f"--class-order {text}")
    first = int(found.background == 0) if found.background is not None else None
    return ClassOrder(text, is_outputs, found.classes, first)


def _make_order(text: str, word: str, first: str | None, *, is_outputs: bool) -> ClassOrder:
    if word == "synset":
        classes, usual = tuple(range(CLASSES)), 0
    else:
        ids = [item.ilsvrc2012_id for item in read_classes()]
        classes, usual = tuple(sorted(range(CLASSES), key=ids.__getitem__)), 1
    if first is not None:
        return ClassOrder(text, is_outputs, classes, int(first))
    return ClassOrder(text, is_outputs, classes, None if is_outputs else usual)
