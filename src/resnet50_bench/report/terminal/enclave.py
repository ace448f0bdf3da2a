"""What running inside gramine costs: a run beside the native one, for each batch size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.report.columns import join_columns
from resnet50_bench.results.kpi import run_kpis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.results.record import Record


@dataclass(frozen=True, slots=True)
class EnclaveRow:
    """One configuration, run both ways.

    Attributes:
        batch_size: images per query.
        native, inside: images per second; None where a run has none.
        native_ms, inside_ms: mean latency.
    """

    batch_size: int
    native: float | None
    inside: float | None
    native_ms: float | None
    inside_ms: float | None

    @property
    def ratio(self) -> float | None:
        """Inside / native, of images per second."""
        return None if self.inside is None or not self.native else self.inside / self.native

    @property
    def latency_ratio(self) -> float | None:
        """Inside / native, of mean latency."""
        if self.inside_ms is None or not self.native_ms:
            return None
        return self.inside_ms / self.native_ms


def compare_native(native: Record, inside: Record) -> EnclaveRow:
    """Return a configuration's row."""
    rates, latencies = [], []
    for record in (native, inside):
        kpis = run_kpis(record)
        rates.append(kpis.images_per_s if kpis is not None else None)
        latency = kpis.latency if kpis is not None else None
        latencies.append(latency.mean_ns / 1e6 if latency is not None else None)
    return EnclaveRow(inside.workload.batch_size, *rates, *latencies)


def render_rows(rows: Sequence[EnclaveRow], kind: str) -> str:
    """Return a table: a line for each batch size."""
    heads = ("batch size", "native", kind, "ratio", "native", kind, "ratio")
    cells = [
        (
            str(row.batch_size),
            *(_format(value, 2) for value in (row.native, row.inside)),
            _format(row.ratio, 3),
            *(_format(value, 3) for value in (row.native_ms, row.inside_ms)),
            _format(row.latency_ratio, 3),
        )
        for row in rows
    ]
    lines = ["images/s, then mean latency in ms"]
    lines += join_columns([heads, *cells], range(len(heads)))
    return "\n".join(lines) + "\n"


def _format(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
