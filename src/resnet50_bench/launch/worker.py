"""One started instance, however it was started, and what it has answered so far."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from resnet50_bench.instance.job import (
    INSTANCE_LOG,
    TRACE_LOG,
    TRIALS_LOG,
    Entered,
    Failed,
    Finished,
    Go,
    Job,
    Predicted,
    Ready,
    Started,
    Traced,
)

TAIL_BYTES = 4000

OnPredicted: TypeAlias = "Callable[[int, Predicted], None]"
"""Is given the number of an instance and answers of its own to images."""


class Connection(Protocol):
    """What a selector can wait for."""

    def fileno(self) -> int:
        """The file descriptor."""


@dataclass(slots=True, kw_only=True)
class Worker(ABC):
    """One instance and what it has answered so far.

    Attributes:
        job: what it was told.
        log_path: where its stdout and stderr go.
        launched_ns: when it was started.
        heard_ns: when it last said something.
        on_predicted: is given the answers to images as they come.
        host: where it is, as the user names it; None for this host.
        phase: what it last said it was doing.
        overdue: it was ended because it passed its deadline.
        loss: what is known of its loss beside its exit status.
        ended_with: it was well and ended because of another: how, and of which.
    """

    job: Job
    log_path: Path
    launched_ns: int
    heard_ns: int
    on_predicted: OnPredicted
    host: str | None = None
    phase: str = "starting"
    started: Started | None = None
    ready: Ready | None = None
    finished: Finished | None = None
    traced: bool = False
    failed: Failed | None = None
    closed: bool = False
    overdue: bool = False
    loss: str | None = None
    ended_with: str | None = None

    @property
    def lost(self) -> bool:
        """Whether it will answer nothing more, and never gave its result."""
        answered = self.finished is not None or self.traced
        return not answered and (self.closed or self.failed is not None)

    @property
    @abstractmethod
    def connection(self) -> Connection:
        """Readable when there is something to `receive`; several workers may share one."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Of its process, on its host; None when it never started."""

    @abstractmethod
    def receive(self) -> None:
        """Take in what has arrived, for all workers of the connection."""

    @abstractmethod
    def send(self, message: Job | Go) -> None:
        """Send one message; a worker that is gone is noticed by `receive`."""

    @abstractmethod
    def kill(self) -> None:
        """End the worker and whatever it started."""

    @abstractmethod
    def reap(self) -> int:
        """Return the exit status, negative for a signal; a worker that lingers is killed."""

    def follow(self, job: Job) -> None:
        """Give it another job for the model it has loaded: its last one was `followed`."""
        self.job = job
        self.ready = self.finished = None
        self.phase = "told another job"
        self.heard_ns = time.monotonic_ns()
        self.send(job)

    def give_up(self) -> None:
        """End a worker that is silent for too long."""
        self.kill()

    def read_tail(self) -> str:
        """Return the end of its log."""
        return read_tail(self.log_path)

    @contextmanager
    def open_log(self) -> Iterator[Iterator[str]]:
        """Open its log, to read its lines."""
        with self.log_path.open(encoding="utf-8", errors="replace") as log:
            yield log

    def take(self, answer: object) -> None:
        """Keep an answer."""
        self.heard_ns = time.monotonic_ns()
        if isinstance(answer, Started):
            self.started = answer
        elif isinstance(answer, Entered):
            self.phase = answer.phase
        elif isinstance(answer, Ready):
            self.ready = answer
            self.phase = "waiting"
        elif isinstance(answer, Predicted):
            self.on_predicted(self.job.slot.instance, answer)
        elif isinstance(answer, Finished):
            self.finished = answer
        elif isinstance(answer, Traced):
            self.traced = True
        elif isinstance(answer, Failed):
            self.failed = answer


def ignore_answers(_: int, __: Predicted) -> None:
    """Only evaluating jobs send answers, and whoever starts those takes them."""


class Launcher(Protocol):
    """A way to start workers.

    Attributes:
        command: of a worker, for the record.
        hosts: that get the same workers each, as the user names them; () for this host alone.
    """

    command: tuple[str, ...]
    hosts: tuple[str, ...]

    def start(
        self,
        jobs: Sequence[Job],
        environment: Mapping[str, str],
        log_folder: Path,
        on_predicted: OnPredicted = ignore_answers,
    ) -> AbstractContextManager[Sequence[Worker]]:
        """Start one process per job; whatever happens, none of them outlives the block.

        Args:
            jobs: one per instance.
            environment: the complete environment of the workers.
            log_folder: exists; gets `instance_000.log` and so on, `trace_000.log` for traces.
            on_predicted: is given the answers of evaluating jobs as they come.

        Raises:
            HostError: a process cannot be started.
        """


def choose_log(job: Job) -> str:
    """Return how the name of a worker's log begins."""
    if job.evaluation is not None and len(job.evaluation.passes) > 1:
        return TRIALS_LOG
    return TRACE_LOG if job.trace else INSTANCE_LOG


def read_tail(path: Path) -> str:
    """Return the end of a log, from the start of a line."""
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    # A last line longer than the tail has no start in it: its end is still worth reading.
    return text if size <= TAIL_BYTES else text.partition("\n")[2] or text
