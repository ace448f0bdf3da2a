"""The evaluation of images in a worker: every stream prepares and classifies batches of its own.

A stream is a thread that computes on one core. It reads and decodes the images of its next batch,
then classifies them, then takes the next batch, so that no core waits for another: while one
decodes, others infer. Every batch is full: the place of an image that cannot be read, and the rest
of the last batch, hold zeros whose answers are dropped. So what an image is answered does not
depend on its neighbours or on where a run was interrupted.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from resnet50_bench.data.buffers import empty_images
from resnet50_bench.data.sources import UnreadableImage
from resnet50_bench.instance.predictions import TOP, Prediction, pack_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resnet50_bench.data.loader import ImageLoader
    from resnet50_bench.engines import Images, Scores
    from resnet50_bench.instance.streams import Stream

REPORT_INTERVAL_NS = 1_000_000_000
"""How often answers are reported; what is lost when a worker is killed is not much more."""


Report: TypeAlias = "Callable[[bytes, tuple[tuple[int, str], ...]], None]"
"""Is given packed answers (see `predictions`), and position and reason of unreadable images."""


@dataclass(slots=True)
class Timings:
    """Begin and end of every query, in the order of the ends once `evaluate` has returned, and the
    time before it in which its images were read and decoded.
    """

    prepare_ns: list[int] = field(default_factory=list)
    start_ns: list[int] = field(default_factory=list)
    end_ns: list[int] = field(default_factory=list)

    def sort(self) -> None:
        """Order the queries by their ends: streams note theirs a moment later, in any order."""
        order = sorted(range(len(self.end_ns)), key=self.end_ns.__getitem__)
        for values in (self.prepare_ns, self.start_ns, self.end_ns):
            values[:] = [values[place] for place in order]


@dataclass(frozen=True, slots=True)
class Batches:
    """What there is to do.

    Attributes:
        positions: of the images of each batch; of `size` images, the last of fewer.
        size: images per query.
    """

    positions: Sequence[Sequence[int]]
    size: int


def evaluate(
    streams: Sequence[Stream],
    loader: ImageLoader,
    batches: Batches,
    report: Report,
    timings: Timings,
) -> None:
    """Classify the images of all batches once.

    Args:
        streams: do it, each in its own thread.
        loader: reads images by their position.
        batches: what to do.
        report: is called about once a second, and at the end, by one thread at a time.
        timings: get those of the queries.

    Raises:
        Exception: whatever a query raised first; the other streams stop after their batch.
    """
    run = _Evaluation(loader, batches, report, timings)
    pending = [stream.submit(run.stream, stream.query) for stream in streams]
    wait(pending)  # all, so that nobody still reports when a failure is raised
    for done in pending:
        done.result()
    run.report_rest()
    timings.sort()


class _Evaluation:
    """The batches still to do and the answers still to report, shared by the streams."""

    def __init__(
        self,
        loader: ImageLoader,
        batches: Batches,
        report: Report,
        timings: Timings,
    ) -> None:
        self._loader = loader
        self._size = batches.size
        self._next = iter(batches.positions)
        self._report = report
        self._timings = timings
        self._lock = threading.Lock()
        self._failed = threading.Event()
        self._rows: list[bytes] = []
        self._unreadable: list[tuple[int, str]] = []
        self._reported_ns = time.monotonic_ns()

    def stream(self, query: Callable[[Images], Scores]) -> None:
        """Take batches until there are none; the first failure of any stream ends them all."""
        images = empty_images(self._size)
        try:
            while not self._failed.is_set():
                with self._lock:
                    batch = next(self._next, None)
                if batch is None:
                    return
                self._do(query, batch, images)
        except BaseException:
            self._failed.set()
            raise

    def report_rest(self) -> None:
        """Report what no report has held yet."""
        self._report(b"".join(self._rows), tuple(self._unreadable))
        self._rows.clear()
        self._unreadable.clear()

    def _do(self, query: Callable[[Images], Scores], batch: Sequence[int], images: Images) -> None:
        begin_ns = time.monotonic_ns()
        unreadable = dict(self._prepare(batch, images))
        start_ns = time.monotonic_ns()
        scores = query(images)
        end_ns = time.monotonic_ns()
        rows = pack_scores(batch, scores, unreadable)
        with self._lock:
            self._timings.prepare_ns.append(start_ns - begin_ns)
            self._timings.start_ns.append(start_ns)
            self._timings.end_ns.append(end_ns)
            self._rows.append(rows)
            self._unreadable += unreadable.items()
            if end_ns - self._reported_ns >= REPORT_INTERVAL_NS:
                self.report_rest()
                self._reported_ns = end_ns

    def _prepare(self, batch: Sequence[int], images: Images) -> Iterator[tuple[int, str]]:
        """Fill the batch; yield the positions of images that cannot be read, and why."""
        for place, position in enumerate(batch):
            try:
                self._loader.load_into(position, images[place])
            except UnreadableImage as error:
                images[place] = 0
                yield position, error.reason
        images[len(batch) :] = 0


def pack_scores(batch: Sequence[int], scores: Scores, unreadable: dict[int, str]) -> bytes:
    """Return the packed answers of a batch; ties go to the lower class.

    Args:
        batch: positions of the images, at most as many as there are rows in `scores`.
        scores: float32 `(N, classes)`.
        unreadable: positions to leave out.
    """
    best = np.argsort(-scores[: len(batch)], axis=1, kind="stable")[:, :TOP]
    top = np.take_along_axis(scores[: len(batch)], best, axis=1)
    return b"".join(
        pack_row(Prediction(position, tuple(classes), tuple(values)))
        for position, classes, values in zip(batch, best.tolist(), top.tolist(), strict=True)
        if position not in unreadable
    )
