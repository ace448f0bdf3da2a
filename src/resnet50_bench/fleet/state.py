"""What came of each case on each host of a fleet: a file beside their records, a line each.

A host's folder is named by what is harmless of its name in the inventory and a hash of all of it,
never by anything that a host said.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from resnet50_bench.errors import RecordError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.files.paths import describe_problem, is_file, read_content

STATE_FILE = "fleet.jsonl"
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


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    r50_fleet: int
    flags: tuple[str, ...] = ()


class State:
    """The rows of a fleet, by host and case; of a row that was told twice, the last one.

    Args:
        rows: in the order they were told.
        flags: of `r50 run`, that every case had.
    """

    def __init__(self, rows: Iterable[Row] = (), flags: tuple[str, ...] = ()) -> None:
        self.flags = flags
        self._rows = {(row.host, row.case): row for row in rows}

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of them."""
        return tuple(self._rows.values())

    def find(self, host: str, case: str) -> Row | None:
        """Return the row of a case on a host."""
        return self._rows.get((host, case))

    def put(self, row: Row) -> None:
        """Add a row, or put it in the place of an older one."""
        self._rows[row.host, row.case] = row


def read_state(folder: Path) -> State | None:
    """Return the state of a fleet's folder; None where it has none.

    A last line that was not written whole is left out: whoever wrote it was killed.

    Raises:
        RecordError: it is damaged, or another version's.
    """
    path = folder / STATE_FILE
    if not is_file(path):
        return None
    try:
        head, *lines = read_content(path).split(b"\n")[:-1] or [b""]
        found = msgspec.json.decode(head, type=_Head)
        if found.r50_fleet != SCHEMA_VERSION:
            raise RecordError(
                f"{path} has schema version {found.r50_fleet}, this r50 reads {SCHEMA_VERSION}",
                "read it with the r50 that wrote it",
            )
        rows = [msgspec.json.decode(line, type=Row) for line in lines]
    except (OSError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, RecursionError) else describe_problem(error)
        raise RecordError(
            f"{path} is not the state of a fleet: {why}", "name another folder with --output"
        ) from error
    for row in rows:
        if row.folder is not None and not _stays_below(row.folder):
            raise RecordError(
                f"{path} names a folder outside of its own: {row.folder!r}",
                "name the folder that `r50 fleet run` filled",
            )
    return State(rows, found.flags)


def write_state(folder: Path, state: State) -> None:
    """Write it whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    head = _Head(r50_fleet=SCHEMA_VERSION, flags=state.flags)
    lines = [msgspec.json.encode(item) for item in (head, *state.rows)]
    write_atomically(folder / STATE_FILE, b"".join(line + b"\n" for line in lines))


def append_row(folder: Path, row: Row) -> None:
    """Add a row to a state that was written, at a cost that does not depend on how many there are.

    Raises:
        OSError: it cannot be written.
    """
    with (folder / STATE_FILE).open("ab") as file:
        file.write(msgspec.json.encode(row) + b"\n")


def _stays_below(folder: str) -> bool:
    path = PurePosixPath(folder)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in folder


def name_folder(name: str) -> str:
    """Return a folder's name: what can do no harm of a host's, and a hash of all of it."""
    told = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{_HARMLESS.sub('_', name)[:_NAME_CHARS]}-{told[:8]}"
