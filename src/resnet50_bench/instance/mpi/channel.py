"""How the ranks of an MPI job answer: all through rank 0, and at no cost to the measurement.

Rank 0 has a thread that passes on what the others answer. It asks MPI a hundred times a second
while they start, sleeps in `select` from the word until rank 0 has its own result, and gathers the
rest then. Of an evaluation, which claims no speed, it passes answers on all the time, ten times a
second: so a run that is killed can be resumed. Nobody waits inside MPI for long, where waiting
takes a whole core: they ask and sleep.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.instance.job import TRACE_BEGIN, Entered, Failed, Finished, Traced
from resnet50_bench.instance.mpi.protocol import (
    GATHER,
    GO,
    JOBS_END,
    MARK,
    NEXT,
    LogSent,
    encode_report,
    frame_report,
    join_lines,
)

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

    from resnet50_bench.instance.mpi.protocol import Report

_ERRAND, _ANSWER, _LAST_ANSWER, _GO, _END = range(5)  # tags
_POLL_S = 0.01
_BATCH_S = 0.1
_PATIENCE_S = 0.001
_TAIL_BYTES = 4000
_READ_BYTES = 1 << 16


class Parent:
    """r50, at the other end of rank 0's stdin and stdout.

    Args:
        lines_fd: to read from.
        reports_fd: to write to.
    """

    def __init__(self, lines_fd: int, reports_fd: int) -> None:
        self.fd = lines_fd
        self._reports_fd = reports_fd
        self._lock = threading.Lock()
        self._pending = b""

    def tell(self, rank: int, report: bytes) -> None:
        """Pass on a rank's answer."""
        self._write(frame_report(rank, report))

    def read_errands(self) -> list[bytes]:
        """Return every rank's errand, encoded."""
        lines: list[bytes] = []
        while True:
            self._write(MARK + NEXT + b"\n")
            line = self.read_line()
            if line == JOBS_END:
                return join_lines(lines)
            lines.append(line)

    def read_line(self) -> bytes:
        """Wait for the next line, without its end; end at once when r50 is gone."""
        while b"\n" not in self._pending:
            data = os.read(self.fd, _READ_BYTES)
            if not data:
                os._exit(1)  # and the launcher ends the other ranks
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _write(self, line: bytes) -> None:
        with self._lock:
            while line:
                line = line[os.write(self._reports_fd, line) :]


class RankChannel(ABC):
    """What both kinds of rank have: a `worker.Channel` that sends its log where r50 may need it.

    Attributes:
        tells_meanwhile: the ranks answer while they work, as those of an evaluation do.
    """

    def __init__(self, comm: Intracomm, log: Path) -> None:
        self.phase = "starting"
        self.tells_meanwhile = False
        self.comm = comm
        self._log = log

    def enter(self, phase: str) -> None:
        """Say what begins now."""
        self.phase = phase
        self.send(Entered(phase))

    def send(self, report: Report) -> None:
        """Answer; before the last answer, the log that goes with it."""
        if isinstance(report, (Failed, Traced)):
            self.send(LogSent(_read_log(self._log, whole=isinstance(report, Traced))))
        is_last = isinstance(report, (Failed, Traced, Finished))
        self.deliver(encode_report(report), is_last=is_last)

    @abstractmethod
    def deliver(self, report: bytes, *, is_last: bool) -> None:
        """Bring an answer on its way to r50."""

    def _start_together(self) -> int:
        self.phase = "measuring"
        self.comm.Barrier()
        return time.monotonic_ns()


