"""What a run of a sweep came to, read from its record; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import RecordError
from resnet50_bench.results.files import RECORD_FILE, read_record
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.limit import compute_limit
from resnet50_bench.search.identity import hash_config, identify_machine
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.results.findings import Finding
    from resnet50_bench.results.record import Record
    from resnet50_bench.search.identity import MachineIdentity

_NS = 1e9
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a valid run measured.

    Attributes:
        batch_size: images per query.
        cores_per_instance: of each instance, or of each stream.
        instances: how many ran side by side.
        images_per_s: its throughput.
        throughput_interval: its 95 % interval, within this one run; None where it is too short to
            tell.
        latency_ms: mean time of a query.
        latency_p99_ms: None where too few queries were made to tell it.
        limit_share: of what the machine can do at most, 0..1, see `results.limit`; None where no
            limit was measured.
    """

    batch_size: int
    cores_per_instance: int
    instances: int
    images_per_s: float
    throughput_interval: tuple[float, float] | None
    latency_ms: float | None
    latency_p99_ms: float | None
    limit_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a sweep, whatever came of it.

    Attributes:
        key: of its candidate, by `hash_config`.
        exit_code: as of a single run.
        seconds: from the start of its instances to their end; 0 where they were not started.
        folder: the name of the run's folder; None when it got no record.
        problem: why it is not valid; None of a valid one.
        figures: of a valid one.
    """

    key: str
    exit_code: int
    seconds: float = 0.0
    folder: str | None = None
    problem: str | None = None
    figures: Figures | None = None


def describe_attempt(record: Record, folder: Path) -> Attempt:
    """Return what a run came to; only a valid one has figures."""
    verdict = judge(record)
    problems = "; ".join(_explain(finding) for finding in verdict.failures)
    return Attempt(
        key=hash_config(record.config),
        exit_code=verdict.exit_code,
        seconds=(record.duration_ns or 0) / _NS,
        folder=folder.name,
        problem=None if verdict.valid else problems or "invalid",
        figures=_read_figures(record) if verdict.valid else None,
    )


def read_attempts(folder: Path, machine: MachineIdentity) -> Iterator[Attempt]:
    """Read the runs of this machine in a folder, in the order of their names.

    Runs that were interrupted, or whose record cannot be read, are nobody's attempt: they are made
    again.

    Args:
        folder: that holds one folder per run.
        machine: runs of another one do not count.
    """
    for path in sorted(item.parent for item in folder.glob(f"*/{RECORD_FILE}")):
        try:
            record = read_record(path)
        except RecordError:
            continue
        is_whole = record.status in {"completed", "lost instances"}
        if is_whole and identify_machine(record.host) == machine:
            yield describe_attempt(record, path)


def _explain(finding: Finding) -> str:
    return f"{finding.message} -> {finding.advice}" if finding.advice else finding.message


def _read_figures(record: Record) -> Figures | None:
    kpis = run_kpis(record)
    if kpis is None:
        return None
    latency, interval = kpis.latency, kpis.throughput_interval
    limit = compute_limit(record, kpis)
    p99_ns = None if latency is None else latency.percentiles.get(99.0)
    return Figures(
        batch_size=record.workload.batch_size,
        cores_per_instance=record.placement.cores_per_instance,
        instances=record.planned_instances,
        images_per_s=kpis.images_per_s,
        throughput_interval=None if interval is None else (interval.low, interval.high),
        latency_ms=None if latency is None else latency.mean_ns / _NS_PER_MS,
        latency_p99_ms=None if p99_ns is None else p99_ns / _NS_PER_MS,
        limit_share=None if limit is None else limit.share,
    )
