"""Finds runs below folders and reads what each has to say: its record, or old logs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet50_bench.config import Mode
from resnet50_bench.errors import ExitCode, NotARecordError, RecordError
from resnet50_bench.files.paths import is_file, is_folder
from resnet50_bench.report.kpi.lines import Log, LogKind
from resnet50_bench.report.kpi.logs import list_doubts, list_failures, merge_logs, read_log
from resnet50_bench.report.kpi.text import KpiLine, KpiRun, describe_record
from resnet50_bench.results.files import RECORD_FILE, read_record

_SUM = "_all_instances.log"
"""The model zoo writes each instance's output into a file of its own and once more into this."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found where runs were looked for.

    Attributes:
        runs: in the order of the paths, those of a folder in name order; at least one.
        skipped: the paths that hold no run, each with what it is instead, in one line.
    """

    runs: tuple[KpiRun, ...]
    skipped: tuple[str, ...] = ()


def read_runs(paths: Sequence[Path]) -> Listing:
    """Return the runs that are given, or that lie in or below the folders given.

    A folder with a `record.json` is one run. The logs of a folder without one are one run as far as
    their parameters agree: `benchmark_*.log` when there are any, else every `*.log` with a KPI.
    Hidden folders are passed over; a run that is reached twice counts once. Of several paths those
    that hold no run are skipped, and a run that cannot be read is listed as one that failed.

    Args:
        paths: at least one.

    Raises:
        RecordError: no path holds a run, or the only run cannot be read.
    """
    runs: dict[str, KpiRun] = {}
    problems: list[NotARecordError] = []
    for path in paths:
        try:
            found = _read_path(path, alone=len(paths) == 1)
        except NotARecordError as error:
            problems.append(error)
            continue
        for run in found:
            runs.setdefault(os.path.realpath(run.name), run)
    if not runs:
        raise problems[0]
    first, *others = runs.values()
    if not others and not problems and first.exit_code == ExitCode.WRONG_REQUEST:
        raise RecordError(first.failures[0], next(iter(first.failures[1:]), None))
    return Listing((first, *others), tuple(error.message for error in problems))


def _read_path(path: Path, *, alone: bool) -> list[KpiRun]:
    """Return the runs of one path; a log without a KPI is one only where nothing else is given.

    Raises:
        NotARecordError: it holds none.
    """
    if is_folder(path):
        found = list(_read_folder(path))
        if not found:
            raise NotARecordError(
                f"no run and no log with a KPI in or below {path}",
                f"give a folder that holds {RECORD_FILE} or benchmark_*.log, or one above it",
            )
        return found
    if path.suffix != ".log" and (path.suffix == ".json" or not is_file(path)):
        return [_read_run(path)]
    try:
        log = read_log(path)
    except RecordError as error:
        return [_describe_unreadable(path, error)]
    if not (alone or log.tells_of_a_run):
        raise NotARecordError(f"{path} is no record, and no log with a KPI")
    return [describe_log(log, str(path))]


def _read_folder(top: Path) -> Iterator[KpiRun]:
    for name, folders, files in os.walk(top):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        folder = Path(name)
        if RECORD_FILE in files:
            yield _read_run(folder)
        else:
            yield from _read_logs(folder, sorted(files))


def _read_run(path: Path) -> KpiRun:
    """A record that cannot be read is a run that failed, not the end of the listing."""
    try:
        return describe_record(read_record(path), str(path))
    except NotARecordError:
        raise
    except RecordError as error:
        return _describe_unreadable(path, error)


def _describe_unreadable(path: Path, error: RecordError) -> KpiRun:
    reasons = (error.message, error.advice) if error.advice else (error.message,)
    return KpiRun(name=str(path), verdict="INVALID", exit_code=error.exit_code, failures=reasons)


def _read_logs(folder: Path, names: Sequence[str]) -> Iterator[KpiRun]:
    named = [name for name in names if re.fullmatch(r"benchmark_.*\.log", name)]
    chosen = named or _leave_out_copies([name for name in names if name.endswith(".log")])
    logs = [read_log(folder / name) for name in chosen]
    runs = merge_logs(log for log in logs if named or log.has_kpi)
    for log in runs:
        yield describe_log(log, str(folder if len(runs) == 1 else log.paths[0]))


def _leave_out_copies(names: Sequence[str]) -> list[str]:
    whole = [name.removesuffix(_SUM) for name in names if name.endswith(_SUM)]
    return [name for name in names if name.endswith(_SUM) or not name.startswith(tuple(whole))]


def describe_log(log: Log, name: str) -> KpiRun:
    """Return what the log of a run says; never called VALID."""
    failures = tuple(list_failures(log))
    invalid = bool(failures) or log.lost or log.verdict == "INVALID"
    kpis = () if invalid else tuple(_list_kpis(log))
    return KpiRun(
        name=name,
        source=log.kind.value,
        verdict="INVALID" if invalid else "UNVERIFIED",
        exit_code=ExitCode.FAILURE if log.lost else ExitCode.INVALID_RESULT,
        parameters=tuple(log.parameters.items()),
        kpis=kpis,
        failures=failures,
        warnings=tuple(list_doubts(log)),
        lost=log.lost,
        subtotal=_describe_subtotal(log) if invalid else "",
        unused=tuple(log.unused),
        unused_count=log.unused_count,
    )


def _describe_subtotal(log: Log) -> str:
    if log.rate_sum is None:
        return ""
    return (
        f"the rates in the log add up to {log.rate_sum:.2f} images/s over {log.instances} "
        "instances, which is no KPI"
    )


def _list_kpis(log: Log) -> Iterator[KpiLine]:
    if log.kind is LogKind.R50:
        primary = {"latency": "Latency", "throughput": "Throughput"}.get(_find_mode(log))
        for total in log.totals:
            yield KpiLine(
                total.name, total.unit, total.value, total.decimals, total.name == primary
            )
        return
    mode = _find_mode(log)
    if log.rate_sum is not None:
        count = log.instances
        rates = f"sum of {count} instance rate{'s' * (count != 1)}, no common window, unverified"
        if not log.rates:
            rates = "sum of the processes' own sums, no common window, unverified"
        yield KpiLine(
            "Throughput", "images/s", log.rate_sum, 2, mode == Mode.THROUGHPUT.value, rates
        )
    if log.latency_ms is not None:
        count = len(log.latencies_ms or log.query_times_ms)
        means = f"mean of {count} instance mean{'s' * (count != 1)}, unverified"
        yield KpiLine("Latency", "ms", log.latency_ms, 3, mode == Mode.LATENCY.value, means)
    yield from _list_accuracy(log, primary=mode == Mode.ACCURACY.value)
    if log.instances:
        yield KpiLine("Instances", "", log.instances)


def _list_accuracy(log: Log, *, primary: bool) -> Iterator[KpiLine]:
    accuracy = log.accuracy
    if accuracy is None:
        return
    images = f"of {accuracy.images} images, unverified" if accuracy.images else "unverified"
    yield KpiLine("Accuracy", "%", accuracy.top1_percent, 2, primary, f"top-1; {images}")
    if accuracy.top5_percent is not None:
        yield KpiLine("Accuracy top-5", "%", accuracy.top5_percent, 2)
    if accuracy.images is not None:
        yield KpiLine("Images", "", accuracy.images)


def _find_mode(log: Log) -> str:
    """The log's MODE; where it has none, or the model zoo's `inference`, what was measured."""
    mode = log.parameters.get("MODE", "").lower()
    if mode in {item.value for item in Mode}:
        return mode
    if log.rate_sum is not None or log.totals:
        return Mode.THROUGHPUT.value
    return Mode.ACCURACY.value if log.accuracy is not None else Mode.LATENCY.value
