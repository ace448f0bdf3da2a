"""The result for machines: what `--json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.engines.tensorflow import find_unfused
from resnet50_bench.report.kpi.text import list_parameters
from resnet50_bench.report.terminal.accuracy import summarize_accuracy
from resnet50_bench.report.terminal.contention import summarize_contention
from resnet50_bench.report.terminal.efficiency import summarize_energy
from resnet50_bench.report.terminal.loadgen import summarize_loadgen
from resnet50_bench.results.efficiency import compute_cost
from resnet50_bench.results.kpi import Kpis, run_kpis, survivors_kpis
from resnet50_bench.results.limit import DEFINITION, Limit, compute_limit
from resnet50_bench.verdict.judge import judge
from resnet50_bench.verdict.precision import prove

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.results.record import Record
    from resnet50_bench.stats.intervals import MeanInterval


def summarize(record: Record, folder: Path) -> dict[str, Any]:
    """Return the run as plain JSON types; keys that do not apply are null."""
    verdict = judge(record)
    kpis, survivors = run_kpis(record), survivors_kpis(record)
    return {
        "schema_version": record.schema_version,
        "run_id": record.run_id,
        "folder": str(folder),
        "status": record.status,
        "valid": verdict.valid,
        "failed_checks": msgspec.to_builtins(verdict.failures),
        "warnings": msgspec.to_builtins(verdict.warnings),
        "parameters": dict(list_parameters(record)),
        "precision_proof": msgspec.to_builtins(prove(record)),
        "emulated": record.emulated,
        "not_fused": find_unfused(record.fused_ops),
        "kpis": _summarize_kpis(kpis),
        "energy": summarize_energy(record, kpis),
        "cost_per_million_images": compute_cost(record, kpis),
        "limit": _summarize_limit(compute_limit(record, kpis)),
        "accuracy": summarize_accuracy(record),
        "loadgen": summarize_loadgen(record),
        "contention": summarize_contention(record, kpis),
        "survivors_subtotal": _summarize_kpis(survivors),
        "instances": [
            {
                "instance": item.slot.instance,
                "host": item.host,
                "cpus": list(item.slot.cpus),
                "memory_nodes": list(item.slot.nodes),
                "exit": item.exit.kind,
                "detail": item.exit.detail,
                "streams": max(1, len(item.slot.streams)),
                "queries": item.queries,
                "resident_bytes": item.resident_bytes,
                "proportional_bytes": item.proportional_bytes,
            }
            for item in record.instances
        ],
        "model": msgspec.to_builtins(record.model),
    }


def _summarize_limit(limit: Limit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {
        "share": limit.share,
        "images_per_s": limit.limit_images_per_s,
        "kind": limit.kernel.kind.value,
        "operations_per_s": limit.operations_per_s,
        "operations_per_image": limit.operations_per_image,
        "cpus": list(limit.cpus),
        "measured": limit.measured,
        "definition": DEFINITION,
    }


def _summarize_kpis(kpis: Kpis | None) -> dict[str, Any] | None:
    if kpis is None:
        return None
    latency = None
    if kpis.latency is not None:
        latency = {
            "queries": kpis.latency.queries,
            "mean_ms": kpis.latency.mean_ns / 1e6,
            "min_ms": kpis.latency.min_ns / 1e6,
            "max_ms": kpis.latency.max_ns / 1e6,
            "percentiles_ms": {
                f"p{percent:g}": value_ns / 1e6
                for percent, value_ns in kpis.latency.percentiles.items()
            },
        }
    return {
        "throughput_images_per_s": kpis.images_per_s,
        "throughput_interval": _summarize_interval(kpis.throughput_interval),
        "throughput_spread": msgspec.to_builtins(kpis.spread),
        "sum_of_instance_rates_images_per_s": kpis.rate_sum_images_per_s,
        "images": kpis.images,
        "window_s": kpis.window.seconds,
        "warm_up_left_out": msgspec.to_builtins(kpis.warm_ups),
        "throughput_by_host_images_per_s": {
            host: rate for host, rate in kpis.by_host.items() if host is not None
        },
        "latency": latency,
    }


def _summarize_interval(interval: MeanInterval | None) -> dict[str, float] | None:
    """The interval in images per second, and the values it is computed from."""
    if interval is None:
        return None
    return {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "confidence": 0.95,
        "relative_half_width": interval.relative,
        "standard_error": interval.error,
        "degrees_of_freedom": interval.degrees,
        "independent_values": interval.effective,
        "drift": interval.drift,
    }
