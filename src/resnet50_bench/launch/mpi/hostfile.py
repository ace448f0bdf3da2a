"""Reads the hosts of an MPI run: the formats of Open MPI and MPICH."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import RequestError
from resnet50_bench.files.paths import read_content

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)(?::(\d+))?((?:\s+\w+\s*=\s*\S+)*)")
_SLOTS = re.compile(r"\bslots\s*=\s*(\S+)")


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A line of a hostfile.

    Attributes:
        name: a host name or IPv4 address.
        slots: the most processes it may get; None where the line does not say.
    """

    name: str
    slots: int | None


def read_hostfile(path: Path) -> tuple[HostEntry, ...]:
    """Return the hosts of a file: a line each, `name`, `name slots=N` or `name:N`; # begins a note.

    Raises:
        RequestError: it cannot be read, holds no host, one twice, or a line that is none of these.
    """
    try:
        lines = read_content(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RequestError(f"--hostfile {path} cannot be read: {reason}") from error
    entries: dict[str, HostEntry] = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        entry = _parse_line(text)
        if entry is None:
            raise RequestError(
                f"--hostfile {path}, line {number}: {text!r} is no host",
                "a line is NAME, NAME slots=N or NAME:N",
            )
        if entry.name in entries:
            raise RequestError(f"--hostfile {path}, line {number}: {entry.name} is there twice")
        entries[entry.name] = entry
    if not entries:
        raise RequestError(f"--hostfile {path} names no host", "a line is NAME, NAME slots=N or "
                           "NAME:N")  # fmt: skip
    return tuple(entries.values())


def _parse_line(text: str) -> HostEntry | None:
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    named = _SLOTS.search(match[3])
    slots = match[2] or (named[1] if named else None)
    if slots is not None and not slots.isdigit():
        return None
    return HostEntry(match[1], int(slots) if slots is not None else None)
