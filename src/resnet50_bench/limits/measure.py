"""Measures a machine's limits, in a process of its own.

Three rounds of all tasks, one after the other, and of each task the best round: what disturbs one
round seldom disturbs the same task in all of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from resnet50_bench.errors import HostError
from resnet50_bench.host.caches import read_caches
from resnet50_bench.interpreter import advise_start, describe_refusal, find_error, plan_arguments
from resnet50_bench.limits.kernels import PEAK_KERNELS, Kind
from resnet50_bench.limits.levels import LEVELS, plan_working_sets
from resnet50_bench.limits.protocol import MODULE, Answer, Request, Task
from resnet50_bench.limits.roofline import Bandwidth, Peak, Roofline
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from resnet50_bench.host.machine import Host

ROUNDS = 3
BURST_S = 0.05
"""For one task in one round; after a quarter of it, at the begin, has been left out."""

ACCESSES = ("read", "triad")

_TAIL_BYTES = 2000
_COMMAND = (sys.executable, *plan_arguments(MODULE))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What can be measured here, and what cannot."""

    tasks: tuple[Task, ...]
    absent: dict[str, str]


@dataclass(slots=True)
class _Found:
    """What the child said so far."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    current: str | None = None


def choose_cpus(host: Host, used: Collection[int] | None = None) -> tuple[int, ...]:
    """Return one CPU of each core: a second hardware thread adds no multiply-adds.

    Args:
        host: this machine.
        used: the CPUs whose cores are meant; None for all that may be used.
    """
    chosen = (
        next((cpu for cpu in core.cpus if used is None or cpu in used), None) for core in host.cores
    )
    return tuple(sorted(cpu for cpu in chosen if cpu is not None))


def measure_roofline(
    host: Host,
    cpus: tuple[int, ...],
    on_progress: Callable[[str, float], None],
    *,
    memory: bool = True,
) -> Roofline:
    """Measure what these CPUs can do at most, all at once: some seconds.

    Args:
        host: this machine.
        cpus: one of each core; see `choose_cpus`.
        on_progress: told what is measured, and the share that is done.
        memory: whether to measure bandwidths, too.

    Raises:
        HostError: the process cannot be started, or ended before it measured anything.
    """
    plan = _plan_tasks(host, cpus, memory=memory)
    found = _Found(absent=dict(plan.absent))
    left = plan.tasks

    def show(name: str, done: int) -> None:
        on_progress(name, min(1.0, done / (ROUNDS * len(plan.tasks))))

    while left:
        request = Request(
            cpus=cpus,
            cpu_flags=host.cpu_flags,
            tasks=left,
            rounds=ROUNDS,
            seconds=BURST_S,
        )
        end = _run(request, found, show)
        if end is None:
            break
        left = _leave_out(left, found, end)
    return Roofline(
        cpus=cpus,
        measured=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        peaks=tuple(_list_peaks(found)),
        bandwidths=tuple(_list_bandwidths(plan, found)),
        absent=found.absent,
    )


def _plan_tasks(host: Host, cpus: tuple[int, ...], *, memory: bool) -> _Plan:
    peaks = _plan_peaks(host)
    if not memory:
        return peaks
    bandwidths = _plan_bandwidths(host, cpus)
    return _Plan((*peaks.tasks, *bandwidths.tasks), {**peaks.absent, **bandwidths.absent})


def _plan_peaks(host: Host) -> _Plan:
    tasks: list[Task] = []
    absent: dict[str, str] = {}
    for kernel in PEAK_KERNELS:
        missing = [flag for flag in kernel.required_flags if flag not in host.cpu_flags]
        if missing:
            absent[kernel.kind.value] = f"this CPU has no {', '.join(missing)}"
        else:
            tasks.append(Task(name=kernel.kind.value, kind=kernel.kind.value))
    return _Plan(tuple(tasks), absent)


def _plan_bandwidths(host: Host, cpus: tuple[int, ...]) -> _Plan:
    tasks: list[Task] = []
    absent: dict[str, str] = {}
    limit = host.memory_limit_bytes or host.memory_available_bytes
    available = min(limit, host.memory_available_bytes)
    sets = plan_working_sets(read_caches(cpus[0]), cpus, available)
    for level in LEVELS:
        for access in ACCESSES:
            name = f"{level} {access}"
            if level in sets.sizes:
                tasks.append(Task(name=name, access=access, buffer_bytes=sets.sizes[level]))
            else:
                absent[name] = sets.absent[level]
    return _Plan(tuple(tasks), absent)


def _leave_out(tasks: tuple[Task, ...], found: _Found, end: str) -> tuple[Task, ...]:
    """Take the task that ended the child off the list, and those that are measured already.

    Raises:
        HostError: it ended outside of any task.
    """
    name = found.current
    if name is None:
        raise HostError(
            f"this machine's limit cannot be measured: the process that measures {end}",
            "`r50 doctor` says what is wrong with this machine or installation",
        )
    found.absent[name] = f"the process that measured it {end}"
    found.rates.pop(name, None)
    measured = {item for item, rates in found.rates.items() if len(rates) == ROUNDS}
    left = tuple(task for task in tasks if task.name != name and task.name not in measured)
    for task in left:
        found.rates.pop(task.name, None)
    return left


def _list_peaks(found: _Found) -> Iterator[Peak]:
    for kernel in PEAK_KERNELS:
        rates = found.rates.get(kernel.kind.value)
        if rates:
            yield Peak(kind=Kind(kernel.kind), operations_per_s=max(rates), rounds=tuple(rates))


def _list_bandwidths(plan: _Plan, found: _Found) -> Iterator[Bandwidth]:
    for task in plan.tasks:
        rates = found.rates.get(task.name)
        if rates and task.access is not None:
            yield Bandwidth(
                level=task.name.partition(" ")[0],
                access=task.access,
                bytes_per_s=max(rates),
                rounds=tuple(rates),
                buffer_bytes=task.buffer_bytes,
            )


def _run(request: Request, found: _Found, on_task: Callable[[str, int], None]) -> str | None:
    """Have a child measure; returns how it ended before it was done, or None."""
    with os.fdopen(os.memfd_create("log"), "w+b") as log, _start(log) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            with child.stdin:
                child.stdin.write(msgspec.json.encode(request))
        except BrokenPipeError:
            pass  # it ended early; its exit code tells
        _read_answers(child.stdout, found, on_task)
        status = child.wait()
        return _describe_end(status, log) if status else None


@contextmanager
def _start(log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is gone when the block ends, however it ends."""
    with ExitStack() as stack:
        with signals_held():  # until it is noted that it must end
            try:
                child = subprocess.Popen(
                    _COMMAND,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise HostError(
                    "the process that measures the limit cannot be started: "
                    f"{describe_refusal(error)}",
                    advise_start(error),
                ) from error
            stack.callback(_end, child)
        yield child


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def _read_answers(
    lines: Iterable[bytes], found: _Found, on_task: Callable[[str, int], None]
) -> None:
    for line in lines:
        try:
            answer = msgspec.json.decode(line, type=Answer)
        except msgspec.DecodeError:
            return  # it was killed in the middle of a line
        found.current = None
        if answer.failure is not None:
            found.absent[answer.name] = answer.failure
            found.rates.pop(answer.name, None)
        elif answer.rate is not None:
            found.rates.setdefault(answer.name, []).append(answer.rate)
        else:
            found.current = answer.name
            on_task(answer.name, sum(map(len, found.rates.values())))


def _describe_end(status: int, log: BinaryIO) -> str:
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _TAIL_BYTES))
    error = find_error(log.read().decode(errors="replace"))
    return f"ended with exit code {status}" + (f": {error}" if error is not None else "")
