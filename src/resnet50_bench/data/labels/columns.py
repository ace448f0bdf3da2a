"""What the columns of a label file mean: every reading of it, and the one that is meant.

A reading is written as `--labels-format` takes it: a word for each column, `name`, `class` (a
number), `synset` (a WNID) or `-`; one word alone stands for a line for each image, in the order of
the file names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import CLASSES, number_wnids
from resnet50_bench.data.labels.matching import Matched, match_names, simplify_name
from resnet50_bench.data.labels.problem import LabelProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from resnet50_bench.data.labels.orders import ClassOrder
    from resnet50_bench.data.labels.tables import Row, Table

NAME, CLASS, SYNSET, OTHER = "name", "class", "synset", "-"

_NUMBER = re.compile(r"(-?\d{1,9})(?:\.0+)?", re.ASCII)
_WNIDS = re.compile(r"n\d{8}(?:\s.*)?", re.ASCII)
_WNID = re.compile(r"(?<!\S)n\d{8}(?!\S)", re.ASCII)
_MAX_COLUMNS = 8
_SAMPLE_ROWS = 200
_MOST = 0.5

_VALUE_HEADS = frozenset({
    *("label", "labels", "class", "classes", "class_id", "classid", "category", "target"),
    *("index", "idx", "y", "synset", "wnid", "predictionstring"),
})  # fmt: skip
"""What people call the column that says the class."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand a file.

    Attributes:
        table: its rows.
        columns: what each column means.
    """

    table: Table
    columns: tuple[str, ...]

    @property
    def format(self) -> str:
        """As `--labels-format` takes it."""
        return ",".join(self.columns)

    @property
    def kind(self) -> str:
        """What the values are: `class` or `synset`."""
        return CLASS if CLASS in self.columns else SYNSET

    @property
    def has_names(self) -> bool:
        """Whether a column names the images."""
        return NAME in self.columns

    def find_number(self, row: Row) -> int | None:
        """Return the number that a row has for its class; None where it has none."""
        value = _find_value(row, self) if self.kind == CLASS else None
        return None if value is None else int(value.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Values:
    """What a reading says.

    Attributes:
        entries: the class, 0..999 in the order of the sorted WNIDs, by the name of its image.
        lines: the same in the order of the rows, and what to call each of them.
    """

    entries: Mapping[str, int]
    lines: Sequence[tuple[str, int]]


def list_readings(tables: Sequence[Table], wanted: str | None) -> list[Reading]:
    """Return the readings in which most rows have a value of their kind.

    Args:
        tables: the ways to cut the file.
        wanted: the only reading to consider, as `--labels-format` says; None for all.
    """
    found = []
    for table in tables:
        readings = _list_own(table, wanted)
        named = [item for item in readings if _has_value_head(item)]
        found += named or readings
    return found


def _list_own(table: Table, wanted: str | None) -> list[Reading]:
    if wanted is not None:
        columns = tuple(wanted.split(","))
        reading = Reading(table, columns)
        return [reading] if _fits(reading) else []
    if table.width > _MAX_COLUMNS:
        return []
    readings = (Reading(table, words) for words in _list_columns(table.width))
    return [item for item in readings if _fits(item)]


def _list_columns(width: int) -> Iterator[tuple[str, ...]]:
    for kind in (SYNSET, CLASS):
        if width == 1:
            yield (kind,)
        for name in range(width):
            for value in range(width):
                if name != value:
                    words = {name: NAME, value: kind}
                    yield tuple(words.get(place, OTHER) for place in range(width))


def _fits(reading: Reading) -> bool:
    rows = reading.table.rows[:_SAMPLE_ROWS]
    if not rows or reading.table.width < len(reading.columns):
        return False
    if not reading.has_names and reading.table.width != 1:
        return False
    return sum(_find_value(row, reading) is not None for row in rows) >= _MOST * len(rows)


def _has_value_head(reading: Reading) -> bool:
    header = reading.table.header
    return header is not None and header[_place(reading, reading.kind)].casefold() in _VALUE_HEADS


def _place(reading: Reading, word: str) -> int:
    return reading.columns.index(word)


def _find_value(row: Row, reading: Reading) -> str | None:
    """Return the cell that has the value; None where it has none of its kind."""
    if len(row.cells) < len(reading.columns):
        return None
    cell = row.cells[_place(reading, reading.kind)]
    form = _NUMBER if reading.kind == CLASS else _WNIDS
    return cell if form.fullmatch(cell) else None


def read_values(reading: Reading, order: ClassOrder, where: str) -> Values:
    """Read every row.

    Raises:
        LabelProblem: a row is wrong; it is named.
    """
    entries: dict[str, int] = {}
    lines = []
    for row in reading.table.rows:
        place = f"{where}: {row.place}"
        label = _read_label(row, reading, order, place)
        lines.append((place, label))
        if not reading.has_names:
            continue
        name = row.cells[_place(reading, NAME)]
        if entries.setdefault(_plain(name), label) != label:
            raise LabelProblem(f"{place}: {name} has another class before")
    return Values(entries, lines)


def _read_label(row: Row, reading: Reading, order: ClassOrder, place: str) -> int:
    value = _find_value(row, reading)
    number = reading.find_number(row)
    if value is None:
        wanted = "a class" if reading.kind == CLASS else "a synset (WNID)"
        needed = f"a name and {wanted}" if reading.has_names else wanted
        raise LabelProblem(f"{place}: is not {needed}: {row.text[:80]!r}")
    if number is None:
        return _read_synset(value, place)
    label = order.find_class(number)
    if label is None:
        low, high = order.bounds
        raise LabelProblem(f"{place}: class {number} is not {low}..{high}")
    return label


def _read_synset(value: str, place: str) -> int:
    """A WNID, or Kaggle's PredictionString: a WNID and four corners for each box."""
    wnids = dict.fromkeys(_WNID.findall(value))
    if len(wnids) > 1:
        raise LabelProblem(f"{place}: names two synsets: {' and '.join(list(wnids)[:2])}")
    wnid = next(iter(wnids))
    number = number_wnids().get(wnid)
    if number is None:
        raise LabelProblem(f"{place}: {wnid} is none of the {CLASSES} classes of ILSVRC2012")
    return number


def count_named(reading: Reading, names: Collection[str]) -> int:
    """Count the rows of a reading that name an image, whatever the values beside it.

    Args:
        reading: one with a name column.
        names: of the images, as `simplify_name` returns them.
    """
    place = _place(reading, NAME)
    rows = reading.table.rows
    return sum(simplify_name(row.cells[place]) in names for row in rows if len(row.cells) > place)


def match_values(values: Values, names: Sequence[str]) -> Matched:
    """Return the class of each image by its name."""
    return match_names(values.entries, names)


def _plain(name: str) -> str:
    name = name.strip().replace("\\", "/")
    return "/".join(part for part in name.split("/") if part not in ("", "."))
