"""Workers as the ranks of one MPI job.

All ranks answer through the launcher's stdout, see `mpi_protocol`. An MPI job lives and dies as
one: a rank that is lost takes the others along, and ending one ends them all.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.instance.job import TRACE_BEGIN, Go, Job
from resnet50_bench.instance.mpi.protocol import (
    GATHER,
    GO,
    MARK,
    NEXT,
    Errand,
    HostFacts,
    Landed,
    LogSent,
    parse_report,
    plan_lines,
)
from resnet50_bench.launch.mpi.command import MpiPlan, plan_command, plan_rank
from resnet50_bench.launch.mpi.losses import Death, find_death, find_lost_host, summarize_output
from resnet50_bench.launch.mpi.process import close_pipes, end_process, start_process
from resnet50_bench.launch.worker import Worker, choose_log, ignore_answers, read_tail
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from resnet50_bench.launch.worker import OnPredicted

_READ_BYTES = 1 << 20
_REAP_SECONDS = 15.0
_GATHER_SECONDS = 3.0


@dataclass(slots=True, kw_only=True)
class Rank(Worker):
    """A worker that is a rank of an MPI job.

    Attributes:
        link: to the job.
        number: its rank.
    """

    link: Link
    number: int
    landed: Landed | None = None
    log_text: str | None = None

    @property
    def connection(self) -> IO[bytes]:
        """The launcher's stdout, which all ranks share."""
        return self.link.reports

    @property
    def pid(self) -> int | None:
        """On its host."""
        return self.started.pid if self.started is not None else None

    def receive(self) -> None:
        """Take in what has arrived from all ranks."""
        self.link.receive()

    def send(self, message: Job | Go) -> None:
        """The word; jobs were sent when the ranks were started."""
        if isinstance(message, Go):
            self.link.send_go()

    def kill(self) -> None:
        """End the whole job."""
        self.link.stop()

    def give_up(self) -> None:
        """End the whole job, once rank 0 has passed on what the others have to say."""
        self.link.gather()
        self.link.stop()

    def reap(self) -> int:
        """Return the exit status, negative for a signal, as far as the launcher tells it."""
        return self.link.find_status(self)

    def read_tail(self) -> str:
        """Return the end of its log, or of what the launcher said where there is none."""
        if self.landed is None:
            return read_tail(self.link.log_path)
        where = f"(its log is {self.landed.log_path} on {self.landed.hostname})\n"
        own = self.log_text if self.log_text is not None else read_tail(self.log_path)
        return where + own if self.host is not None else own

    @contextmanager
    def open_log(self) -> Iterator[Iterator[str]]:
        """Its trace as it was sent."""
        lines = [TRACE_BEGIN, *(self.log_text or "").splitlines()]
        yield iter(lines)

    def take(self, answer: object) -> None:
        """Keep an answer."""
        Worker.take(self, answer)  # super() does not work in a class with slots made anew
        if isinstance(answer, Landed):
            self.landed = answer
        elif isinstance(answer, LogSent):
            self.log_text = answer.text


@dataclass(slots=True)
class Link:
    """The launcher and what all ranks say through it.

    Attributes:
        process: the launcher.
        program: its name, for people.
        log_path: where its own output goes.
        lines: still to send to rank 0.
    """

    process: subprocess.Popen[bytes]
    program: str
    log_path: Path
    lines: Iterator[bytes]
    ranks: list[Rank] = field(default_factory=list)
    _pending: bytearray = field(default_factory=bytearray)
    _has_gone: bool = False
    _is_explained: bool = False
    _is_stopped: bool = False

    @property
    def reports(self) -> IO[bytes]:
        """To read from."""
        assert self.process.stdout is not None
        return self.process.stdout

    def receive(self) -> None:
        """Take in what has arrived; at the end of the stream all ranks count as closed."""
        data = os.read(self.reports.fileno(), _READ_BYTES)
        if not data:
            for rank in self.ranks:
                rank.closed = True
        self._pending += data
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        for line in lines:
            self._take(bytes(line))

    def send_go(self) -> None:
        """Give the word, once."""
        if not self._has_gone:
            self._has_gone = True
            self._send(GO + b"\n")

    def gather(self) -> None:
        """Have rank 0 pass on the results that wait for its own; wait for them a moment."""
        if not self._has_gone or self.process.poll() is not None:
            return
        self._send(GATHER + b"\n")
        deadline = time.monotonic() + _GATHER_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.reports, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    self.receive()
                if all(rank.closed or rank.finished is not None for rank in self.ranks):
                    return

    def stop(self) -> None:
        """End the launcher, which ends every rank on every host; kill it if that takes long."""
        self._is_stopped = self._is_stopped or self.process.poll() is None
        end_process(self.process)

    def find_status(self, rank: Rank) -> int:
        """Wait for the end of the job and return what is known of how a rank ended."""
        try:
            status = self.process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            status = self.process.wait()
        if self._is_stopped:  # how each ended then says nothing
            return self._find_status_when_stopped(rank)
        death = self._find_death()
        if death is not None and self._is(rank, death):
            return death.status
        if rank.finished is not None or rank.traced:
            return 0
        return status if death is None else 0

    def _find_status_when_stopped(self, rank: Rank) -> int:
        if rank.finished is not None or rank.traced:
            return 0
        if rank.failed is None:
            rank.ended_with = "ended by r50 with the rest of the MPI job"
        return -signal.SIGTERM

    def _find_death(self) -> Death | None:
        """Which rank's end was the end of the others; says so to them, once."""
        text = self.log_path.read_text(errors="replace")
        death = find_death(text)
        if self._is_explained:
            return death
        self._is_explained = True
        dead = [rank for rank in self.ranks if death is not None and self._is(rank, death)]
        lost_host = find_lost_host(text)
        for rank in self.ranks:
            if dead and rank not in dead and rank.finished is None and rank.failed is None:
                rank.ended_with = (
                    f"ended by {self.program} with instance {dead[0].number}, which was lost"
                )
            elif not dead or rank.landed is None:
                rank.loss = f"{self.program} says: {summarize_output(text) or 'nothing'}"
                if not dead and lost_host is not None and rank.host not in {None, lost_host}:
                    rank.ended_with = f"ended by {self.program}, which lost {lost_host}"
        return death if dead else None

    @staticmethod
    def _is(rank: Rank, death: Death) -> bool:
        return rank.number == death.rank if death.rank is not None else rank.pid == death.pid

    def _send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # the end of the launcher is noticed by `receive`
            os.write(self.process.stdin.fileno(), line)

    def _take(self, line: bytes) -> None:
        before, mark, frame = line.partition(MARK)
        if before or not mark:
            with self.log_path.open("ab") as log:
                log.write(before + b"\n")
        if frame == NEXT:
            self._send(next(self.lines))
        elif mark:
            number, report = parse_report(frame)
            self.ranks[number].take(report)


