"""Files that list the classes in an order: WNIDs or names people read, one on each line, or JSON.

Known ones: imagenet_classes.txt, synset_words.txt, LOC_synset_mapping.txt, map_clsloc.txt,
imagenet_class_index.json, ImageNetLabels.txt (1001 lines, the background first).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import (
    CLASSES,
    find_by_name,
    number_wnids,
    read_classes,
)
from resnet50_bench.data.labels.documents import read_text
from resnet50_bench.data.labels.problem import LabelProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ADVICE = (
    f"give --class-order a file with the WNID or the name of a class on each of {CLASSES} lines "
    f"(or {CLASSES + 1}, the background among them), such as imagenet_classes.txt"
)
_WNID = re.compile(r"\bn\d{8}\b", re.ASCII)
_NUMBERED = re.compile(r"\{?\s*['\"]?(\d{1,4})['\"]?\s*[,:\t ]\s*(\S.*)", re.ASCII)
_BACKGROUND = frozenset({"background", "__background__", "dummy", "none"})

_ENOUGH = 0.6
_MAX_OTHERS = 0.02
"""Lists that people have made nicer to read fit a known order in most lines, and name another
class in next to none; lists in another order fit it in a few."""


@dataclass(frozen=True, slots=True)
class ClassList:
    """What a file lists.

    Attributes:
        classes: numbers 0..999 in the order of the sorted WNIDs, each once, the background left
            out.
        background: the place of the background class in the file: 0 or 1000; None without one.
    """

    classes: tuple[int, ...]
    background: int | None = None


def looks_like_class_list(entries: Sequence[str]) -> bool:
    """Tell whether lines are the classes in a known order, and not labels of images."""
    if len(entries) not in (CLASSES, CLASSES + 1):
        return False
    background = _find_background(entries)
    kept = [entry for place, entry in enumerate(entries) if place != background]
    return len(kept) == CLASSES and _find_known([find_classes(entry) for entry in kept]) is not None


def read_class_list(path: Path, where: str) -> ClassList:
    """Read a list of the classes.

    Raises:
        LabelProblem: it cannot be read, has another number of lines, names what is no class, or
            does not tell which of two classes of one name is which.
    """
    return order_classes(list(_read_entries(read_text(path, where))), where)


def order_classes(entries: Sequence[str], where: str) -> ClassList:
    """Return the classes that entries name, in their order; raises as `read_class_list` does."""
    entries = list(entries)
    background = _find_background(entries)
    if background is not None:
        del entries[background]
    if len(entries) != CLASSES:
        raise LabelProblem(f"{where}: lists {len(entries)} classes, not {CLASSES}", _ADVICE)
    fitting = [find_classes(entry) for entry in entries]
    return ClassList(_find_known(fitting) or _resolve(entries, fitting, where), background)


def find_classes(entry: str) -> frozenset[int]:
    """Return the classes that one entry can mean: by its WNID, else by the names in it."""
    if (match := _WNID.search(entry)) is not None:
        number = number_wnids().get(match[0])
        return frozenset() if number is None else frozenset({number})
    if whole := find_by_name(entry):
        return whole
    parts = [found for part in re.split(r"[,;/]", entry) if (found := find_by_name(part))]
    return frozenset.intersection(*parts) if parts else frozenset()


def _read_entries(text: str) -> Iterator[str]:
    stripped = text.strip()
    if stripped.startswith(("{", "[")):
        try:
            yield from _list_json(json.loads(stripped))
        except (ValueError, RecursionError):  # not JSON: a dict as Python prints it has such lines
            pass
        else:
            return
    lines = [line.strip().strip("{}") for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    numbered = [match for line in lines if (match := _NUMBERED.fullmatch(line)) is not None]
    if len(numbered) >= CLASSES:
        numbered.sort(key=lambda match: int(match[1]))
        lines = [match[2] for match in numbered]
    for line in lines:
        yield line.rstrip(",").strip("'\" ")


def _list_json(value: object) -> Iterator[str]:
    """Entries in the order of their numbers: a list, or an object whose keys are the numbers."""
    if isinstance(value, dict):
        if not all(key.isdecimal() for key in value):  # an object by WNID or name: its own order
            value = {str(place): key for place, key in enumerate(value)}
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, list):
        for item in value:
            yield ", ".join(map(str, item)) if isinstance(item, list) else str(item)


def _find_background(entries: Sequence[str]) -> int | None:
    for place in (0, len(entries) - 1):
        if len(entries) == CLASSES + 1 and entries[place].casefold() in _BACKGROUND:
            return place
    return None


def _find_known(fitting: Sequence[frozenset[int]]) -> tuple[int, ...] | None:
    """Return the known order that the entries are in; by it, a name of two classes is clear."""
    ids = [item.ilsvrc2012_id for item in read_classes()]
    for numbers in (range(CLASSES), ids):
        order = tuple(sorted(range(CLASSES), key=numbers.__getitem__))
        right = sum(place in found for place, found in zip(order, fitting))
        others = sum(len(f) == 1 and place not in f for place, f in zip(order, fitting))
        if right >= _ENOUGH * CLASSES and others <= _MAX_OTHERS * CLASSES:
            return order
    return None


def _resolve(
    entries: Sequence[str], fitting: Sequence[frozenset[int]], where: str
) -> tuple[int, ...]:
    """Give each entry its class: first where one fits, then what is left to the others."""
    taken = {next(iter(found)) for found in fitting if len(found) == 1}
    classes = []
    for entry, found in zip(entries, fitting, strict=True):
        left = found if len(found) == 1 else found - taken
        if len(left) != 1:
            why = "may be any of several classes" if left else "is the name of no class"
            raise LabelProblem(f"{where}: {entry[:60]!r} {why}", _ADVICE)
        classes.append(next(iter(left)))
    if len(set(classes)) != CLASSES:
        twice = next(entry for entry, item in zip(entries, classes) if classes.count(item) > 1)
        raise LabelProblem(f"{where}: {twice[:60]!r} stands there twice", _ADVICE)
    return tuple(classes)
