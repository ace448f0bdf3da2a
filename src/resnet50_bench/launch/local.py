"""Workers as processes of this host."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError
from resnet50_bench.interpreter import plan_arguments
from resnet50_bench.job import (
    INSTANCE_LOG,
    KERNEL_LOG,
    TRACE_LOG,
    TRIALS_LOG,
    Answer,
    Entered,
    Failed,
    Finished,
    Go,
    Job,
    Predicted,
    Ready,
    Started,
    Traced,
    decode_answer,
    encode,
    name_log,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

WORKER_ARGUMENTS = plan_arguments("resnet50_bench.worker")

_HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Blocked while a worker is started, and so in the worker too, until it unblocks them."""

_READ_BYTES = 1 << 20
_REAP_SECONDS = 10.0


@dataclass(slots=True)
class Worker:
    """One child process and what it has answered so far.

    Attributes:
        job: what it was told.
        process: the child.
        connection: the socket to it, non-blocking.
        log_path: where its stdout and stderr go.
        launched_ns: when it was started.
        phase: what it last said it was doing.
        heard_ns: when it last said something.
        on_predicted: is given the answers to images as they come.
        overdue: it was ended because it passed its deadline.
    """

    job: Job
    process: subprocess.Popen[bytes]
    connection: socket.socket
    log_path: Path
    launched_ns: int
    heard_ns: int
    on_predicted: Callable[[Predicted], None]
    phase: str = "starting"
    started: Started | None = None
    ready: Ready | None = None
    finished: Finished | None = None
    traced: bool = False
    failed: Failed | None = None
    closed: bool = False
    overdue: bool = False
    _pending: bytearray = field(default_factory=bytearray)

    @property
    def lost(self) -> bool:
        """Whether it will answer nothing more, and never gave its result."""
        answered = self.finished is not None or self.traced
        return not answered and (self.closed or self.failed is not None)

    def receive(self) -> None:
        """Take in what has arrived; at the end of the stream the worker counts as closed."""
        try:
            data = self.connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
        self.heard_ns = time.monotonic_ns()
        self._pending += data
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        for line in lines:
            self._take(decode_answer(bytes(line)))

    def send(self, message: Job | Go) -> None:
        """Send one message; a worker that is gone is noticed by `receive`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.setblocking(True)
            self.connection.sendall(encode(message))
        self.connection.setblocking(False)

    def kill(self) -> None:
        """End the worker and whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def reap(self) -> int:
        """Return the exit status, negative for a signal; a worker that lingers is killed."""
        try:
            return self.process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait()

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Started):
            self.started = answer
        elif isinstance(answer, Entered):
            self.phase = answer.phase
        elif isinstance(answer, Ready):
            self.ready = answer
            self.phase = "waiting"
        elif isinstance(answer, Predicted):
            self.on_predicted(answer)
        elif isinstance(answer, Finished):
            self.finished = answer
        elif isinstance(answer, Traced):
            self.traced = True
        else:
            self.failed = answer


def ignore_answers(_: Predicted) -> None:
    """Only evaluating jobs send answers, and whoever starts those takes them."""


@contextmanager
def start_workers(
    jobs: Sequence[Job],
    environment: Mapping[str, str],
    log_folder: Path,
    on_predicted: Callable[[Predicted], None] = ignore_answers,
) -> Iterator[list[Worker]]:
    """Start one process per job; whatever happens, none of them outlives the block.

    Args:
        jobs: one per instance.
        environment: the complete environment of the workers.
        log_folder: exists; gets `instance_000.log` and so on, `trace_000.log` for traces;
            `onednn_000.log` where oneDNN writes what it executes.
        on_predicted: is given the answers of evaluating jobs as they come.

    Raises:
        HostError: a process cannot be started.
    """
    workers: list[Worker] = []
    try:
        for job in jobs:
            with _signals_held():
                workers.append(_start(job, environment, log_folder, on_predicted))
            workers[-1].send(job)
        yield workers
    finally:
        with _signals_held():
            for worker in workers:
                worker.kill()
            for worker in workers:
                worker.process.wait()
                worker.connection.close()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Keep back what may raise: between a fork and the note of it, that would lose the child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(
    job: Job,
    environment: Mapping[str, str],
    log_folder: Path,
    on_predicted: Callable[[Predicted], None],
) -> Worker:
    kind = _choose_log(job)
    log_path = log_folder / name_log(kind, job.slot.instance)
    ours, theirs = socket.socketpair()
    try:
        with ExitStack() as stack:
            log = stdout = stack.enter_context(log_path.open("wb"))
            if job.kernel_log and kind == INSTANCE_LOG:
                kernel_log = log_folder / name_log(KERNEL_LOG, job.slot.instance)
                stdout = stack.enter_context(kernel_log.open("wb"))
            launched_ns = time.monotonic_ns()
            process = subprocess.Popen(
                [sys.executable, *WORKER_ARGUMENTS, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                env=dict(environment),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a Ctrl-C is the parent's to deal with
            )
    except OSError as error:
        ours.close()
        raise HostError(
            f"instance {job.slot.instance} cannot be started: {error.strerror or error}",
            "use fewer instances (--instances or a larger --cores-per-instance)",
        ) from error
    finally:
        theirs.close()
    return Worker(job, process, ours, log_path, launched_ns, launched_ns, on_predicted)


def _choose_log(job: Job) -> str:
    if job.evaluation is not None and len(job.evaluation.passes) > 1:
        return TRIALS_LOG
    return TRACE_LOG if job.trace else INSTANCE_LOG