class Leaf(RankChannel):
    """Any rank but 0: it answers by messages to rank 0."""

    def __init__(self, comm: Intracomm, log: Path) -> None:
        super().__init__(comm, log)
        self._lock = threading.Lock()

    def receive_errand(self) -> bytes:
        """Wait for what to do."""
        errand = self._receive(_ERRAND)
        self.comm.Barrier()
        return errand

    def deliver(self, report: bytes, *, is_last: bool) -> None:
        """Send to rank 0, which takes a large answer only when it has finished itself."""
        with self._lock:
            request = self.comm.Isend(report, 0, _LAST_ANSWER if is_last else _ANSWER)
            while not request.Test():
                time.sleep(_PATIENCE_S)

    def wait_for_go(self) -> int:
        """Return when all ranks start, and the moment."""
        self._receive(_GO)
        return self._start_together()

    def close(self) -> None:
        """Wait until every rank has given its last answer: one that leaves ends the others."""
        self._receive(_END)

    def _receive(self, tag: int) -> bytes:
        while not self.comm.Iprobe(0, tag):
            time.sleep(_PATIENCE_S)
        return take_message(self.comm, 0, tag)


class Root(RankChannel):
    """Rank 0: it answers to r50 directly, and passes on what the others answer."""

    def __init__(self, comm: Intracomm, log: Path, parent: Parent) -> None:
        super().__init__(comm, log)
        self._parent = parent
        self._woken, self._wake = os.pipe()
        self._told_to_go = threading.Event()
        self._pause_s: float | None = _POLL_S
        self._is_done = False
        self._at_work = set(range(1, comm.size))
        self._relay = threading.Thread(target=self._pass_on_all, name="relay", daemon=True)

    def receive_errand(self) -> bytes:
        """Wait for what all ranks are to do, and pass it on."""
        own, *others = self._parent.read_errands()
        self._tell_others(_ERRAND, others)
        self.comm.Barrier()  # makes the connections that the next one will use
        self._relay.start()
        return own

    def deliver(self, report: bytes, *, is_last: bool) -> None:
        """Tell r50; after the last answer the others' turn has come."""
        self._parent.tell(0, report)
        if is_last:
            self._is_done = True
            os.write(self._wake, b"!")

    def wait_for_go(self) -> int:
        """Return when all ranks start, and the moment."""
        self._told_to_go.wait()
        return self._start_together()

    def close(self) -> None:
        """Wait until every rank has given its last answer, and let them all go."""
        self._relay.join()
        self._tell_others(_END, [b""] * (self.comm.size - 1))

    def _pass_on_all(self) -> None:
        while self._at_work or not self._is_done:
            readable, _, _ = select.select([self._parent.fd, self._woken], [], [], self._pause_s)
            if self._parent.fd in readable:
                self._obey(self._parent.read_line())
            if self._woken in readable:
                os.read(self._woken, 1)
                self._pause_s = _POLL_S
            if self._pause_s is not None:
                self._pass_on()

    def _obey(self, line: bytes) -> None:
        if line == GO:
            self._pause_s = _BATCH_S if self.tells_meanwhile else None
            self._tell_others(_GO, [b""] * (self.comm.size - 1))
            self._told_to_go.set()
        elif line == GATHER:
            self._pause_s = _POLL_S

    def _pass_on(self) -> None:
        from mpi4py import MPI

        status = MPI.Status()
        while self.comm.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG, status):
            rank, tag = status.Get_source(), status.Get_tag()
            self._parent.tell(rank, take_message(self.comm, rank, tag))
            if tag == _LAST_ANSWER:
                self._at_work.discard(rank)

    def _tell_others(self, tag: int, texts: list[bytes]) -> None:
        for rank, text in enumerate(texts, start=1):
            self.comm.Send(text, rank, tag)


def take_message(comm: Intracomm, source: int, tag: int) -> bytes:
    """Receive a message that has been seen to be there."""
    from mpi4py import MPI

    status = MPI.Status()
    comm.Probe(source, tag, status)
    buffer = bytearray(status.Get_count(MPI.BYTE))
    comm.Recv(buffer, source, tag)
    return bytes(buffer)


def _read_log(path: Path, *, whole: bool) -> str:
    """Return the trace in this process's own log, or else the log's end."""
    ctypes.CDLL(None).fflush(None)  # what C code has written and not flushed
    with path.open("rb") as log:
        if whole:
            return log.read().partition(TRACE_BEGIN.encode())[2].decode(errors="replace")
        log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return log.read().decode(errors="replace")
