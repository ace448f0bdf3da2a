"""The columns of the tables: what each holds, in which unit, and how it is read from a record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.kpi.text import list_parameters
from resnet50_bench.results.accuracy import Accuracy, compute_accuracy
from resnet50_bench.results.efficiency import EnergyUse, compute_cost, compute_energy
from resnet50_bench.results.kpi import Kpis, run_kpis
from resnet50_bench.results.limit import Limit, compute_limit
from resnet50_bench.verdict.conditions import list_taken
from resnet50_bench.verdict.judge import Verdict, judge
from resnet50_bench.verdict.precision import prove

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record

_MS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A record, and what is computed of it once for all columns."""

    record: Record
    kpis: Kpis | None
    verdict: Verdict
    limit: Limit | None
    energy: EnergyUse | None
    accuracy: Accuracy | None


def gather_facts(record: Record) -> Facts:
    """Compute what the columns are read from."""
    kpis, evaluation = run_kpis(record), record.evaluation
    energy = compute_energy(record, kpis)
    return Facts(
        record=record,
        kpis=kpis,
        verdict=judge(record),
        limit=compute_limit(record, kpis),
        energy=energy if isinstance(energy, EnergyUse) else None,
        accuracy=compute_accuracy(evaluation) if evaluation is not None else None,
    )


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A column of `runs`.

    Attributes:
        name: in SQL; ends in the unit where there is one.
        type: DuckDB's.
        meaning: in a line, with the unit.
        read: its value for a run; None for NULL.
    """

    name: str
    type: str
    meaning: str
    read: Callable[[Facts], Any]


@dataclass(frozen=True, slots=True)
class QueryColumn:
    """A column of `queries`.

    Attributes:
        name, type, meaning: as in `RunColumn`.
        sql: of it, from the columns that are kept.
    """

    name: str
    type: str
    meaning: str
    sql: str


def _percentile(percent: float) -> Callable[[Facts], float | None]:
    def read(facts: Facts) -> float | None:
        if facts.kpis is None or facts.kpis.latency is None:
            return None
        value_ns = facts.kpis.latency.percentiles.get(percent)
        return value_ns / _MS if value_ns is not None else None

    return read


def _latency(name: str) -> Callable[[Facts], float | None]:
    def read(facts: Facts) -> float | None:
        if facts.kpis is None or facts.kpis.latency is None:
            return None
        return float(getattr(facts.kpis.latency, name)) / _MS

    return read


def _kpi(read: Callable[[Kpis], Any]) -> Callable[[Facts], Any]:
    return lambda facts: read(facts.kpis) if facts.kpis is not None else None


def _interval(name: str) -> Callable[[Facts], float | None]:
    def read(facts: Facts) -> float | None:
        interval = facts.kpis.throughput_interval if facts.kpis is not None else None
        return float(getattr(interval, name)) if interval is not None else None

    return read


def _accuracy(read: Callable[[Accuracy], Any]) -> Callable[[Facts], Any]:
    return lambda facts: read(facts.accuracy) if facts.accuracy is not None else None


def _read_created(facts: Facts) -> datetime | None:
    """In UTC; None where the record holds no time."""
    created = facts.record.created_at
    return created.replace(tzinfo=None) if created is not None else None


def _read_proof(facts: Facts) -> str | None:
    proof = prove(facts.record)
    return proof.state.value if proof is not None else None


def _read_runtime(facts: Facts) -> str | None:
    return next(iter(facts.record.runtimes), None)


def _count_images(facts: Facts) -> int | None:
    if facts.accuracy is not None:
        return facts.accuracy.images
    return round(facts.kpis.images) if facts.kpis is not None else None


def _count_queries(facts: Facts) -> int | None:
    if facts.kpis is None or facts.kpis.latency is None:
        return None
    return facts.kpis.latency.queries


def _read_others(facts: Facts) -> float | None:
    taken = [item.taken.window.total for item in list_taken(facts.record, facts.kpis)]
    return max(taken, default=None)


def _read_resident(facts: Facts) -> int | None:
    seen = (item.peak_resident_bytes for item in facts.record.instances)
    return max((size for size in seen if size is not None), default=None)


def _read_duration(facts: Facts) -> float | None:
    duration_ns = facts.record.duration_ns
    return duration_ns / 1e9 if duration_ns is not None else None


def _read_model(facts: Facts) -> tuple[str, str] | None:
    model = facts.record.model
    return (model.kind, model.source.sha256) if model is not None else None


FOLDER = ("folder", "VARCHAR", "where the run lies, as the other commands take it")
"""Of both tables: what they are joined by."""

RUNS: tuple[RunColumn, ...] = (
    RunColumn("run_id", "VARCHAR", "name of the run's folder when it was made",
              lambda facts: facts.record.run_id),
    RunColumn("created", "TIMESTAMP", "when it was made, UTC", _read_created),
    RunColumn("status", "VARCHAR", "completed, lost instances, interrupted or running",
              lambda facts: facts.record.status),
    RunColumn("valid", "BOOLEAN", "whether every check passed", lambda facts: facts.verdict.valid),
    RunColumn("failures", "VARCHAR", "the checks that failed, joined by '; '",
              lambda facts: "; ".join(item.message for item in facts.verdict.failures)),
    RunColumn("warnings", "VARCHAR", "what a reader should know, joined by '; '",
              lambda facts: "; ".join(item.message for item in facts.verdict.warnings)),
    RunColumn("mode", "VARCHAR", "throughput, latency, accuracy, or LoadGen and its scenario",
              lambda facts: facts.record.measures),
    RunColumn("precision", "VARCHAR", "as asked, such as avx_fp32",
              lambda facts: facts.record.config.precision.value),
    RunColumn("proof", "VARCHAR", "PROVEN, MISLABELED or UNPROVEN, by the kernels that ran",
              _read_proof),
    RunColumn("emulated", "BOOLEAN", "slower instructions stood in for the precision's",
              lambda facts: facts.record.emulated),
    RunColumn("engine", "VARCHAR", "as asked", lambda facts: facts.record.config.engine),
    RunColumn("runtime", "VARCHAR", "what ran, with its version", _read_runtime),
    RunColumn("batch_size", "BIGINT", "images a query",
              lambda facts: facts.record.workload.batch_size),
    RunColumn("instances", "BIGINT", "that were planned, on all hosts",
              lambda facts: facts.record.planned_instances),
    RunColumn("streams", "BIGINT", "that make queries at a time, in all instances",
              lambda facts: sum(max(1, len(item.slot.streams)) for item in facts.record.instances)),
    RunColumn("cores_per_instance", "BIGINT", "physical cores",
              lambda facts: facts.record.placement.cores_per_instance),
    RunColumn("images_per_s", "DOUBLE", "throughput over the common window, images/s",
              _kpi(lambda kpis: kpis.images_per_s)),
    RunColumn("images_per_s_low", "DOUBLE", "its 95 % interval from, images/s", _interval("low")),
    RunColumn("images_per_s_high", "DOUBLE", "and to, images/s", _interval("high")),
    RunColumn("limit_images_per_s", "DOUBLE", "what these cores could do at most, images/s",
              lambda facts: facts.limit.limit_images_per_s if facts.limit is not None else None),
    RunColumn("limit_share", "DOUBLE", "what the run got of it, 0..1",
              lambda facts: facts.limit.share if facts.limit is not None else None),
    RunColumn("mean_ms", "DOUBLE", "mean time of a query, ms", _latency("mean_ns")),
    RunColumn("min_ms", "DOUBLE", "the shortest, ms", _latency("min_ns")),
    RunColumn("p50_ms", "DOUBLE", "percentile, ms; NULL where too few queries tell",
              _percentile(50.0)),
    RunColumn("p90_ms", "DOUBLE", "as p50_ms", _percentile(90.0)),
    RunColumn("p95_ms", "DOUBLE", "as p50_ms", _percentile(95.0)),
    RunColumn("p99_ms", "DOUBLE", "as p50_ms", _percentile(99.0)),
    RunColumn("p999_ms", "DOUBLE", "as p50_ms: 99.9", _percentile(99.9)),
    RunColumn("max_ms", "DOUBLE", "the longest, ms", _latency("max_ns")),
    RunColumn("queries", "BIGINT", "that the latencies are of", _count_queries),
    RunColumn("images", "BIGINT", "that the figures are about", _count_images),
    RunColumn("window_s", "DOUBLE", "the common window, s", _kpi(lambda kpis: kpis.window.seconds)),
    RunColumn("top1", "DOUBLE", "accuracy, 0..1", _accuracy(lambda found: found.top1)),
    RunColumn("top1_low", "DOUBLE", "its 95 % interval from, 0..1",
              _accuracy(lambda found: found.top1_interval[0])),
    RunColumn("top1_high", "DOUBLE", "and to, 0..1",
              _accuracy(lambda found: found.top1_interval[1])),
    RunColumn("top5", "DOUBLE", "the right answer among five, 0..1",
              _accuracy(lambda found: found.top5)),
    RunColumn("joules_per_image", "DOUBLE", "energy of the sockets used, J",
              lambda facts: facts.energy.joules_per_image if facts.energy is not None else None),
    RunColumn("watts", "DOUBLE", "their power in the window, W",
              lambda facts: facts.energy.watts if facts.energy is not None else None),
    RunColumn("cost_per_million_images", "DOUBLE", "in the currency of --price-per-hour",
              lambda facts: compute_cost(facts.record, facts.kpis)),
    RunColumn("others_share", "DOUBLE",
              "what others had of the CPU time of the instance that lost most, 0..1",
              _read_others),
    RunColumn("peak_resident_bytes", "BIGINT", "of the largest instance, bytes", _read_resident),
    RunColumn("duration_s", "DOUBLE", "from the start of the first instance to the last's end, s",
              _read_duration),
    RunColumn("hostname", "VARCHAR", "of the machine", lambda facts: facts.record.host.hostname),
    RunColumn("cpu_model", "VARCHAR", "of the machine", lambda facts: facts.record.host.cpu_model),
    RunColumn("sockets", "BIGINT", "of the machine, usable",
              lambda facts: len(facts.record.host.sockets)),
    RunColumn("cores", "BIGINT", "of the machine, usable and physical",
              lambda facts: facts.record.host.physical_cores),
    RunColumn("memory_bytes", "BIGINT", "of the machine, bytes",
              lambda facts: facts.record.host.memory_total_bytes),
    RunColumn("kernel", "VARCHAR", "of the machine", lambda facts: facts.record.host.kernel),
    RunColumn("model", "VARCHAR", "generated, or a file of the user's",
              lambda facts: found[0] if (found := _read_model(facts)) is not None else None),
    RunColumn("model_sha256", "VARCHAR", "of the model's file",
              lambda facts: found[1] if (found := _read_model(facts)) is not None else None),
    RunColumn("tool_version", "VARCHAR", "of the r50 that measured",
              lambda facts: facts.record.tool_version),
    RunColumn("command", "VARCHAR", "the command line",
              lambda facts: " ".join(facts.record.command)),
    RunColumn("parameters", "VARCHAR",
              "every parameter under the framework's name, as JSON: parameters->>'ALLOCATOR'",
              lambda facts: json.dumps(dict(list_parameters(facts.record)))),
)  # fmt: skip

QUERIES: tuple[QueryColumn, ...] = (
    QueryColumn("host", "VARCHAR", "where, as a hostfile names it; NULL for the record's host",
                "host"),
    QueryColumn("instance", "BIGINT", "number of the instance, from 0", "instance"),
    QueryColumn("stream", "BIGINT", "number of its stream, from 0; 0 without weight sharing",
                "stream"),
    QueryColumn("query", "BIGINT", "number of the query of that stream, from 0; no warm-up query",
                "query"),
    QueryColumn("start_s", "DOUBLE", "begin, s from the begin of its host's first query",
                "start_ns / 1e9"),
    QueryColumn("duration_ms", "DOUBLE", "how long it took, ms", "duration_ns / 1e6"),
    QueryColumn("prepare_ms", "DOUBLE",
                "reading and decoding before it, ms; NULL but in accuracy mode",
                "prepare_ns / 1e6"),
    QueryColumn("in_window", "BOOLEAN",
                "it lies whole in the common window: what latencies are of", "in_window"),
)  # fmt: skip


def list_columns() -> dict[str, list[tuple[str, str, str]]]:
    """Return name, type and meaning of the columns of each table, in their order."""
    return {
        "runs": [FOLDER, *((item.name, item.type, item.meaning) for item in RUNS)],
        "queries": [FOLDER, *((item.name, item.type, item.meaning) for item in QUERIES)],
    }


def render_columns() -> list[str]:
    """Return the tables' columns as lines for people."""
    lines = []
    for table, what in (("runs", "one row a run"), ("queries", "one row a query of a run")):
        rows = join_columns([[f"  {name}", kind, what] for name, kind, what in
                             list_columns()[table]])  # fmt: skip
        lines += [f"{table}: {what}", *rows, ""]
    return lines[:-1]


def render_columns_markdown(table: str) -> str:
    """Return the columns of a table as the rows of docs/query.md."""
    rows = ((f"`{name}`", kind, meaning) for name, kind, meaning in list_columns()[table])
    lines = ["| column | type | what it is |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
