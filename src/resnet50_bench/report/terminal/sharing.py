"""What weight sharing bought: a run beside the same configuration in separate processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.printable import join_lines
from resnet50_bench.results.kpi import reported, run_kpis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.record import InstanceRecord, Record

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Contrast:
    """One figure of both runs.

    Attributes:
        name, unit: of the figure.
        shared, separate: its values; None where a run has none.
    """

    name: str
    unit: str
    shared: float | None
    separate: float | None

    @property
    def ratio(self) -> float | None:
        """Shared / separate."""
        if self.shared is None or not self.separate:
            return None
        return self.shared / self.separate


def describe_shared_memory(instances: Sequence[InstanceRecord]) -> Iterator[tuple[str, str]]:
    """Yield the row on memory of instances whose streams share their weights; else none."""
    streams = sum(len(item.streams) for item in instances)
    if not streams:
        return
    sizes = [item.proportional_bytes for item in instances]
    if any(size is None for size in sizes):
        yield "Sharing", f"{streams} streams hold {len(instances)} copies of the weights"
        return
    total = sum(size or 0 for size in sizes)
    yield (
        "Sharing",
        (
            f"{streams} streams hold {len(instances)} cop{'ies' if len(instances) > 1 else 'y'} of "
            f"the weights: {total / _GIB:.2f} GiB in all (proportional set size); "
            "--compare-unshared measures it without"
        ),
    )


def contrast(shared: Record, separate: Record) -> list[Contrast]:
    """Return throughput, latency and memory of both runs side by side."""
    ours, theirs = run_kpis(shared), run_kpis(separate)
    one, other = (kpis.latency if kpis is not None else None for kpis in (ours, theirs))
    return [
        Contrast(
            "Throughput",
            "images/s",
            ours.images_per_s if ours else None,
            theirs.images_per_s if theirs else None,
        ),
        Contrast(
            "Latency mean",
            "ms",
            one.mean_ns / 1e6 if one else None,
            other.mean_ns / 1e6 if other else None,
        ),
        *(
            Contrast(
                f"Latency p{percent:g}",
                "ms",
                one.percentiles[percent] / 1e6,
                other.percentiles[percent] / 1e6,
            )
            for percent in sorted(
                set(one.percentiles) & set(other.percentiles) if one and other else ()
            )
            if one and other
        ),
        Contrast("Memory, all", "GiB", _sum_memory(shared), _sum_memory(separate)),
        Contrast("Processes", "", len(shared.instances), len(separate.instances)),
    ]


def render_contrast(rows: Sequence[Contrast]) -> str:
    """Return the rows as a table, the shared run first."""
    lines = [f"{'':<22}{'shared':>12}{'separate':>12}{'ratio':>9}"]
    for row in rows:
        name = f"{row.name} ({row.unit})" if row.unit else row.name
        values = "".join(f"{_show(value):>12}" for value in (row.shared, row.separate))
        lines.append(f"{name:<22}{values}{_show(row.ratio):>9}")
    return join_lines(lines)


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _sum_memory(record: Record) -> float | None:
    """The proportional set sizes of all instances, in GiB."""
    sizes = [item.proportional_bytes for item in reported(record)]
    if not sizes or any(size is None for size in sizes):
        return None
    return sum(size or 0 for size in sizes) / _GIB
