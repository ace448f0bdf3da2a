"""Reads old logs: what they say, how many lines say nothing of use, and what is in doubt.

A log holds a rate for each instance but not when it held, so the sum of the rates is no throughput
in a common window: what comes from a log is never called VALID.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from resnet50_bench.errors import RecordError
from resnet50_bench.files.paths import open_file
from resnet50_bench.report.kpi.lines import Log, LogKind, UnusedLine, use_line

MAX_KEPT_LINES = 100
"""Unused lines kept of each log for people to see; all of them are counted."""

VALIDATION_IMAGES = 50_000
"""Images of the ILSVRC 2012 validation set."""


def parse_log(lines: Iterable[bytes], path: Path) -> Log:
    """Return what the lines of a log say; any bytes will do."""
    log = Log(paths=[path])
    for number, raw in enumerate(lines, 1):
        text = _clean(raw)
        log.lines += 1
        if not text:
            log.blank += 1
        elif use_line(log, text):
            log.used += 1
        elif len(log.unused) < MAX_KEPT_LINES:
            log.unused.append(UnusedLine(path, number, text[:200]))
    _add_what_the_name_says(log, path)
    return log


def read_log(path: Path) -> Log:
    """Read a log.

    Raises:
        RecordError: it cannot be read.
    """
    try:
        with open_file(path) as file:
            return parse_log(file, path)
    except OSError as error:
        raise RecordError(f"cannot read the log {path}: {error.strerror}") from error


def _clean(raw: bytes) -> str:
    """Decode one line; what does not print is replaced, so that it can be shown and stored."""
    text = raw.decode("utf-8", "replace").strip().replace("\t", " ")
    return "".join(character if character.isprintable() else "�" for character in text)


def _add_what_the_name_says(log: Log, path: Path) -> None:
    """The model zoo puts precision, batch size and cores into the file's name alone."""
    match = re.search(
        r"_(?P<PRECISION>fp32|int8|bfloat16|bfloat32|fp16)_(?:\w*_)?bs(?P<BATCH_SIZE>[0-9]{1,9})"
        r"(?:_cores(?P<CORES_PER_INSTANCE>[0-9]{1,6}))?",
        path.name,
    )
    for name, text in match.groupdict().items() if match else ():
        if text is not None:
            log.parameters.setdefault(name, text)


def merge_logs(logs: Iterable[Log]) -> list[Log]:
    """Return one `Log` per run: logs whose parameters agree, as far as both name them, are one run.

    A log with r50's own verdict is always a run by itself.
    """
    runs: list[Log] = []
    for log in logs:
        for run in runs:
            if LogKind.R50 not in {run.kind, log.kind} and _agree(run, log):
                _add(run, log)
                break
        else:
            runs.append(log)
    return runs


def _agree(one: Log, other: Log) -> bool:
    shared = one.parameters.keys() & other.parameters.keys()
    return all(one.parameters[name] == other.parameters[name] for name in shared)


def _add(run: Log, log: Log) -> None:
    run.parameters.update(log.parameters)
    for name in ("paths", "rates", "process_rates", "latencies_ms", "query_times_ms", "unused"):
        getattr(run, name).extend(getattr(log, name))
    for name in ("lines", "blank", "used"):
        setattr(run, name, getattr(run, name) + getattr(log, name))
    run.accuracy = log.accuracy or run.accuracy
    run.lost |= log.lost
    run.shares_weights |= log.shares_weights


def list_failures(log: Log) -> list[str]:
    """Say why the figures of a run are no KPIs; [] when nothing speaks against them."""
    failures = list(log.failures)
    if not log.has_kpi and not log.lost:
        failures.append("no line of the log is a KPI")
    expected = log.instances_expected
    if log.rates and expected is not None and expected != log.instances:
        failures.append(f"{expected} instances were started, {log.instances} wrote a rate")
    if log.verdict == "INVALID" and not failures:
        failures.append("the log itself says INVALID")
    return failures


def list_doubts(log: Log) -> list[str]:
    """Say what a reader should know about figures from a log."""
    if log.kind is LogKind.R50:
        return ["from the log alone: record.json is missing, so nothing could be checked again"]
    doubts = ["from a log: nothing proves the precision, the placement or a common window"]
    if log.rates and log.process_rates:
        doubts.append(
            f"the processes' own sums, {math.fsum(log.process_rates):.2f} images/s together, are "
            "not counted again"
        )
    if log.shares_weights:
        doubts += _list_weight_sharing_doubts(log.parameters)
    accuracy = log.accuracy
    if accuracy is not None and accuracy.images not in {None, VALIDATION_IMAGES}:
        doubts.append(f"accuracy on a subset: {accuracy.images} of {VALIDATION_IMAGES} images")
    return doubts


def _list_weight_sharing_doubts(parameters: dict[str, str]) -> list[str]:
    """Two defects of `eval_image_classifier_inference_weight_sharing.py`.

    It times the steps after `warmup`, counted from 0, so one fewer than it divides by; and it
    leaves out the batch size in one of its two versions, without a trace in the log.
    """
    doubt = "the model zoo's weight-sharing script times one step fewer than it counts"
    texts = [parameters.get(name, "") for name in ("STEPS", "WARMUP_STEPS")]
    if all(re.fullmatch("[0-9]{1,9}", text) for text in texts):
        counted = int(texts[0]) - int(texts[1])
        if counted > 1:
            doubt += f": its rates are {1 / (counted - 1):.2%} too high"
    doubts = [doubt]
    batch_size = parameters.get("BATCH_SIZE")
    if batch_size != "1":
        factor = f"{batch_size} times" if batch_size else "by the batch size"
        doubts.append(
            "the same script may have written queries per second under the name of images per "
            f"second: the rate may be too low, {factor}"
        )
    return doubts
