"""Who reads the FIFO `/export-logs`: one after the other, and each all of it.

A FIFO has one stream, however many have opened it: two readers would get a part each. So a new one
takes its place as soon as somebody has opened it, and who comes next opens that. Those who opened
the same one before it was replaced, within a millisecond, are found by their open files in /proc,
and read in turn: the others are halted meanwhile.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import FileIO

    Write = Callable[[FileIO], None]
    Reader = Sequence[int]
    """The processes that read as one: the first opened the FIFO, the others have it from that."""

_POLL_S = 0.01

_OPENING_S = 0.05
"""How long a process may take from being let through its `open` to having the file."""


class Readers:
    """Those who open a FIFO, in the order in which they come.

    Args:
        fifo: what they open; new ones are made beside it, and take its place.

    Raises:
        HostError: nothing can be made there.
    """

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo.resolve()
        self._spare = self._fifo.with_name(f"{self._fifo.name}.next")
        self._opened: queue.SimpleQueue[FileIO] = queue.SimpleQueue()
        try:
            self._spare.unlink(missing_ok=True)
            self._make_spare()
            if not self._fifo.exists():
                self._replace()
        except OSError as error:
            raise HostError(
                f"{self._fifo.parent} cannot be written: {error.strerror}",
                f"mount a writable folder, e.g. --tmpfs {self._fifo.parent}:mode=0777",
            ) from error

    def start(self) -> None:
        """Let them come in, from now on."""
        threading.Thread(target=self._receive, daemon=True).start()

    def serve(self, write: Write, seconds: float | None = None) -> bool:
        """Give the next reader what `write` writes; return whether there was one.

        Args:
            write: to the stream that it is given.
            seconds: to wait for a reader; None for as long as it takes.
        """
        try:
            stream = self._opened.get(timeout=seconds)
        except queue.Empty:
            return False
        time.sleep(_OPENING_S)
        readers = find_readers(stream.fileno())
        if len(readers) > 1:
            _give_in_turn(stream, readers, write)
        else:
            _give(stream, write)
        return True

    def _receive(self) -> None:
        with suppress(FileNotFoundError):  # it was taken away: nobody can come in any more
            while True:
                stream = self._fifo.open("wb", buffering=0)  # returns when somebody reads
                self._replace()
                self._opened.put(stream)

    def _replace(self) -> None:
        self._spare.rename(self._fifo)
        self._make_spare()

    def _make_spare(self) -> None:
        os.mkfifo(self._spare)
        self._spare.chmod(0o666)  # whatever the umask: anybody may read the logs


def find_readers(fifo: int) -> list[Reader]:
    """Return who else has a FIFO open, as far as this process may see the files of others.

    Args:
        fifo: a descriptor of it.
    """
    wanted = os.fstat(fifo)
    parents = {pid: int(_read_stat(pid)[1]) for pid in _list_others() if _has_open(pid, wanted)}
    readers: dict[int, list[int]] = {}
    for pid in sorted(parents):
        first = pid
        while parents[first] in parents:
            first = parents[first]
        readers.setdefault(first, []).append(pid)
    return list(readers.values())


def _give(stream: FileIO, write: Write) -> None:
    """Write, and end the stream; a reader may leave in the middle."""
    with suppress(BrokenPipeError):
        write(stream)
    stream.close()


def _give_in_turn(stream: FileIO, readers: Sequence[Reader], write: Write) -> None:
    """Give all of it to each of those who share a FIFO."""
    fifo = os.open(f"/proc/self/fd/{stream.fileno()}", os.O_PATH)
    wanted = os.fstat(fifo)
    try:
        for reader in readers:
            _halt(reader)
        for reader in readers:
            _signal(reader, signal.SIGCONT)
            _give(stream, write)
            while any(_has_open(pid, wanted) for pid in reader):
                time.sleep(_POLL_S)
            with suppress(OSError):  # ENXIO: there is no other
                writing = os.open(f"/proc/self/fd/{fifo}", os.O_WRONLY | os.O_NONBLOCK)
                os.set_blocking(writing, True)
                stream = os.fdopen(writing, "wb", buffering=0)
    finally:
        os.close(fifo)
        for reader in readers:
            _signal(reader, signal.SIGCONT)


def _halt(reader: Reader) -> None:
    """Stop its processes, and wait until they have stopped: one on its way would still read."""
    _signal(reader, signal.SIGSTOP)
    while any(_read_stat(pid)[0] not in "TtZX" for pid in reader):
        time.sleep(_POLL_S)


def _signal(reader: Reader, number: signal.Signals) -> None:
    for pid in reader:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _list_others() -> list[int]:
    found = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in found if pid != os.getpid()]


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    return any(os.path.samestat(found, wanted) for found in _list_files(pid))


def _list_files(pid: int) -> Iterator[os.stat_result]:
    """What a process has open; nothing when it has ended, or is another user's."""
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                yield path.stat()


def _read_stat(pid: int) -> list[str]:
    """Its state and its parent; X and 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ["X", "0"]
    return text.rpartition(")")[2].split()[:2]
