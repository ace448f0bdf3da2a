"""What a history keeps of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.verdict.comparison.differences import read_asked, read_found
from resnet50_bench.verdict.comparison.speed import measure_speed
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run of a history.

    Attributes:
        run_id: the name of the run's folder when it was made.
        created: UTC, without a zone, as DuckDB has it.
        host: its name.
        unit: of the speed.
        speed: images per second; in latency mode queries per second of one caller.
        asked: what makes runs of one host comparable, by name; see `read_asked`.
        found: what is of the host and its software, by name.
        source: the folder it was read from.
    """

    run_id: str
    created: datetime
    host: str
    unit: str
    speed: float
    asked: dict[str, str]
    found: dict[str, str]
    source: str


def make_row(record: Record, source: Path, host: str | None = None) -> Row | str:
    """Return the row of a run, or why it has none.

    Args:
        record: of the run.
        source: the folder it was read from.
        host: the name to keep it under; None for the host's own.
    """
    created = record.created_at
    if created is None:
        return f"{record.created!r} is no time"
    measured = measure_speed(record)
    if isinstance(measured, str):
        return measured
    verdict = judge(record)
    if not verdict.valid:
        return f"INVALID: {verdict.failures[0].message}"
    return Row(
        run_id=record.run_id,
        created=created.replace(tzinfo=None),
        host=host or record.host.hostname,
        unit="images/s" if record.config.mode is Mode.THROUGHPUT else "queries/s",
        speed=measured.speed,
        asked=read_asked(record),
        found=read_found(record),
        source=str(source),
    )
