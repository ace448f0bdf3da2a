"""What oneDNN wrote of a run: the logs found, and what the kernels in them took.

A run with `--onednn-verbose` has one log per instance, `onednn_000.log`, of all it executed. Any
other has the trace of one batch per instance, `trace_000.log`, which proves its precision.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO

from resnet50_bench.engines import ENGINES, load_engine
from resnet50_bench.engines.onednn_trace import TRACE_ENVIRONMENT, Trace, parse_trace
from resnet50_bench.engines.tensorflow import find_unfused
from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.host.machine import format_cpu_list
from resnet50_bench.instance.job import (
    KERNEL_LOG,
    MEASURE_BEGIN,
    MEASURE_END,
    TRACE_BEGIN,
    TRACE_LOG,
    name_log,
)
from resnet50_bench.limits.work import read_network
from resnet50_bench.results.layers import LayerClock, LayerTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resnet50_bench.model.graph.architecture import Network
    from resnet50_bench.results.record import Record

_LINES_BETWEEN_REPORTS = 20_000
_INFO = ",info,"


class Part(str, Enum):
    """Which of a run's kernels are counted."""

    MEASURED = "the measured queries"
    EVERYTHING = "everything the instances executed"
    TRACED = "one traced batch per instance"


_MARKS = {
    Part.MEASURED: (MEASURE_BEGIN, MEASURE_END),
    Part.EVERYTHING: (None, None),
    Part.TRACED: (TRACE_BEGIN, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLogs:
    """The logs to read.

    Attributes:
        part: what is counted of them.
        paths: one per instance.
        instances: their numbers.
    """

    part: Part
    paths: tuple[Path, ...]
    instances: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the kernels took, all instances together.

    Attributes:
        part: of the run.
        instances: the numbers of those that are in it.
        trace: what oneDNN's lines say.
        total_ms: of all primitives.
        queries: how many were measured; None when other work is counted too.
        query_ms: what the queries took together, begin to end; None likewise, and where a query is
            split among threads whose primitives run side by side.
        not_fused: the operations that could be a part of a convolution and are not, and how many
            the graph as executed has; oneDNN's lines do not tell of them.
        layers: the convolutions of the model among them.
    """

    part: Part
    instances: tuple[int, ...]
    trace: Trace
    total_ms: float
    queries: int | None
    query_ms: float | None
    not_fused: dict[str, int] = field(default_factory=dict)
    layers: LayerTimes = field(default_factory=LayerTimes)


def find_kernel_logs(
    folder: Path, record: Record, instance: int | None, *, everything: bool
) -> KernelLogs:
    """Return the logs of a run that tell its kernels: of the measurement, else of a traced batch.

    Args:
        folder: of the run.
        record: of the run.
        instance: only this one; None for all.
        everything: warm-up and the rest count too; only the logs of the measurement have them.

    Raises:
        RequestError: there is no such instance, or only a traced batch of everything.
        RecordError: there is no log, or the engine has none; says how to get one.
    """
    _require_kernels(record)
    numbers = [slot.instance for slot in record.placement.slots]
    if instance is not None and instance not in numbers:
        raise RequestError(
            f"--instance {instance}: the run's are {format_cpu_list(tuple(numbers))}"
        )
    wanted = numbers if instance is None else [instance]
    for kind, part in (
        (KERNEL_LOG, Part.EVERYTHING if everything else Part.MEASURED),
        (TRACE_LOG, Part.TRACED),
    ):
        found = [(folder / name_log(kind, number), number) for number in wanted]
        found = [(path, number) for path, number in found if path.is_file()]
        if not found:
            continue
        if everything and part is Part.TRACED:
            raise RequestError(
                f"--all: {folder} has the trace of one batch only", "run with --onednn-verbose"
            )
        return KernelLogs(
            part=part,
            paths=tuple(path for path, _ in found),
            instances=tuple(number for _, number in found),
        )
    raise RecordError(f"no oneDNN trace in {folder}", _advise(record))


def read_profile(
    logs: KernelLogs, record: Record, on_bytes: Callable[[int], None] = lambda _: None
) -> Profile:
    """Read the logs, line by line: they may be larger than memory.

    Args:
        logs: to read.
        record: of their run.
        on_bytes: is told now and then how many bytes have been read of all logs.

    Raises:
        RecordError: a log cannot be read, or tells of no kernel.
    """
    begin, end = _MARKS[logs.part]
    clock = LayerClock(_find_network(record))
    try:
        trace = parse_trace(_read_part(logs.paths, begin, end, on_bytes), clock.add)
    except OSError as error:
        raise RecordError(f"cannot read {error.filename}: {error.strerror}") from error
    if not trace.problems:
        names = ", ".join(path.name for path in logs.paths)
        raise RecordError(
            f"{names}: no kernel of {logs.part.value} in it",
            "--all shows what was executed before and after"
            if logs.part is Part.MEASURED
            else "look at the file: oneDNN was off, or ended early",
        )
    queries, query_ms = _count_queries(record, logs)
    return Profile(
        part=logs.part,
        instances=logs.instances,
        trace=trace,
        total_ms=sum(item.time_ms for item in trace.problems),
        queries=queries,
        query_ms=query_ms,
        not_fused=find_unfused(record.fused_ops),
        layers=clock.finish(),
    )


def _find_network(record: Record) -> Network | None:
    """The model that ran; None where the record does not tell."""
    return read_network(record.model.graph.structure) if record.model is not None else None


def _require_kernels(record: Record) -> None:
    name = record.config.engine
    if name not in ENGINES:
        raise RecordError(f"this r50 has no engine called {name}", "use the r50 that made the run")
    if TRACE_ENVIRONMENT.keys() - load_engine(name).trace_environment.keys():
        raise RecordError(
            f"the {name} engine writes no trace of oneDNN's, so there is nothing to profile",
            "give a run of --engine tensorflow",
        )


def _advise(record: Record) -> str:
    if record.status != "completed":
        return f"the run is not complete ({record.status}): run it again with --onednn-verbose"
    return "run it again with --onednn-verbose"


def _count_queries(record: Record, logs: KernelLogs) -> tuple[int | None, float | None]:
    if logs.part is not Part.MEASURED:
        return None, None
    items = [item for item in record.instances if item.slot.instance in logs.instances]
    spans = [
        end - start
        for item in items
        for lane in item.lanes
        for start, end in zip(lane.start_ns, lane.end_ns)
    ]
    whole = "callers" not in record.config.engine_options and not _splits(record)
    return len(spans), sum(spans) / 1e6 if spans and whole else None


def _splits(record: Record) -> bool:
    """Whether the threads of a stream each compute a part of its queries."""
    return any(len(cpus) > 1 for slot in record.placement.slots for cpus in slot.streams)


def _read_part(
    paths: tuple[Path, ...], begin: str | None, end: str | None, on_bytes: Callable[[int], None]
) -> Iterator[str]:
    """Yield the lines between two marks of each file; see `_cut` and `read_profile`."""
    before = 0
    for path in paths:
        with path.open("rb") as log:
            yield from _cut(_read_lines(log, before, on_bytes), begin, end)
        before += path.stat().st_size


def _read_lines(log: BinaryIO, before: int, on_bytes: Callable[[int], None]) -> Iterator[str]:
    done = before
    for number, line in enumerate(log):
        done += len(line)
        if number % _LINES_BETWEEN_REPORTS == 0:
            on_bytes(done)
        yield line.decode(errors="replace")


def _cut(lines: Iterator[str], begin: str | None, end: str | None) -> Iterator[str]:
    """Yield the lines between two marks, and before them what oneDNN says of itself.

    Args:
        lines: of a file.
        begin: the mark before them; None for the begin of the file.
        end: the mark behind them; None for the end of the file.
    """
    if begin is not None:
        yield from (line for line in _until(lines, begin) if _INFO in line)
    yield from _until(lines, end)


def _until(lines: Iterator[str], mark: str | None) -> Iterator[str]:
    """Return the lines before the one that holds the mark, which is taken too; None for all."""
    return itertools.takewhile(lambda line: mark is None or mark not in line, lines)
