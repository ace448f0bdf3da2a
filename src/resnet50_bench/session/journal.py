"""The answers of an evaluation as they come, kept in the run's folder until its record holds them.

A file of JSON lines: first what the answers belong to, then a line per report of a worker. It is
only ever appended to, so whatever ends the run leaves whole lines and at most one torn one, and the
run can be resumed.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.errors import OutputError, RecordError
from resnet50_bench.instance.job import Predicted
from resnet50_bench.instance.predictions import split_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO, RawIOBase
    from pathlib import Path

JOURNAL_FILE = "answers.jsonl"

CPU_SEPARATOR = " | "
"""Between the kinds of CPU that answers come from."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the answers; a run is resumed only where all of it is the same.

    Attributes:
        model_sha256: of what the engine loads; None for an engine without one.
        engine: name and options.
        precision, preprocessing: their names.
        batch_size: images per query.
        images_sha256: of the images' names, places, sizes and labels, in order.
        cpu: model and flags of the host's CPU; of hosts of several kinds, all of them.
    """

    model_sha256: str | None
    engine: str
    precision: str
    preprocessing: str
    batch_size: int
    images_sha256: str
    cpu: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The answers so far, by position, one per image.

    Attributes:
        rows: packed answers, see `predictions`.
        unreadable: position of each image that could not be read, and why.
    """

    rows: bytes
    unreadable: tuple[tuple[int, str], ...]


class Journal:
    """An open journal; see `open_journal`.

    Attributes:
        problem: why answers are no longer written; None while they are.
    """

    def __init__(self, file: RawIOBase, before: Iterable[Predicted] = ()) -> None:
        self.problem: OutputError | None = None
        self._file = file
        self._rows: dict[int, bytes] = {}
        self._unreadable: dict[int, str] = {}
        for answers in before:
            self._take(answers)

    def add(self, answers: Predicted) -> None:
        """Keep a worker's answers; when the disk is full, in memory alone."""
        self._take(answers)
        if self.problem is not None:
            return
        try:
            _write_whole(self._file, msgspec.json.encode(answers) + b"\n")
        except OSError as error:
            self.problem = OutputError(
                JOURNAL_FILE, error, "the run goes on; interrupted, it could not be resumed"
            )

    def positions(self) -> frozenset[int]:
        """The images that were answered or found unreadable."""
        return frozenset(self._rows) | frozenset(self._unreadable)

    def progress(self) -> Progress:
        """Return everything kept so far, whoever was faster."""
        return Progress(
            b"".join(row for _, row in sorted(self._rows.items())),
            tuple(sorted(self._unreadable.items())),
        )

    def _take(self, answers: Predicted) -> None:
        """A later answer to the same image replaces an earlier one."""
        self._rows.update(split_rows(answers.rows))
        self._unreadable.update(answers.unreadable)


def _write_whole(file: RawIOBase, data: bytes) -> None:
    """Write without a buffer, which would try again what a full disk did not take."""
    while data:
        data = data[file.write(data) or 0 :]


@contextmanager
def open_journal(folder: Path, origin: Origin) -> Iterator[Journal]:
    """Begin a run's journal, or go on with the one that is there; no two processes may at once.

    Raises:
        RecordError: another process has it open, or it belongs to answers of another origin.
        OutputError: it cannot be written.
    """
    path = folder / JOURNAL_FILE
    with _open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordError(
                f"{folder} is being written by another r50", "wait for it to end"
            ) from None
        file.seek(0)
        content = file.readall()
        whole = content[: content.rfind(b"\n") + 1]
        file.truncate(len(whole))
        if not whole:
            _begin(file, path, origin)
            yield Journal(file)
            return
        first, *lines = whole.splitlines()
        try:
            before = msgspec.json.decode(first, type=Origin)
            answers = [msgspec.json.decode(line, type=Predicted) for line in lines]
            journal = Journal(file, answers)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise RecordError(
                f"{path} is damaged: {error}", "run the evaluation again without --resume"
            ) from error
        _require_same(folder, before, origin)
        yield journal


def _open(path: Path) -> FileIO:
    try:
        return path.open("a+b", buffering=0)
    except OSError as error:
        raise OutputError(path, error) from error


def _begin(file: RawIOBase, path: Path, origin: Origin) -> None:
    try:
        _write_whole(file, msgspec.json.encode(origin) + b"\n")
    except OSError as error:
        raise OutputError(path, error) from error


def _is_among(now: str, before: str) -> bool:
    """Whether what is left is answered by kinds of CPU that have answered some already."""
    return set(now.split(CPU_SEPARATOR)) <= set(before.split(CPU_SEPARATOR))


def _require_same(folder: Path, before: Origin, now: Origin) -> None:
    differing = [
        f"{name}: {getattr(before, name)!s:.60} then, {getattr(now, name)!s:.60} now"
        for name in Origin.__struct_fields__
        if getattr(before, name) != getattr(now, name)
        and not (name == "cpu" and _is_among(now.cpu, before.cpu))
    ]
    if differing:
        raise RecordError(
            f"{folder} cannot be resumed: its answers belong to something else "
            f"({'; '.join(differing)})",
            "run the evaluation again without --resume",
        )
