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
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import NO_ROOM, HostError, OutputError
from resnet50_bench.instance.job import (
    INSTANCE_LOG,
    KERNEL_LOG,
    Go,
    Job,
    decode_answer,
    encode,
    name_log,
)
from resnet50_bench.interpreter import advise_start, describe_refusal, plan_arguments
from resnet50_bench.launch.worker import Worker, choose_log, ignore_answers
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resnet50_bench.launch.worker import OnPredicted

WORKER_ARGUMENTS = plan_arguments("resnet50_bench.instance.worker")

_FEWER = "use fewer instances (--instances or a larger --cores-per-instance)"
_READ_BYTES = 1 << 20
_REAP_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class Process(Worker):
    """A worker that is a child of this process.

    Attributes:
        process: the child.
        stream: to it, non-blocking.
    """

    process: subprocess.Popen[bytes]
    stream: socket.socket
    _pending: bytearray = field(default_factory=bytearray)

    @property
    def connection(self) -> socket.socket:
        """The socket to it."""
        return self.stream

    @property
    def pid(self) -> int:
        """Of the child."""
        return self.process.pid

    def receive(self) -> None:
        """Take in what has arrived; at the end of the stream the worker counts as closed."""
        try:
            data = self.stream.recv(_READ_BYTES)
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
            self.take(decode_answer(bytes(line)))

    def send(self, message: Job | Go) -> None:
        """Send one message; a worker that is gone is noticed by `receive`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.stream.setblocking(True)
            self.stream.sendall(encode(message))
        self.stream.setblocking(False)

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


@dataclass(frozen=True, slots=True)
class Program:
    """How a worker is started.

    Attributes:
        arguments: the command line; the socket's number follows.
        environment: complete.
        by_standard_streams: the socket is its standard input and output, and there is no number.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    by_standard_streams: bool = False


class LocalLauncher:
    """Starts workers as children of this process; see `Launcher`."""

    command = (Path(sys.executable).name, *WORKER_ARGUMENTS)
    hosts: tuple[str, ...] = ()

    @contextmanager
    def start(
        self,
        jobs: Sequence[Job],
        environment: Mapping[str, str],
        log_folder: Path,
        on_predicted: OnPredicted = ignore_answers,
    ) -> Iterator[Sequence[Worker]]:
        """Start one process per job; none of them outlives the block."""
        workers: list[Process] = []
        try:
            for job in jobs:
                with signals_held():
                    program = self._plan_program(job, environment, log_folder)
                    workers.append(_start(job, program, log_folder, on_predicted))
                workers[-1].send(job)
            yield workers
        finally:
            with signals_held():
                for worker in workers:
                    worker.kill()
                for worker in workers:
                    worker.process.wait()
                    worker.stream.close()

    def _plan_program(self, job: Job, environment: Mapping[str, str], log_folder: Path) -> Program:
        """Say what to start for a job."""
        del job, log_folder
        return Program((sys.executable, *WORKER_ARGUMENTS), environment)


def _start(
    job: Job,
    program: Program,
    log_folder: Path,
    on_predicted: OnPredicted,
) -> Process:
    kind = choose_log(job)
    log_path = log_folder / name_log(kind, job.slot.instance)
    ours, theirs = socket.socketpair()
    try:
        with ExitStack() as stack:
            log = stdout = stack.enter_context(log_path.open("wb"))
            if job.kernel_log and kind == INSTANCE_LOG:
                kernel_log = log_folder / name_log(KERNEL_LOG, job.slot.instance)
                stdout = stack.enter_context(kernel_log.open("wb"))
            launched_ns = time.monotonic_ns()
            standard = program.by_standard_streams
            number = () if standard else (str(theirs.fileno()),)
            process = subprocess.Popen(
                [*program.arguments, *number],
                stdin=theirs.fileno() if standard else subprocess.DEVNULL,
                stdout=theirs.fileno() if standard else stdout,
                stderr=log,
                env=dict(program.environment),
                pass_fds=() if standard else (theirs.fileno(),),
                start_new_session=True,  # a Ctrl-C is the parent's to deal with
            )
    except OSError as error:
        ours.close()
        if error.errno in NO_ROOM:
            raise OutputError(error.filename or log_path, error) from error
        raise HostError(
            f"instance {job.slot.instance} cannot be started: {describe_refusal(error)}",
            advise_start(error, _FEWER),
        ) from error
    finally:
        theirs.close()
    return Process(
        job=job,
        process=process,
        stream=ours,
        log_path=log_path,
        launched_ns=launched_ns,
        heard_ns=launched_ns,
        on_predicted=on_predicted,
    )
