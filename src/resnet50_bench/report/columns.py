"""Tables of text: rows in columns of one width."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def join_columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return the rows as lines, every column as wide as its widest text; empty columns go.

    Args:
        rows: of one length, the heading among them.
        right: places of the columns that stand to the right, such as figures, from 0.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_align(row, widths, right)).rstrip() for row in rows]


def _align(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    return [
        text.rjust(width) if place in right else text.ljust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
        if width
    ]
