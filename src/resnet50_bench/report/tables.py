"""Tables for other programs, as CSV and as Markdown: text of records stays text in both."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence

from resnet50_bench.printable import make_cell


def render_rows(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV (RFC 4180, but lines end in a line feed); None is empty.

    A spreadsheet takes no text in it for a formula.
    """
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(
        [make_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return stream.getvalue()


def join_markdown(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return the rows as the lines of a Markdown table; a bar in a cell ends none.

    Args:
        rows: of one length, the heading first.
        right: places of the columns that stand to the right, such as figures, from 0.
    """
    head, *rest = rows
    rules = ["---:" if place in right else "---" for place in range(len(head))]
    return [f"| {' | '.join(map(_escape_bars, row))} |" for row in (head, rules, *rest)]


def _escape_bars(cell: str) -> str:
    return cell.replace("|", r"\|")
