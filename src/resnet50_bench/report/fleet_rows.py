"""What came of each case on each host: a line while it goes on, a table at the end, JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.printable import join_lines
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.kpi.text import list_kpis
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from resnet50_bench.fleet.state import Row
    from resnet50_bench.results.record import Record

Verdicts = Mapping[tuple[str, str], bool]


def describe_ended(row: Row, record: Record | None) -> str:
    """Return a line about a case that just ended on a host."""
    notes = "".join(f"; {note}" for note in row.notes)
    if record is None:
        return f"{row.host} {row.case}: LOST: {row.reason}{notes}"
    word = "VALID" if judge(record).valid else "INVALID"
    figure = " ".join(line.render().lstrip("*") for line in list_kpis(record) if line.primary)
    return f"{row.host} {row.case}: {word} {figure}{notes}"


def render_rows(rows: Sequence[Row], verdicts: Verdicts, output: Path) -> str:
    """Return a table of what is not valid, and the sums."""
    valid = sum(verdicts.values())
    invalid = len(verdicts) - valid
    lost = sum(row.outcome == "lost" for row in rows)
    odd = [
        [f"  {row.host}", row.case, _name(row, verdicts), "; ".join([row.reason, *row.notes])]
        for row in rows
        if not verdicts.get((row.host, row.case), False) or row.notes
    ]
    lines = join_columns(odd) if odd else []
    hosts = len({row.host for row in rows})
    return join_lines(
        [
            *lines,
            f"{len(rows)} cases on {hosts} hosts: {valid} valid, {invalid} invalid, {lost} lost",
            f"records in {output}; r50 fleet report {output} compares the hosts",
        ]
    )


def summarize_rows(rows: Sequence[Row], verdicts: Verdicts) -> dict[str, Any]:
    """Return all of them as plain JSON types."""
    return {
        "rows": [
            {**msgspec.to_builtins(row), "valid": verdicts.get((row.host, row.case))}
            for row in rows
        ]
    }


def _name(row: Row, verdicts: Verdicts) -> str:
    if row.outcome == "lost":
        return "LOST"
    return "VALID" if verdicts[row.host, row.case] else "INVALID"
