"""What every chart is: a description in Vega-Lite, the rows it draws, and the same in words.

Colours are names of the page's CSS variables. Precisions and engines differ in their marks' shapes,
too, and an amount that is shown as a colour stands beside it as a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resnet50_bench.config import Precision

Spec = dict[str, Any]
Row = Mapping[str, Any]

SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
PRECISIONS = [item.value for item in Precision]
TABLE = "table"
"""Name of the data that the page's script fills in."""

LINK = "link"
"""Field of a row: where a click on its mark leads."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart's table.

    Attributes:
        field: of its rows.
        title: with the unit.
        digits: behind the point; None for text and whole numbers.
    """

    field: str
    title: str
    digits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart of the page.

    Attributes:
        id: in the page.
        title: of the figure.
        text: what it shows, in a sentence or two, for those who cannot see it.
        spec: in Vega-Lite, without `data` where it draws `rows`.
        rows: its data; `link` of a row leads to its record.
        columns: of the table of its data.
        notes: how to read it, and what has been left out.
        wide: it needs the whole width.
    """

    id: str
    title: str
    text: str
    spec: Spec
    rows: Sequence[Row]
    columns: Sequence[Column]
    notes: Sequence[str] = field(default_factory=tuple)
    wide: bool = False


def quantitative(name: str, title: str, **others: Any) -> Spec:
    """A channel for an amount."""
    return {"field": name, "type": "quantitative", "title": title, **others}


def nominal(name: str, title: str | None = None, **others: Any) -> Spec:
    """A channel for a name, in the order of the rows."""
    return {"field": name, "type": "nominal", "title": title, "sort": None, **others}


def tooltips(columns: Sequence[Column]) -> list[Spec]:
    """What is shown of a row under the pointer: its columns, as in the table."""
    return [_make_tooltip(column) for column in columns]


def _make_tooltip(column: Column) -> Spec:
    if column.digits is None:
        return {"field": column.field, "title": column.title, "type": "nominal"}
    shown = f",.{column.digits}f"
    return {"field": column.field, "title": column.title, "type": "quantitative", "format": shown}


def colour_precisions(rows: Sequence[Row]) -> Spec:
    """A channel: each precision has its colour in all charts."""
    return nominal("precision", "precision", scale=_scale_precisions(rows, SERIES))


def shape_precisions(rows: Sequence[Row]) -> Spec:
    """A channel: each precision has its shape in all charts."""
    return nominal("precision", "precision", scale=_scale_precisions(rows, SHAPES))


def _scale_precisions(rows: Sequence[Row], values: Sequence[str]) -> Spec:
    """Only those that are there, so that the legend shows no others."""
    there = {row["precision"] for row in rows}
    pairs = [pair for pair in zip(PRECISIONS, values, strict=True) if pair[0] in there]
    return {"domain": [name for name, _ in pairs], "range": [value for _, value in pairs]}
