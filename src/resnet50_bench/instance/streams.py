"""Several streams in one worker: threads with cores of their own that share one model."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from resnet50_bench.instance.job import StreamSamples
from resnet50_bench.instance.measure import Samples, StopRule, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from resnet50_bench.data.feed import Feed
    from resnet50_bench.engines import Images, Loaded, Scores

_T = TypeVar("_T")


class Stream:
    """One thread, pinned, and the query it makes there.

    Args:
        cpus: the hardware threads it may use, one for each thread it computes with.
        loaded: the model all streams share.
    """

    def __init__(self, cpus: Sequence[int], loaded: Loaded) -> None:
        self.cpus = tuple(cpus)
        # The pool's only thread is the stream: what it starts has its affinity.
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="stream", initializer=_pin, initargs=(self.cpus,)
        )
        self.query: Callable[[Images], Scores] = self.submit(
            loaded.open_stream, len(self.cpus)
        ).result()

    def submit(self, work: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Do something in the stream's thread."""
        return self._thread.submit(work, *arguments)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()


def warm_up(
    streams: Sequence[Stream], fill: Callable[[int], Feed], steps: int
) -> list[tuple[Feed, Samples[Scores]]]:
    """Fill each stream's feed and warm it up, all at the same time.

    Args:
        streams: to warm up.
        fill: number of the stream -> its feed.
        steps: queries of each.
    """

    def prepare(number: int) -> tuple[Feed, Samples[Scores]]:
        feed = fill(number)
        return feed, measure(streams[number].query, feed.batch, StopRule(steps, 0))

    return _all([stream.submit(prepare, number) for number, stream in enumerate(streams)])


def measure_streams(
    streams: Sequence[Stream], feeds: Sequence[Feed], rule: StopRule, start_ns: int
) -> list[tuple[StreamSamples, Scores]]:
    """Measure all streams from one moment on; return what each measured, and its last answer."""

    def run(number: int) -> tuple[StreamSamples, Scores]:
        time.sleep(max(0, start_ns - time.monotonic_ns()) / 1e9)
        cpu_begin_ns = time.thread_time_ns()
        samples = measure(streams[number].query, feeds[number].batch, rule)
        cpu_ns = time.thread_time_ns() - cpu_begin_ns
        seen = StreamSamples(
            start_ns=tuple(samples.start_ns),
            end_ns=tuple(samples.end_ns),
            cpus=tuple(sorted(os.sched_getaffinity(0))),
            cpu_ns=cpu_ns,
        )
        return seen, samples.last_answer

    return _all([stream.submit(run, number) for number, stream in enumerate(streams)])


def _pin(cpus: tuple[int, ...]) -> None:
    os.sched_setaffinity(0, cpus)


def _all(futures: Sequence[Future[_T]]) -> list[_T]:
    return [future.result() for future in futures]
