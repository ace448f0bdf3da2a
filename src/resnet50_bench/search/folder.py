"""The folder of a sweep: what was asked of it, what came of it, and how it is gone on with.

`sweep.json` says what was asked, and is written anew after each run. What was measured is told by
the records in the folders of the runs: so a sweep goes on rightly even where r50 was killed between
a record and that file. A run counts when its configuration is one of the sweep's, on the same
machine, and its record is valid.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.config import RunConfig
from resnet50_bench.errors import HostError, OutputError, RecordError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.files.paths import describe_problem, is_folder, is_there, read_content
from resnet50_bench.search.attempts import Attempt, read_attempts
from resnet50_bench.search.grid import Candidate, LeftOut
from resnet50_bench.search.identity import MachineIdentity, hash_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SWEEP_FILE = "sweep.json"
SWEEP_VERSION = 1
_OTHER_FOLDER = "name another folder with --output DIR"
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What was asked of a sweep.

    Attributes:
        sweep_version: of this form.
        tool_version: of r50.
        created: UTC, ISO 8601.
        command: the command line that began it.
        machine: that it is made on.
        rounds: how often each candidate is measured.
        seed: of the order.
        candidates: the combinations that fit.
        left_out: those that do not, and why.
    """

    sweep_version: int = SWEEP_VERSION
    tool_version: str
    created: str
    command: tuple[str, ...]
    machine: MachineIdentity
    rounds: int
    seed: int
    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Of the candidates, by `hash_config`."""
        return tuple(hash_config(item.config) for item in self.candidates)


@dataclass(frozen=True, slots=True)
class _Page:
    """What `sweep.json` holds."""

    sweep: Sweep
    runs: tuple[Attempt, ...]


def write_sweep(folder: Path, sweep: Sweep, attempts: Sequence[Attempt]) -> None:
    """Write what was asked and what came of it, atomically.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / SWEEP_FILE
    content = msgspec.json.format(msgspec.json.encode(_Page(sweep, tuple(attempts))), indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content + b"\n")
    except OSError as error:
        advice = "name a folder you may write to with --output DIR"
        raise OutputError(path, error, advice) from error


def read_sweep(folder: Path) -> Sweep:
    """Read what was asked of the sweep in a folder.

    Raises:
        RecordError: there is none, it is damaged, or of another version.
    """
    return _read_page(folder).sweep


def read_past(folder: Path, sweep: Sweep) -> tuple[Attempt, ...]:
    """Read what came of a sweep so far: its runs by their records, and those that got none."""
    keys = set(sweep.keys)
    found = [item for item in read_attempts(folder, sweep.machine) if item.key in keys]
    lost = [item for item in _read_page(folder).runs if item.folder is None and item.key in keys]
    return (*found, *lost)


def count_valid(attempts: Sequence[Attempt]) -> Counter[str]:
    """Return how many valid runs there are of each candidate, by its key."""
    return Counter(item.key for item in attempts if item.figures is not None)


def continue_sweep(folder: Path, past: Sweep, asked: Sweep) -> Sweep:
    """Return the sweep to go on with, where one is asked for in the folder of another.

    More combinations and more rounds extend it; its beginning stays on record.

    Raises:
        RecordError: it is one of another machine, or some of its combinations are not asked for
            any more.
    """
    if past.machine != asked.machine:
        raise RecordError(
            f"{folder} holds a sweep of another machine: {past.machine.describe()} there, "
            f"{asked.machine.describe()} here",
            _OTHER_FOLDER,
        )
    missing = set(past.keys) - set(asked.keys)
    if missing:
        raise RecordError(
            f"{folder} holds a sweep of something else ({_describe_difference(past, asked)}); more "
            "values would extend it",
            f"`r50 sweep --resume {folder}` goes on with it as it was; or {_OTHER_FOLDER}",
        )
    return replace(asked, created=past.created, command=past.command)


def require_usable(folder: Path) -> bool:
    """Return whether a folder holds a sweep; it may also be empty, or not there yet.

    Raises:
        RecordError: it holds something else.
    """
    if is_there(folder / SWEEP_FILE):
        return True
    if is_folder(folder) and any(folder.iterdir()):
        raise RecordError(
            f"--output {folder}: it is not empty and holds no {SWEEP_FILE}",
            "a sweep has a folder of its own: name a new one, or one of an earlier sweep",
        )
    return False


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Let no other sweep use the folder, as long as the block lasts.

    Raises:
        OutputError: it cannot be made.
        HostError: another sweep uses it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OutputError(folder, error, "name a folder you may write to with --output DIR") from (
            error
        )
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise HostError(f"another sweep writes to {folder}", "wait for its end") from None
    finally:
        os.close(handle)


def _read_page(folder: Path) -> _Page:
    path = folder / SWEEP_FILE
    try:
        content = read_content(path)
    except (OSError, ValueError) as error:
        raise RecordError(
            f"no sweep at {folder}: {describe_problem(error)}",
            f"give the folder that holds {SWEEP_FILE}",
        ) from error
    try:
        page = msgspec.json.decode(content, type=_Page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f"{path} is damaged or of another r50: {error}",
            "its runs are whole: `r50 kpi FOLDER` lists them; begin a new sweep in another folder",
        ) from error
    if page.sweep.sweep_version != SWEEP_VERSION:
        raise RecordError(
            f"{path} has version {page.sweep.sweep_version}, this r50 reads {SWEEP_VERSION}",
            "go on with the r50 that began it",
        )
    return page


def _describe_difference(past: Sweep, asked: Sweep) -> str:
    """Name the parameters of which values are missing now."""
    differing = []
    for field in fields(RunConfig):
        then, now = (
            list(dict.fromkeys(_spell(getattr(item.config, field.name)) for item in each))
            for each in (past.candidates, asked.candidates)
        )
        if not set(then) <= set(now):
            differing.append(f"{field.name}: {', '.join(then)} there, {', '.join(now)} here")
    return "; ".join(differing[:_SHOWN]) or "some combinations are not asked for any more"


def _spell(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else "unset" if value is None else str(value)
