"""What one stream does: takes a batch, gathers its images, computes, answers, takes the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from resnet50_bench.data.buffers import empty_images
from resnet50_bench.data.profiles import MLPERF
from resnet50_bench.instance.serving.queue import QueryQueue, SharedMemory
from resnet50_bench.instance.serving.sizes import choose_size

if TYPE_CHECKING:
    from resnet50_bench.engines import Images, Scores

KeepAnswers = Callable[[Sequence[int], "Scores"], None]
"""Is given the indices of images in the data set and their scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What all streams of an instance serve with.

    Attributes:
        queue: of the samples.
        library: the images in memory, float32 `(samples, 224, 224, 3)`.
        sizes: of the batches to compute, ascending; the last is the most to take.
        max_wait_ns: how long the first sample of a batch may wait for others.
        awake_ns: how long to look for samples before going to sleep.
        class_offset: the model's output that is the first class.
        keep: is given the scores of every batch; None where only the answers count.
    """

    queue: QueryQueue
    library: Images
    sizes: tuple[int, ...]
    max_wait_ns: int
    awake_ns: int
    class_offset: int
    keep: KeepAnswers | None = None


@dataclass(slots=True)
class Served:
    """Begin and end of each batch, nanoseconds of the monotonic clock, and its images."""

    start_ns: list[int] = field(default_factory=list)
    end_ns: list[int] = field(default_factory=list)
    images: list[int] = field(default_factory=list)


def open_library(memory: SharedMemory) -> Images:
    """Return the images in shared memory as float32 `(samples, 224, 224, 3)`."""
    side = MLPERF.crop_side
    return np.frombuffer(memory.view, np.float32).reshape(-1, side, side, 3)


def serve(stream: int, query: Callable[[Images], Scores], serving: Serving) -> Served:
    """Answer samples until the queue has ended.

    Args:
        stream: its number among all streams of all instances, from 0.
        query: computes one batch.
        serving: what it serves with.

    Raises:
        ValueError: the engine answered with another number of images than it was asked.
    """
    queue, sizes, offset = serving.queue, serving.sizes, serving.class_offset
    asked = sizes[-1], serving.max_wait_ns, serving.awake_ns
    gather = Gatherer(serving.library, sizes)
    served = Served()
    while (batch := queue.take(stream, *asked)) is not None:
        images = gather(batch.places)
        start_ns = time.monotonic_ns()
        scores = query(images)
        end_ns = time.monotonic_ns()
        if len(scores) != len(images):
            raise ValueError(f"the engine answered {scores.shape} to {len(images)} images")
        count = len(batch.places)
        best = scores[:count].argmax(axis=1).tolist()
        queue.answer(stream, batch, [place - offset for place in best])
        served.start_ns.append(start_ns)
        served.end_ns.append(end_ns)
        served.images.append(count)
        if serving.keep is not None:
            serving.keep(batch.indices, scores)
    return served


class Gatherer:
    """Makes one array of the images of a batch; those that lie in a row are read in place."""

    def __init__(self, library: Images, sizes: tuple[int, ...]) -> None:
        self._library = library
        self._sizes = sizes
        self._buffer = empty_images(sizes[-1])
        self._buffer[:] = 0

    def __call__(self, places: Sequence[int]) -> Images:
        """Return float32 `(size, 224, 224, 3)` that begins with the images at these places."""
        first, count = places[0], len(places)
        size = choose_size(self._sizes, count)
        if count == size and (count == 1 or places == list(range(first, first + count))):
            return self._library[first : first + count]
        images = self._buffer[:size]
        # With any other mode numpy copies twice, lest a wrong place leave half a result.
        np.take(self._library, places, axis=0, out=images[:count], mode="clip")
        return images
