"""Many runs, a line each: what was asked, what came of it, and whether it may be believed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from resnet50_bench.config import Mode
from resnet50_bench.report.styled import Line
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.results.record import Record

_TIME = "%Y-%m-%d %H:%M"
_HEADINGS = ("created", "mode", "precision", "batch size", "instances x cores", "result",
             "verdict", "folder")  # fmt: skip
_TO_THE_RIGHT = {"batch size", "instances x cores", "result"}


@dataclass(frozen=True, slots=True)
class Figure:
    """What a run is about.

    Attributes:
        name: `images_per_s`, `p50_ms` or `top1`.
        value: in the unit of the name; of `top1` 0..1.
        text: for people.
    """

    name: str
    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """One line.

    Attributes:
        created: UTC, ISO 8601.
        mode, precision, engine: as asked.
        batch_size: images per query.
        instances: that were planned, on all hosts together.
        cores_per_instance: of the first of them.
        figure: the primary one; None when it has none.
        valid: whether no check failed.
        status: of the record.
        emulated: slower instructions stood in for those of the precision.
        folder: where it lies.
    """

    created: str
    mode: str
    precision: str
    engine: str
    batch_size: int
    instances: int
    cores_per_instance: int
    figure: Figure | None
    valid: bool
    status: str
    emulated: bool
    folder: str

    @property
    def verdict(self) -> str:
        """For people."""
        return spell_verdict(self, valid=self.valid)


def spell_verdict(run: ListedRun | Record, *, valid: bool) -> str:
    """Return a verdict for people, in a word or two."""
    if valid:
        return "VALID (EMULATED)" if run.emulated else "VALID"
    return "INVALID" if run.status == "completed" else f"INVALID ({run.status})"


def list_run(folder: Path, record: Record) -> ListedRun:
    """Return the line of a run."""
    slots = record.placement.slots
    return ListedRun(
        created=record.created,
        mode=record.measures,
        precision=record.config.precision.value,
        engine=record.config.engine,
        batch_size=record.workload.batch_size,
        instances=record.planned_instances,
        cores_per_instance=slots[0].threads,
        figure=find_figure(record),
        valid=judge(record).valid,
        status=record.status,
        emulated=record.emulated,
        folder=str(folder),
    )


def find_figure(record: Record) -> Figure | None:
    """Return a run's primary figure; None when it has none."""
    if record.evaluation is not None:
        accuracy = compute_accuracy(record.evaluation)
        if accuracy is None:
            return None
        return Figure("top1", accuracy.top1, f"top-1 {accuracy.top1:.2%}")
    kpis = run_kpis(record)
    if kpis is None:
        return None
    if record.config.mode is Mode.LATENCY:
        p50_ns = kpis.latency.percentiles.get(50.0) if kpis.latency is not None else None
        return Figure("p50_ms", p50_ns / 1e6, f"p50 {p50_ns / 1e6:.2f} ms") if p50_ns else None
    interval = kpis.throughput_interval
    known = f" +-{interval.relative:.1%}" if interval is not None else ""
    return Figure("images_per_s", kpis.images_per_s, f"{kpis.images_per_s:.2f} images/s{known}")


def make_listing(runs: Sequence[ListedRun]) -> Table:
    """Return the runs as a table, in the order given."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in _HEADINGS:
        right = heading in _TO_THE_RIGHT
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for run in runs:
        cells = (_show_time(run.created), run.mode, run.precision, str(run.batch_size),
                 f"{run.instances} x {run.cores_per_instance}",
                 run.figure.text if run.figure is not None else "")  # fmt: skip
        style = "green" if run.valid else "bold red"
        table.add_row(*map(Line, cells), Line(run.verdict, style), Line(run.folder))
    return table


def _show_time(created: str) -> str:
    """To the minute; as it stands where it is no time."""
    try:
        return datetime.fromisoformat(created).strftime(_TIME)
    except ValueError:
        return created


def summarize_listing(runs: Sequence[ListedRun]) -> list[dict[str, Any]]:
    """Return the runs as plain JSON types."""
    return [asdict(run) for run in runs]
