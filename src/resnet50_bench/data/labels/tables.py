"""Label files as rows of cells: every way their lines can be cut, and JSON."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.problem import LabelProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")
_LINE_COMMENT = re.compile(r"^\s*(?:#|//).*")
_VALUE = re.compile(r"-?\d+(?:\.\d+)?|n\d{8}", re.ASCII)
_IMAGE = re.compile(r".*\.(?:jpe?g|png)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One line or entry.

    Attributes:
        place: what to call it, e.g. `line 3`.
        text: as it stands there.
        cells: without the spaces around them.
    """

    place: str
    text: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One way to cut a file into cells.

    Attributes:
        form: what it was taken for, in a word or two, e.g. `CSV`.
        header: the names of the columns; None where the first row has values.
        rows: without the header.
    """

    form: str
    header: tuple[str, ...] | None
    rows: tuple[Row, ...]

    @property
    def width(self) -> int:
        """How many cells most rows have."""
        widths = [len(row.cells) for row in self.rows]
        return max(set(widths), key=lambda width: (widths.count(width), width)) if widths else 0


def cut_text(text: str, names: Sequence[str]) -> list[Table]:
    """Return every way to cut a text into cells; none where it is neither lines nor JSON.

    Args:
        text: the file's.
        names: of the images: a `#` in one of them begins no comment.

    Raises:
        LabelProblem: it begins as JSON and is none, or none of labels.
    """
    if text.lstrip().startswith(("{", "[")):
        return [_cut_json(text.strip())]
    comment = _LINE_COMMENT if any(_COMMENT.search(name) for name in names) else _COMMENT
    lines = [
        (f"line {number}", line)
        for number, whole in enumerate(text.split("\n"), 1)
        if (line := comment.sub("", whole).strip())
    ]
    return [
        table
        for form, is_there, cut in _CUTS
        if any(is_there(line) for _, line in lines)
        and (table := _make_table(form, [Row(place, line, cut(line)) for place, line in lines]))
    ]


def _make_table(form: str, rows: list[Row]) -> Table | None:
    if not rows:
        return None
    if len(rows) > 1 and _is_header(rows[0], rows[1]):
        return Table(form, rows[0].cells, tuple(rows[1:]))
    return Table(form, None, tuple(rows))


def _is_header(first: Row, second: Row) -> bool:
    """Words above values: nothing in it is a number, a WNID or the name of an image."""
    if len(first.cells) < 2 or len(first.cells) != len(second.cells):
        return False
    has_value = any(_VALUE.fullmatch(cell) or _IMAGE.fullmatch(cell) for cell in first.cells)
    return not has_value and any(_VALUE.match(cell) for cell in second.cells)


def _cut_by(delimiter: str) -> Callable[[str], tuple[str, ...]]:
    def cut(line: str) -> tuple[str, ...]:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        return tuple(cell.strip() for cell in cells)

    return cut


def _cut_last(line: str) -> tuple[str, ...]:
    """The last word apart from the rest: a name may have spaces."""
    return tuple(line.rsplit(None, 1))


def _cut_words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


def _keep(line: str) -> tuple[str, ...]:
    return (line,)


def _has(sign: str) -> Callable[[str], bool]:
    return lambda line: sign in line


_CUTS = (
    ("lines", bool, _keep),
    ("tabs", _has("\t"), _cut_by("\t")),
    ("semicolons", _has(";"), _cut_by(";")),
    ("CSV", _has(","), _cut_by(",")),
    ("spaces", _has(" "), _cut_last),
    ("spaces", lambda line: len(line.split(None, 2)) > 2, _cut_words),
)


def _cut_json(text: str) -> Table:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelProblem(f"begins as JSON and cannot be read as such: {error}") from error
    header, rows = _read_object(value) if isinstance(value, dict) else _read_list(value)
    made = tuple(
        Row(f"entry {number}", json.dumps(cells), tuple(map(_show, cells)))
        for number, cells in enumerate(rows, 1)
    )
    return Table("JSON", header, made)


def _read_object(value: dict[str, object]) -> tuple[None, list[list[object]]]:
    return None, [[name, item] for name, item in value.items()]


def _read_list(value: list[object]) -> tuple[tuple[str, ...] | None, list[list[object]]]:
    """A list of objects of the same keys, of lists, or of values in the order of the images."""
    if value and all(isinstance(item, dict) for item in value):
        keys = list(dict.fromkeys(_list_keys(value)))
        return tuple(keys), [[item.get(key, "") for key in keys] for item in value]  # type: ignore[attr-defined]
    return None, [item if isinstance(item, list) else [item] for item in value]


def _list_keys(items: list[object]) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict):
            yield from item


def _show(cell: object) -> str:
    if isinstance(cell, list):
        return str(cell[0]) if len(cell) == 1 else json.dumps(cell)
    return str(cell).strip() if isinstance(cell, (str, int, float)) else json.dumps(cell)
