"""A job -> the feed of its instance, or of one of its streams; runs in a worker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.data.feed import (
    Feed,
    FeedReport,
    make_dummy_feed,
    make_real_feed,
    make_warmup_feed,
    plan_shards,
)

if TYPE_CHECKING:
    from resnet50_bench.instance.job import EvaluationRequest, Job


def describe_images(job: Job, request: EvaluationRequest) -> FeedReport:
    """Return the report on images that are read and decoded while the worker measures."""
    count = len(request.positions)
    return FeedReport(
        kind="real",
        images=count,
        batches=-(-count // job.batch_size),
        batch_size=job.batch_size,
        source=request.path,
        profile=request.passes[0],
        decoding_in_window=True,
    )


def fill_feed(job: Job) -> Feed:
    """Fill the feed of an instance.

    Raises:
        DatasetError: no image can be used.
    """
    if job.real is not None:
        return make_real_feed(job.real)
    if job.dummy is None:
        raise ValueError("the job names no images")
    return make_dummy_feed(job.batch_size, job.dummy.seed, job.slot.instance)


def fill_stream_feed(job: Job, number: int) -> Feed:
    """Fill the feed of one of several streams: generated images of its own, or its share."""
    if job.real is not None:
        shards = plan_shards(job.real.refs, len(job.slot.streams))
        size = job.real.max_pool_bytes // len(job.slot.streams)
        return make_real_feed(
            replace(job.real, refs=shards[number], threads=1, max_pool_bytes=size)
        )
    assert job.dummy is not None
    return make_dummy_feed(job.batch_size, job.dummy.seed, job.slot.instance, number)


def fill_warmup_feed(job: Job, number: int) -> Feed:
    """Fill the feed of a stream's warm-up where the images come later."""
    return make_warmup_feed(job.batch_size, number)
