"""The common rhythm of all workers: everyone ready, one word to all, everyone finished."""

from __future__ import annotations

import selectors
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.instance.job import Go

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from resnet50_bench.launch.worker import Worker

_TICK_NS = 1_000_000_000
_GO_LEAD_NS = 50_000_000
"""Time between sending the word and its moment, so that the last worker has read it by then."""

_GO_LEAD_PER_WORKER_NS = 500_000


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long workers may take before they count as hung.

    Attributes:
        ready_ns: from now until all are ready.
        measured_ns: given the workers' warm-up, from the word, or from the last answer to an image,
            until a worker has finished.
        tick_ns: given the workers' warm-up, how often there is something to be done while they
            measure.
    """

    ready_ns: int
    measured_ns: Callable[[Sequence[Worker]], int]
    tick_ns: Callable[[Sequence[Worker]], int] = lambda _: _TICK_NS


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """How long to wait, and what to do meanwhile.

    Attributes:
        limit_ns: until a silent worker is late.
        tick_ns: between two calls of `on_wait`.
        on_wait: called with the seconds since the wait began.
    """

    limit_ns: int
    tick_ns: int
    on_wait: Callable[[Sequence[Worker], float], None]


@dataclass(frozen=True, slots=True)
class WatchCost:
    """What the parent itself used between the word and the last result.

    Attributes:
        cpu_ns: processor time.
        wall_ns: time passed.
    """

    cpu_ns: int
    wall_ns: int


def run_workers(
    workers: Sequence[Worker],
    deadlines: Deadlines,
    on_wait: Callable[[Sequence[Worker], float], None],
    on_go: Callable[[Sequence[Worker]], None],
) -> WatchCost | None:
    """Bring all workers to ready, send the word, and wait until each has finished or is lost.

    A worker lost before the word ends the run at once: what the others would measure then is not
    what was asked. A worker lost after it does not disturb the rest.

    Args:
        workers: just started.
        deadlines: those still silent then are killed and marked overdue.
        on_wait: called about once a second, while they measure once a tick, with the seconds since
            the phase began.
        on_go: called when all are ready, just before the word is sent.

    Returns:
        None if a worker was lost before the word was sent.
    """
    until_ready = _Rhythm(deadlines.ready_ns, _TICK_NS, on_wait)
    _wait(workers, lambda worker: worker.ready is not None, until_ready)
    if any(worker.ready is None for worker in workers):
        return None
    on_go(workers)
    rhythm = _Rhythm(deadlines.measured_ns(workers), deadlines.tick_ns(workers), on_wait)
    begin_cpu_ns, begin_ns = time.process_time_ns(), time.monotonic_ns()
    start_ns = begin_ns + _GO_LEAD_NS + _GO_LEAD_PER_WORKER_NS * len(workers)
    for worker in workers:
        worker.phase = "measuring"
        worker.heard_ns = start_ns
        worker.send(Go(start_ns))
    _wait(workers, lambda worker: worker.finished is not None, rhythm, stop_at_loss=False)
    return WatchCost(time.process_time_ns() - begin_cpu_ns, time.monotonic_ns() - begin_ns)


def wait_for_traces(
    workers: Sequence[Worker],
    limit_ns: int,
    on_wait: Callable[[Sequence[Worker], float], None],
) -> None:
    """Wait until each worker of a tracing job has done it or is lost."""
    rhythm = _Rhythm(limit_ns, _TICK_NS, on_wait)
    _wait(workers, lambda worker: worker.traced, rhythm, stop_at_loss=False)


def _wait(
    workers: Sequence[Worker],
    is_done: Callable[[Worker], bool],
    rhythm: _Rhythm,
    *,
    stop_at_loss: bool = True,
) -> None:
    """Sleep until every worker is done or lost, or, with `stop_at_loss`, until one is lost."""
    begin_ns = ticked_ns = time.monotonic_ns()
    with selectors.DefaultSelector() as selector:
        _listen(selector, workers, is_done)
        while selector.get_map():
            now_ns = time.monotonic_ns()
            if now_ns - ticked_ns >= rhythm.tick_ns:
                ticked_ns = now_ns
                rhythm.on_wait(workers, (now_ns - begin_ns) / 1e9)
            waited_for = [item for item in workers if not is_done(item) and not item.lost]
            oldest_ns = now_ns - rhythm.limit_ns
            late = _find_late(waited_for, begin_ns if stop_at_loss else None, oldest_ns)
            _end_overdue(late, is_done)
            for key, _ in selector.select(rhythm.tick_ns / 1e9):
                _receive(selector, key, is_done)
            if stop_at_loss and any(worker.lost for worker in workers):
                return


def _listen(
    selector: selectors.BaseSelector, workers: Sequence[Worker], is_done: Callable[[Worker], bool]
) -> None:
    """Register every connection with the workers that share it, unless all of them are done."""
    sharing: dict[int, list[Worker]] = defaultdict(list)
    for worker in workers:
        if not is_done(worker) and not worker.lost:
            sharing[worker.connection.fileno()].append(worker)
    for fd, group in sharing.items():
        selector.register(fd, selectors.EVENT_READ, group)


def _receive(
    selector: selectors.BaseSelector, key: selectors.SelectorKey, is_done: Callable[[Worker], bool]
) -> None:
    """Take in what arrived; stop listening to a connection once there is nothing to wait for."""
    key.data[0].receive()
    if all(is_done(worker) or worker.lost for worker in key.data):
        selector.unregister(key.fileobj)


def _find_late(workers: Iterable[Worker], since_ns: int | None, oldest_ns: int) -> list[Worker]:
    """The workers whose time, since `since_ns` or else since their last word, is up."""
    return [
        worker
        for worker in workers
        if not worker.overdue and (since_ns or worker.heard_ns) <= oldest_ns
    ]


def _end_overdue(late: Sequence[Worker], is_done: Callable[[Worker], bool]) -> None:
    """End these workers; one whose answer arrives meanwhile is not overdue."""
    for worker in late:
        worker.give_up()
    for worker in late:
        worker.overdue = not is_done(worker) and worker.failed is None
