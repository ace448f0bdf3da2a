"""What is exported of a run: its verdict, its figures under names for machines, its configuration.

The figures of an INVALID run are not exported: nobody who reads a dashboard sees the verdict beside
them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.report.kpi.text import list_kpis, list_parameters
from resnet50_bench.verdict.judge import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.report.kpi.text import KpiLine
    from resnet50_bench.results.record import Record

_PERCENTILE = "Latency p"
_NO_SETTING = frozenset(
    {"PRECISION_PROOF", "PLATFORM", "CPU", "VERBOSE", "TIMEOUT", "PRICE_PER_HOUR"}
)
"""Parameters that say what came of the run, where it ran, or nothing of what was measured."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure.

    Attributes:
        name: ends in the unit, one without a prefix: seconds, not ms.
        meaning: in a line.
        value: in that unit.
        percentile: of a latency, such as `99`; "" for what is none.
    """

    name: str
    meaning: str
    value: float
    percentile: str = ""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a KPI is exported: its name, what its value is multiplied by, what it is."""

    name: str
    factor: float
    meaning: str


_FORMS = {
    "Throughput": _Form("throughput_images_per_second", 1, "Images in the common window / length"),
    "Latency": _Form("latency_mean_seconds", 1e-3, "Mean time of a query"),
    "Latency min": _Form("latency_min_seconds", 1e-3, "Time of the shortest query"),
    "Latency max": _Form("latency_max_seconds", 1e-3, "Time of the longest query"),
    "Images": _Form("images", 1, "Images that the figures are about"),
    "Window": _Form("window_seconds", 1, "Time in which all instances measured"),
    "Share of limit": _Form("limit_ratio", 1e-2, "Throughput / what these cores could do at most"),
    "Energy per image": _Form("energy_per_image_joules", 1, "Energy of the sockets used / images"),
    "Power": _Form("power_watts", 1, "Energy of the sockets used / window"),
    "Cost per million images": _Form("cost_per_million_images", 1, "At the price of the run"),
    "Accuracy": _Form("accuracy_top1_ratio", 1e-2, "Right first answers / images"),
    "Accuracy top-5": _Form("accuracy_top5_ratio", 1e-2, "Right among five answers / images"),
    "Unreadable images": _Form("unreadable_images", 1, "Images that could not be read"),
}
_LATENCY = _Form("latency_seconds", 1e-3, "Percentile of the time of a query, by nearest rank")


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """A run on its way out.

    Attributes:
        folder: where it lies.
        record: of it.
        verdict: on it.
    """

    folder: Path
    record: Record
    verdict: Verdict

    @property
    def created(self) -> datetime:
        """When it was made, UTC; the epoch where the record holds no time."""
        return self.record.created_at or datetime.fromtimestamp(0, timezone.utc)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Its figures; none of an INVALID run."""
        lines = list_kpis(self.record) if self.verdict.valid else []
        return tuple(measure for line in lines for measure in _convert(line))

    @property
    def configuration(self) -> str:
        """What was measured, in words that are the same in each repetition."""
        record, config = self.record, self.record.config
        return (
            f"{record.measures} {config.precision.value}, batch {record.workload.batch_size}, "
            f"{record.planned_instances} x {record.placement.cores_per_instance} cores, "
            f"{config.engine}"
        )

    @property
    def configuration_hash(self) -> str:
        """Twelve digits that differ where any parameter does that may change a figure."""
        asked = [item for item in list_parameters(self.record) if item[0] not in _NO_SETTING]
        return hashlib.sha256(repr(asked).encode("utf-8", "backslashreplace")).hexdigest()[:12]


def describe_run(folder: Path, record: Record) -> ExportedRun:
    """Return a run with its verdict."""
    return ExportedRun(folder, record, judge(record))


def _convert(line: KpiLine) -> Iterator[Measure]:
    """Yield the figure of a KPI; instances and streams are parameters."""
    if line.name in _FORMS:
        form = _FORMS[line.name]
        yield Measure(form.name, form.meaning, line.value * form.factor)
    elif line.name.startswith(_PERCENTILE):
        percentile = line.name.removeprefix(_PERCENTILE)
        yield Measure(_LATENCY.name, _LATENCY.meaning, line.value * _LATENCY.factor, percentile)
