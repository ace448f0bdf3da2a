"""The pool of batches a worker cycles through, filled before anything is measured.

The parent plans shards with this module and reads reports, so numpy and OpenCV are imported only
inside the functions a worker calls.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resnet50_bench.data.pool import plan_pool_batches
from resnet50_bench.data.profiles import IMAGE_BYTES, find_profile
from resnet50_bench.data.sources import ImageRef, Skipped, UnreadableImage, reopen
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.data.sources import ImageSource
    from resnet50_bench.engines.base import Images

_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """What a feed holds and how it was made.

    Attributes:
        kind: generated images or decoded ones.
        images: distinct images in the pool.
        batches: batches in the pool.
        batch_size: images per batch.
        source: the source in one line.
        profile: name of the preprocessing profile; None for generated images.
        decode_ns: nanoseconds from the first read to the last image prepared; None for generated
            images.
        skipped: files of the shard that could not be used.
        not_loaded: images of the shard left out because the pool was full.
        notes: what limits the pool, in sentences.
        decoding_in_window: whether images are decoded while the run is measured.

    """

    kind: Literal["dummy", "real"]
    images: int
    batches: int
    batch_size: int
    source: str
    profile: str | None = None
    decode_ns: int | None = None
    skipped: tuple[Skipped, ...] = ()
    not_loaded: int = 0
    notes: tuple[str, ...] = ()
    decoding_in_window: bool = False


@dataclass(frozen=True, slots=True)
class Feed:
    """Batches in memory, handed out in turn without copying.

    Attributes:
        batches: contiguous float32 NHWC arrays `(batch_size, 224, 224, 3)`, at least one.
        report: what they are.

    """

    batches: tuple[Images, ...]
    report: FeedReport

    def batch(self, index: int) -> Images:
        """Return the batch of query `index` (from 0), beginning again after the last one."""
        return self.batches[index % len(self.batches)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealFeedRequest:
    """What a worker needs to fill its feed from images; plain types, so it can travel as JSON.

    Attributes:
        path: the folder or tar.
        refs: this instance's images.
        batch_size: images per batch.
        profile: name of the preprocessing profile.
        threads: how many threads decode.
        max_pool_bytes: bound of the pool's memory; one batch is loaded in any case.

    """

    path: str
    refs: tuple[ImageRef, ...]
    batch_size: int
    profile: str
    threads: int
    max_pool_bytes: int


def plan_shards(refs: Sequence[ImageRef], instances: int) -> list[tuple[ImageRef, ...]]:
    """Divide the images: instance k of n takes every n-th image from the k-th on.

    With fewer images than instances no division is possible and every instance takes all of them.
    """
    if len(refs) < instances:
        return [tuple(refs)] * instances
    return [tuple(refs[k::instances]) for k in range(instances)]


def make_dummy_feed(batch_size: int, seed: int, instance: int, stream: int = 0) -> Feed:
    """Generate a feed; each instance, and each of its streams, gets other images from the seed."""
    from resnet50_bench.data.dummy import make_dummy_pool

    batches = plan_pool_batches(batch_size)
    report = FeedReport(
        kind="dummy",
        images=batches * batch_size,
        batches=batches,
        batch_size=batch_size,
        source=f"generated images, seed {seed}, instance {instance}",
    )
    entropy = (seed, instance, stream) if stream else (seed, instance)
    return Feed(tuple(make_dummy_pool(batch_size, batches, entropy)), report)


def make_warmup_feed(batch_size: int, seed: int) -> Feed:
    """Generate one batch, for queries that nobody measures."""
    from resnet50_bench.data.dummy import make_dummy_pool

    report = FeedReport(
        kind="dummy", images=batch_size, batches=1, batch_size=batch_size, source="generated images"
    )
    return Feed(tuple(make_dummy_pool(batch_size, 1, seed)), report)


def merge_reports(reports: Sequence[FeedReport]) -> FeedReport:
    """Return the report of the feeds of several streams as one."""
    decoded = [report.decode_ns for report in reports if report.decode_ns is not None]
    return replace(
        reports[0],
        images=sum(report.images for report in reports),
        batches=sum(report.batches for report in reports),
        decode_ns=max(decoded) if decoded else None,
        skipped=tuple(item for report in reports for item in report.skipped),
        not_loaded=sum(report.not_loaded for report in reports),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
    )


def make_real_feed(request: RealFeedRequest) -> Feed:
    """Decode a shard into memory, as much of it as the pool may hold.

    The last batch is filled by beginning again with the first images, so every batch is full.

    Raises:
        DatasetError: no image of the shard can be used.

    """
    source = reopen(Path(request.path), request.refs)
    started_ns = time.monotonic_ns()
    images, count, skipped = _load_pool(source, request)
    decode_ns = time.monotonic_ns() - started_ns
    if count == 0:
        raise _no_usable_image(source, skipped)
    size = request.batch_size
    batches = -(-count // size)
    for position in range(count, batches * size):
        images[position] = images[position % count]
    not_loaded = len(request.refs) - count - len(skipped)
    report = FeedReport(
        kind="real",
        images=count,
        batches=batches,
        batch_size=size,
        source=source.describe(),
        profile=request.profile,
        decode_ns=decode_ns,
        skipped=tuple(skipped),
        not_loaded=not_loaded,
        notes=tuple(_limits(request, count, not_loaded)),
    )
    return Feed(tuple(images[k * size : (k + 1) * size] for k in range(batches)), report)


def plan_pool_images(batch_size: int, max_pool_bytes: int) -> int:
    """Return how many images fit a pool: whole batches, at least one."""
    return max(1, max_pool_bytes // (batch_size * IMAGE_BYTES)) * batch_size


def _load_pool(source: ImageSource, request: RealFeedRequest) -> tuple[Images, int, list[Skipped]]:
    """Return an array of whole batches, how many images it holds, and what was skipped."""
    from resnet50_bench.data.buffers import empty_images
    from resnet50_bench.data.preprocess import preprocess_all

    profile = find_profile(request.profile)
    size = request.batch_size
    capacity = min(
        plan_pool_images(size, request.max_pool_bytes), -(-len(request.refs) // size) * size
    )
    images = empty_images(capacity)
    count = 0
    skipped: list[Skipped] = []
    with closing(preprocess_all(source, request.refs, profile, request.threads)) as loaded:
        for ref, image in loaded:
            if isinstance(image, UnreadableImage):
                skipped.append(Skipped(ref.name, image.reason))
                continue
            images[count] = image
            count += 1
            if count == capacity:
                break
    return images, count, skipped


def _no_usable_image(source: ImageSource, skipped: list[Skipped]) -> DatasetError:
    shown = "; ".join(f"{item.name}: {item.reason}" for item in skipped[:_REASONS_SHOWN])
    return DatasetError(
        f"--dataset: none of {len(skipped)} images of the {source.describe()} can be used: {shown}",
        "give --dataset a folder or an uncompressed .tar whose JPEG or PNG images are whole",
    )


def _limits(request: RealFeedRequest, count: int, not_loaded: int) -> list[str]:
    notes = []
    if not_loaded:
        notes.append(
            f"{not_loaded} images not loaded: pool limited to {count} images by its bound of "
            f"{request.max_pool_bytes // 1024**2} MiB (--limit {count} asks for no more)"
        )
    if count < request.batch_size:
        notes.append(
            f"batches of {request.batch_size} are filled by repeating {count} distinct images"
        )
    return notes
