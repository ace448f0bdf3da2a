"""An answer as a table on the terminal, CSV or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.table import Table

from resnet50_bench.report.styled import Line
from resnet50_bench.report.tables import render_rows

if TYPE_CHECKING:
    from resnet50_bench.query.tables import Answer

SHOWN_ROWS = 1000
"""Of an answer on the terminal; the other formats have all."""


def make_plain(value: Any) -> Any:
    """Return a value of DuckDB as one of JSON: times in ISO 8601, what is no number as null."""
    if isinstance(value, dict):
        return {str(name): make_plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [make_plain(item) for item in value]
    for kinds, convert in _PLAIN:
        if isinstance(value, kinds):
            return convert(value)
    return str(value)


_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((type(None), bool, int, str), lambda value: value),
    ((float, Decimal), lambda value: float(value) if math.isfinite(value) else None),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    (bytes, bytes.hex),
)
"""How values of each kind are told, the first that fits."""


def render_json(answer: Answer) -> str:
    """Return a list with one object a row, in ASCII. Columns of one name get a number behind it."""
    names = _tell_apart(answer.columns)
    rows = [dict(zip(names, map(make_plain, row), strict=True)) for row in answer.rows]
    return json.dumps(rows, indent=2).replace("\x7f", "\\u007f") + "\n"


def render_csv(answer: Answer) -> str:
    """Return a heading and a line a row (RFC 4180, but lines end in a line feed); NULL is empty."""
    return render_rows([answer.columns, *(map(_make_csv_cell, row) for row in answer.rows)])


def make_table(answer: Answer) -> Table:
    """Return the first rows as a table for people: numbers to six digits."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, numeric in zip(answer.columns, answer.numeric, strict=True):
        table.add_column(Line(name), justify="right" if numeric else "left", no_wrap=True)
    for row in answer.rows[:SHOWN_ROWS]:
        table.add_row(*(Line(_show(value)) for value in row))
    return table


def _make_csv_cell(value: Any) -> Any:
    plain = make_plain(value)
    if isinstance(plain, bool):
        return str(plain).lower()
    return json.dumps(plain) if isinstance(plain, (list, dict)) else plain


def _show(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (float, Decimal)):
        return f"{value:.6g}"
    plain = make_plain(value)
    return json.dumps(plain) if isinstance(plain, (list, dict)) else str(plain)


def _tell_apart(names: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, own = 1, name
        while own in found:
            number += 1
            own = f"{name}_{number}"
        found.append(own)
    return found
