"""An instance that serves: its streams, warmed up for every size of batch, and its reports."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.feed import FeedReport, make_warmup_feed
from resnet50_bench.instance.evaluate import REPORT_INTERVAL_NS, Report, pack_scores
from resnet50_bench.instance.job import StreamSamples
from resnet50_bench.instance.measure import Samples, StopRule, measure
from resnet50_bench.instance.serving.queue import QueryQueue, SharedMemory
from resnet50_bench.instance.serving.serve import Serving, open_library, serve
from resnet50_bench.instance.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.engines import Images, Loaded, Scores
    from resnet50_bench.instance.job import Job, ServingRequest

_QUERIES_OF_A_SIZE = 2
"""Warm-up of the sizes below the batch size: the first makes the kernels."""


@dataclass(frozen=True, slots=True)
class Desk:
    """See `open_desk`.

    Attributes:
        job: of the instance.
        request: what it serves.
        streams: its threads; () where its main thread is the only one.
        query: of the main thread.
        report: on the images.
    """

    job: Job
    request: ServingRequest
    streams: tuple[Stream, ...]
    query: Callable[[Images], Scores]
    report: FeedReport

    def warm_up(self, steps: int) -> list[Samples[Scores]]:
        """Warm every stream up, all at once; return the queries of the full batch size.

        Args:
            steps: queries of that size.
        """
        if not self.streams:
            return [self._warm_up(0, self.query, steps)]
        pending = [
            stream.submit(self._warm_up, number, stream.query, steps)
            for number, stream in enumerate(self.streams)
        ]
        return [done.result() for done in pending]

    def _warm_up(
        self, number: int, query: Callable[[Images], Scores], steps: int
    ) -> Samples[Scores]:
        feed = make_warmup_feed(self.job.batch_size, number)
        for size in self.request.sizes[:-1]:
            part = feed.batch(0)[:size]
            for _ in range(_QUERIES_OF_A_SIZE):
                query(part)
        return measure(query, feed.batch, StopRule(steps, 0))

    def serve(self, report: Report) -> tuple[StreamSamples, ...]:
        """Answer until the queue has ended; return what each stream did.

        Args:
            report: is given packed answers about once a second, where they are to be kept.

        Raises:
            Exception: whatever a query raised first; the others go on until the queue has ended.
        """
        request = self.request
        reporter = _Reporter(report)
        serving = Serving(
            queue=QueryQueue(SharedMemory.open(request.queue)),
            library=open_library(SharedMemory.open(request.library)),
            sizes=request.sizes,
            max_wait_ns=request.max_wait_ns,
            awake_ns=request.awake_ns,
            class_offset=request.class_offset,
            keep=reporter.keep if request.keep_answers else None,
        )
        if not self.streams:
            served: list[StreamSamples] = [_serve(request.first_stream, self.query, serving)]
        else:
            served = self._serve_streams(serving)
        reporter.report_rest()
        return tuple(served)

    def _serve_streams(self, serving: Serving) -> list[StreamSamples]:
        pending = [
            stream.submit(_serve, self.request.first_stream + number, stream.query, serving)
            for number, stream in enumerate(self.streams)
        ]
        # The first failure is told at once: a load generator waits for the answer.
        done, _ = wait(pending, return_when=FIRST_EXCEPTION)
        for item in done:
            item.result()
        return [item.result() for item in pending]


def open_desk(job: Job, request: ServingRequest, loaded: Loaded) -> Desk:
    """Open the streams of an instance that serves."""
    report = FeedReport(
        kind="dummy" if request.profile is None else "real",
        images=request.samples,
        batches=-(-request.samples // job.batch_size),
        batch_size=job.batch_size,
        source=request.source,
        profile=request.profile,
    )
    streams = tuple(Stream(cpus, loaded) for cpus in job.slot.streams)
    return Desk(job, request, streams, loaded.run, report)


def _serve(stream: int, query: Callable[[Images], Scores], serving: Serving) -> StreamSamples:
    cpu_begin_ns = time.thread_time_ns()
    served = serve(stream, query, serving)
    return StreamSamples(
        start_ns=tuple(served.start_ns),
        end_ns=tuple(served.end_ns),
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        cpu_ns=time.thread_time_ns() - cpu_begin_ns,
        images=tuple(served.images),
    )


class _Reporter:
    """Keeps the answers of all streams, and reports them about once a second."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._rows: list[bytes] = []
        self._reported_ns = time.monotonic_ns()

    def keep(self, indices: Sequence[int], scores: Scores) -> None:
        """Keep the answers to a batch."""
        rows = pack_scores(indices, scores, {})
        with self._lock:
            self._rows.append(rows)
            if time.monotonic_ns() - self._reported_ns >= REPORT_INTERVAL_NS:
                self._send()

    def report_rest(self) -> None:
        """Report what no report has held yet."""
        with self._lock:
            if self._rows:
                self._send()

    def _send(self) -> None:
        self._report(b"".join(self._rows), ())
        self._rows.clear()
        self._reported_ns = time.monotonic_ns()