@dataclass(frozen=True, slots=True)
class HostOrders:
    """What all ranks of one host are told beside their jobs.

    Attributes:
        environment: variables that differ from those of the first host.
        facts: what the host must be; None where there is nobody to compare with.
    """

    environment: dict[str, str]
    facts: HostFacts | None


class MpiLauncher:
    """Starts workers as the ranks of an MPI job; see `Launcher`.

    Args:
        plan: the launcher and the hosts.
        inherited: the variables the ranks on this host have from r50 itself; all others are set for
            the ranks on all hosts.
        orders: for each host, in the order of the plan.
        command: the command line, for the record.
    """

    def __init__(
        self,
        plan: MpiPlan,
        inherited: Mapping[str, str],
        orders: Sequence[HostOrders],
        command: tuple[str, ...],
    ) -> None:
        self._plan = plan
        self._inherited = inherited
        self._orders = orders
        self.hosts = plan.hosts
        self.command = command

    @contextmanager
    def start(
        self,
        jobs: Sequence[Job],
        environment: Mapping[str, str],
        log_folder: Path,
        on_predicted: OnPredicted = ignore_answers,
    ) -> Iterator[Sequence[Worker]]:
        """Start one rank per job; none of them outlives the block."""
        stem = choose_log(jobs[0])
        own = {name: text for name, text in environment.items() if name not in self._inherited}
        command = plan_command(
            self._plan, own, plan_rank(len(jobs), str(log_folder.absolute()), stem)
        )
        process = None
        try:
            with signals_held():
                process = start_process(command, environment, _name_log(log_folder, stem))
            yield self._join(process, jobs, log_folder, on_predicted)
        finally:
            if process is not None:
                with signals_held():
                    end_process(process)
                    close_pipes(process)

    def _join(
        self,
        process: subprocess.Popen[bytes],
        jobs: Sequence[Job],
        log_folder: Path,
        on_predicted: OnPredicted,
    ) -> list[Rank]:
        """Return the ranks of a job that was just started."""
        stem, launched_ns = choose_log(jobs[0]), time.monotonic_ns()
        lines = plan_lines([self._plan_errand(job) for job in jobs])
        link = Link(process, self._plan.program.describe(), _name_log(log_folder, stem), lines)
        link.ranks = [
            Rank(
                job=job,
                link=link,
                number=number,
                log_path=log_folder / f"{stem}_{number:03d}.log",
                launched_ns=launched_ns,
                heard_ns=launched_ns,
                on_predicted=on_predicted,
                host=self._plan.find_host(number),
            )
            for number, job in enumerate(jobs)
        ]
        return link.ranks

    def _plan_errand(self, job: Job) -> Errand:
        host, place = self._plan.find_seat(job.slot.instance)
        orders = self._orders[host]
        return Errand(
            job=job,
            place=place,
            ranks_per_host=self._plan.counts[host],
            environment=orders.environment,
            facts=orders.facts,
        )


def _name_log(folder: Path, stem: str) -> Path:
    """The launcher's own log."""
    return folder / ("mpi.log" if stem == "instance" else f"mpi_{stem}.log")
