"""What came of each case on each host of a fleet: a file beside their records.

A host's folder is named by its number and what is harmless of its name, never by anything that a
host said.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from resnet50_bench.errors import RecordError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.files.paths import describe_problem, is_file, read_content

STATE_FILE = "fleet.json"
SCHEMA_VERSION = 1
_HARMLESS = re.compile(r"[^A-Za-z0-9_-]+")
_NAME_CHARS = 60

Outcome = Literal["measured", "lost"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A case on a host.

    Attributes:
        host, case: as they were named.
        outcome: `measured` when its record came back whole, whatever its verdict.
        reason: why not; "" where it was measured.
        folder: of the record, below that of the fleet; None where there is none.
        sha256: of the record's file, as the host and this machine have it.
        exit_code: of `r50 run` there; None where it did not end.
        seconds: from the first to the last that was heard of it.
        notes: what a reader should know, such as a clock that is off.
    """

    host: str
    case: str
    outcome: Outcome
    reason: str = ""
    folder: str | None = None
    sha256: str | None = None
    exit_code: int | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of a fleet.

    Attributes:
        schema_version: of this file.
        rows: by host and case.
    """

    schema_version: int = SCHEMA_VERSION
    rows: tuple[Row, ...] = ()

    def find(self, host: str, case: str) -> Row | None:
        """Return the row of a case on a host."""
        return next((row for row in self.rows if (row.host, row.case) == (host, case)), None)


def read_state(folder: Path) -> State | None:
    """Return the state of a fleet's folder; None where it has none.

    Raises:
        RecordError: it is damaged, or another version's.
    """
    path = folder / STATE_FILE
    if not is_file(path):
        return None
    try:
        state = msgspec.json.decode(read_content(path), type=State)
    except (OSError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, RecursionError) else describe_problem(error)
        raise RecordError(
            f"{path} is not the state of a fleet: {why}", "name another folder with --output"
        ) from error
    for row in state.rows:
        if row.folder is not None and not _stays_below(row.folder):
            raise RecordError(
                f"{path} names a folder outside of its own: {row.folder!r}",
                "name the folder that `r50 fleet run` filled",
            )
    if state.schema_version != SCHEMA_VERSION:
        raise RecordError(
            f"{path} has schema version {state.schema_version}, this r50 reads {SCHEMA_VERSION}",
            "read it with the r50 that wrote it",
        )
    return state


def _stays_below(folder: str) -> bool:
    path = PurePosixPath(folder)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in folder


def write_state(folder: Path, state: State) -> None:
    """Write it whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(state), indent=1)
    write_atomically(folder / STATE_FILE, content + b"\n")


def name_folder(number: int, name: str) -> str:
    """Return a folder's name: a number, and of the name what can do no harm in a path."""
    return f"{number:04d}-{_HARMLESS.sub('_', name)[:_NAME_CHARS]}"
