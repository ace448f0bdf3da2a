"""Finds runs below folders and reads what each has to say: its record, or old logs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from resnet50_bench.config import Mode
from resnet50_bench.errors import ExitCode, RecordError
from resnet50_bench.report.kpi.lines import Log, LogKind
from resnet50_bench.report.kpi.logs import list_doubts, list_failures, merge_logs, read_log
from resnet50_bench.report.kpi.text import KpiLine, KpiRun, describe_record
from resnet50_bench.results.record import RECORD_FILE, read_record

_SUM = "_all_instances.log"
"""The model zoo writes each instance's output into a file of its own and once more into this."""


def read_runs(paths: Sequence[Path]) -> list[KpiRun]:
    """Return the runs that are given, or that lie in or below the folders given, in name order.

    A folder with a `record.json` is one run. The logs of a folder without one are one run as far as
    their parameters agree: `benchmark_*.log` when there are any, else every `*.log` with a KPI.
    Hidden folders are passed over; a run that is reached twice counts once.

    Args:
        paths: at least one.

    Raises:
        RecordError: a path does not exist, holds no run, or its only run cannot be read.
    """
    runs: dict[Path, KpiRun] = {}
    for path in paths:
        found = list(_read_folder(path)) if path.is_dir() else [_read_file(path)]
        if not found:
            raise RecordError(
                f"no run and no log with a KPI in or below {path}",
                f"give a folder that holds {RECORD_FILE} or benchmark_*.log, or one above it",
            )
        for run in found:
            runs.setdefault(Path(run.name).resolve(), run)
    first, *others = runs.values()
    if not others and first.exit_code == ExitCode.WRONG_REQUEST:
        raise RecordError(*first.failures)
    return [first, *others]


def _read_file(path: Path) -> KpiRun:
    if path.suffix == ".log" or (path.is_file() and path.suffix != ".json"):
        return describe_log(read_log(path), str(path))
    return describe_record(read_record(path), str(path))


def _read_folder(top: Path) -> Iterator[KpiRun]:
    for name, folders, files in os.walk(top):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        folder = Path(name)
        if RECORD_FILE in files:
            yield _read_run(folder)
        else:
            yield from _read_logs(folder, sorted(files))


def _read_run(folder: Path) -> KpiRun:
    """A record that cannot be read is a run that failed, not the end of the listing."""
    try:
        return describe_record(read_record(folder), str(folder))
    except RecordError as error:
        reasons = (error.message, error.advice) if error.advice else (error.message,)
        return KpiRun(
            name=str(folder), verdict="INVALID", exit_code=error.exit_code, failures=reasons
        )


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
