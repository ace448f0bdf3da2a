"""A record in its file: `record.json` in the run's folder, written atomically, checked when read.

It is written once when the workers start (status `running`) and again at the end, so that a run
whose parent was killed is still on record.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from resnet50_bench.errors import NotARecordError, RecordError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.files.paths import describe_problem, is_folder, read_content
from resnet50_bench.results.checks import check_record
from resnet50_bench.results.record import SCHEMA_VERSION, Record

RECORD_FILE = "record.json"
RECORD_MARK = "r50-record: "
"""Begins the line of a log that holds a whole record, where there is no folder to write it to."""

_ADVICE = f"give the folder that holds {RECORD_FILE}"


class _Version(msgspec.Struct):
    """The one field that records of every version have; the others are not even made."""

    schema_version: object = None


def write_record(folder: Path, record: Record) -> Path:
    """Write the record into the run's folder, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / RECORD_FILE
    write_atomically(path, msgspec.json.encode(record) + b"\n")
    return path


def read_record(run: Path) -> Record:
    """Read the record of a run, given its folder or the file itself.

    Raises:
        RecordError: there is none, it is damaged, contradicts itself, or is of another schema
            version.
        NotARecordError: there is something else.
    """
    path, content = _read_content(run)
    return decode_record(content, path)


def decode_record(content: bytes, path: Path) -> Record:
    """Return the record of its JSON.

    Args:
        content: the JSON.
        path: where it was found, for messages.

    Raises:
        RecordError: it is damaged, contradicts itself, or is of another schema version.
        NotARecordError: it is something else.
    """
    try:
        version = msgspec.json.decode(content, type=_Version).schema_version
        if version is None and path.name != RECORD_FILE:
            raise NotARecordError(f"{path} is not the record of a run", _ADVICE)
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"{path} has schema version {version}, this r50 reads {SCHEMA_VERSION}",
                "read it with the r50 that wrote it",
            )
        record = msgspec.json.decode(content, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # What is called otherwise and is no JSON object, or none with a version, is something else.
        is_record = path.name == RECORD_FILE or b'"schema_version"' in content
        raise (RecordError if is_record else NotARecordError)(
            f"{path} is not the record of a run: {error}",
            f"give the folder of another run; a damaged {RECORD_FILE} cannot be repaired",
        ) from error
    check_record(record, str(path))
    return record


def find_runs(top: Path) -> Iterator[Path]:
    """Yield the folders in and below one that hold a record, in the order of their names.

    Also those that cannot be looked into: reading their record says why. What lies below a run is
    its own affair.

    Raises:
        RecordError: there is no such folder.
    """
    if not is_folder(top):
        raise RecordError(f"no folder of runs at {top}", "name a folder in which runs were kept")
    yield from _walk(top)


def _read_content(run: Path) -> tuple[Path, bytes]:
    """Return the file of a run, and what it holds."""
    try:
        path = run / RECORD_FILE if is_folder(run) else run
        return path, read_content(path)
    except (OSError, ValueError) as error:
        raise RecordError(f"no run at {run}: {describe_problem(error)}", _advise(run)) from error


def _advise(run: Path) -> str:
    """Say what to give instead of what is no run; looks no further than into its own folders."""
    with suppress(OSError, ValueError):
        held = [path.parent for path in run.glob(f"*/{RECORD_FILE}")]
        if held:
            return f"give a run in it, such as {max(held)}"
    return _ADVICE


def _walk(top: Path) -> Iterator[Path]:
    try:
        with os.scandir(top) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield top
        return
    if any(entry.name == RECORD_FILE and entry.is_file() for entry in entries):
        yield top
        return
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from _walk(top / entry.name)
