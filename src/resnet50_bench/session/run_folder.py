"""The folder of a run: named, made, removed again when the run never began; and what is kept in it.

A measurement is not lost because the disk it was to be kept on has become full.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError, OutputError
from resnet50_bench.files.atomic import check_folder
from resnet50_bench.report.logs import write_logs
from resnet50_bench.results.files import RECORD_FILE, write_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.config import RunConfig
    from resnet50_bench.results.record import Record

ELSEWHERE = "/dev/shm"  # noqa: S108 - the folder made there has a name of its own
"""In memory: there when every disk is full."""

_ADVICE = "name a folder on another disk with --output DIR"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a record.

    Attributes:
        folder: that holds it; None when there was no place for it.
        problems: what could not be written, and what was done instead.
    """

    folder: Path | None
    problems: tuple[OutputError, ...] = ()


def check_output(output: Path) -> None:
    """See whether runs could be kept in a folder, before one is made; write nothing.

    Raises:
        HostError: it cannot be written.
    """
    try:
        check_folder(output)
    except OSError as error:
        raise _refuse(output, error) from error


def _refuse(output: Path, cause: OSError) -> HostError:
    return HostError(
        f"cannot write results to {output}: {cause.strerror}",
        "name a folder you may write to, with room, with --output DIR",
    )


def make_run_folder(output: Path, config: RunConfig) -> Path:
    """Make a folder no other run has, named by time, mode and precision."""
    return make_folder(output, f"{config.mode.value}-{config.precision.value}")


def make_folder(output: Path, what: str) -> Path:
    """Make a folder nobody else has, named by time and by what is in it.

    Raises:
        HostError: it cannot be made.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    name = f"{stamp}-{what}"
    try:
        output.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = output / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise _refuse(output, error) from error
    raise AssertionError("unreachable")


@contextmanager
def removed_on_failure(folder: Path) -> Iterator[None]:
    """Keep no folder of a run that started no worker."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def begin_record(folder: Path, record: Record) -> None:
    """Write the record of a run that is about to start.

    Raises:
        OutputError: it cannot be written: nothing was measured yet.
    """
    try:
        write_record(folder, record)
    except OSError as error:
        raise OutputError(folder / RECORD_FILE, error, _ADVICE) from error


def keep_record(folder: Path, record: Record) -> Kept:
    """Write the record and the log of a run that has ended; where its folder cannot take them, into
    another one.
    """
    try:
        path = write_record(folder, record)
    except OSError as error:
        return _keep_elsewhere(record, error, folder / RECORD_FILE)
    try:
        write_logs(folder, record)
    except OSError as error:
        advice = f"the record is in {path}: `r50 kpi {folder}` prints what the log would hold"
        return Kept(folder, (OutputError(error.filename, error, advice),))
    return Kept(folder)


def _keep_elsewhere(record: Record, failed: OSError, path: Path) -> Kept:
    other = _write_elsewhere(record)
    if other is None:
        advice = f"no other folder takes it either: its result is shown once, now; {_ADVICE}"
    else:
        advice = f"the record is in {other} instead: `r50 show {other}`, then move it"
    return Kept(other, (OutputError(path, failed, advice),))


def _write_elsewhere(record: Record) -> Path | None:
    """Write a record into a new folder for temporary files; return the folder, if any takes it."""
    for place in (None, ELSEWHERE):
        folder = None
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"r50-{record.run_id}-", dir=place))
            write_record(folder, record)
            write_logs(folder, record)
        except OSError:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            continue
        return folder
    return None
