"""A run as a row: what was asked of it, what came of it, where its record lies."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import RunConfig
from resnet50_bench.report.listing import spell_verdict
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.limit import compute_limit
from resnet50_bench.search.identity import identify_machine
from resnet50_bench.verdict.judge import judge_measured

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.results.kpi import Latency
    from resnet50_bench.results.record import Record

_MS = 1e6
_DEFAULTS = RunConfig()
_TOLD_ELSEWHERE = frozenset({
    "mode", "precision", "engine", "batch_size", "cores_per_instance", "instances", "platform",
    "case_type", "min_time_s", "steps", "warmup_steps", "until", "max_time_s", "seed", "verbose",
    "timeout_s", "price_per_hour", "onednn_verbose", "accept_noise", "limit",
})  # fmt: skip
"""Parameters that have columns of their own, or say how long and how loudly one measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run; a figure that it has not is None.

    Attributes:
        run_id: its name.
        folder: where its record lies.
        created: UTC, ISO 8601.
        machine, host: what CPU it is a figure of, in one line; the name of the machine.
        mode, engine, precision: as asked.
        batch_size, cores_per_instance, instances: as they were.
        others: what else was asked that may change the speed, e.g. `allocator=jemalloc`.
        status: of its record.
        verdict, valid, problem: for people; whether no check failed; the first that did.
        warnings: how many.
        images_per_s, low, high: throughput and its 95 % interval.
        mean_ms, p50_ms, p99_ms: time of a query.
        limit_share: of the machine's limit, 0..1.
        top1: accuracy, 0..1.
    """

    run_id: str
    folder: str
    created: str
    machine: str
    host: str
    mode: str
    engine: str
    precision: str
    batch_size: int
    cores_per_instance: int
    instances: int
    others: str
    status: str
    verdict: str
    valid: bool
    problem: str | None
    warnings: int = 0
    images_per_s: float | None = None
    low: float | None = None
    high: float | None = None
    mean_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    limit_share: float | None = None
    top1: float | None = None


def describe_run(folder: Path, record: Record) -> RunRow:
    """Return the row of a run."""
    kpis = run_kpis(record)
    verdict = judge_measured(record, kpis)
    figures: dict[str, float | None] = {}
    if kpis is not None:
        interval, limit = kpis.throughput_interval, compute_limit(record, kpis)
        figures = {
            "images_per_s": kpis.images_per_s,
            "low": interval.low if interval is not None else None,
            "high": interval.high if interval is not None else None,
            "limit_share": limit.share if limit is not None else None,
            **_list_latencies(kpis.latency),
        }
    accuracy = compute_accuracy(record.evaluation) if record.evaluation is not None else None
    if accuracy is not None and record.status == "completed":
        figures["top1"] = accuracy.top1
    return RunRow(
        run_id=record.run_id,
        folder=str(folder),
        created=record.created,
        machine=identify_machine(record.host).describe(),
        host=record.host.hostname,
        mode=record.measures,
        engine=record.config.engine,
        precision=record.config.precision.value,
        batch_size=record.workload.batch_size,
        cores_per_instance=record.placement.cores_per_instance,
        instances=record.planned_instances,
        others=_describe_others(record.config),
        status=record.status,
        verdict=spell_verdict(record, valid=verdict.valid),
        valid=verdict.valid,
        problem=verdict.failures[0].message if verdict.failures else None,
        warnings=len(verdict.warnings),
        **figures,
    )


def _list_latencies(latency: Latency | None) -> dict[str, float | None]:
    if latency is None:
        return {}
    percentiles = {percent: value / _MS for percent, value in latency.percentiles.items()}
    return {
        "mean_ms": latency.mean_ns / _MS,
        "p50_ms": percentiles.get(50.0),
        "p99_ms": percentiles.get(99.0),
    }


def _describe_others(config: RunConfig) -> str:
    changed = [
        (item.name, getattr(config, item.name))
        for item in fields(RunConfig)
        if item.name not in _TOLD_ELSEWHERE
        and getattr(config, item.name) != getattr(_DEFAULTS, item.name)
    ]
    return " ".join(f"{name}={_spell(value)}" for name, value in changed)


def _spell(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in value.items())
    return str(value)
