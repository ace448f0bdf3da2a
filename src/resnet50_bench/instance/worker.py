"""The child's entry, one instance; its argument is its socket's file descriptor, or `stdio`.

It takes its slot before it imports anything large, loads, fills its feed, warms up, reports ready,
waits for the word, measures, and reports what it saw. It never outlives its parent.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from resnet50_bench.contention.meter import Meter, Spent
from resnet50_bench.errors import OutputError, R50Error, RequestError
from resnet50_bench.host.allocators import read_malloc_library
from resnet50_bench.host.cpu_latency import CpuLatencyLimit
from resnet50_bench.host.memory_policy import read_proportional_bytes
from resnet50_bench.instance.channel import Channel, open_channel, write_mark
from resnet50_bench.instance.feeds import (
    describe_images,
    fill_feed,
    fill_stream_feed,
    fill_warmup_feed,
)
from resnet50_bench.instance.job import (
    MEASURE_BEGIN,
    MEASURE_END,
    TRACE_BEGIN,
    EvaluationRequest,
    EvidenceSeen,
    Failed,
    Finished,
    Job,
    Phases,
    Predicted,
    Ready,
    Started,
    StreamSamples,
    Traced,
    decode_job,
)
from resnet50_bench.instance.measure import Samples, StopRule, measure
from resnet50_bench.instance.slot import read_placement, take_slot
from resnet50_bench.interpreter import IMPORT_ADVICE
from resnet50_bench.signals import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.data.loader import ImageLoader
    from resnet50_bench.engines import Evidence, Loaded, Scores
    from resnet50_bench.instance.evaluate import Timings
    from resnet50_bench.instance.streams import Stream

_MAX_SUM_ERROR = 0.01
_OUT_OF_MEMORY = frozenset({"MemoryError", "ResourceExhaustedError"})


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured, as it goes into `Finished`."""

    spent: Spent
    start_ns: tuple[int, ...] = ()
    end_ns: tuple[int, ...] = ()
    images: tuple[int, ...] = ()
    prepare_ns: tuple[int, ...] = ()
    streams: tuple[StreamSamples, ...] = ()


Finish: TypeAlias = "Callable[[_Measured], Finished]"
"""Reads memory and placement, so it is called while all that was measured with is still held."""


def main() -> None:
    """Do one job and answer for it."""
    end_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    channel = open_channel(sys.argv[1])
    if not answer(channel, lambda: decode_job(channel.receive())):
        sys.exit(1)


def answer(channel: Channel, receive_job: Callable[[], Job]) -> bool:
    """Do one job, and those that follow it, and answer for it, whatever comes.

    Returns:
        Whether all was done.
    """
    try:
        _work(channel, receive_job)
    except Exception as error:  # noqa: BLE001 - everything is the parent's to know
        if not isinstance(error, RequestError):
            traceback.print_exc()
        channel.send(_describe_failure(channel.phase, error))
        return False
    return True


def _work(channel: Channel, receive_job: Callable[[], Job]) -> None:
    job = receive_job()
    policy_error = take_slot(job.slot)
    limit = None
    if job.cpu_latency_limit_us is not None:
        limit = CpuLatencyLimit(job.cpu_latency_limit_us)  # until this process ends
    channel.send(Started(os.getpid(), time.monotonic_ns()))
    if job.trace:
        _trace(channel, job)
        return
    channel.enter("loading")
    begin_ns = time.monotonic_ns()
    loaded = _load(job)
    load_ns = time.monotonic_ns() - begin_ns
    read_evidence = functools.cache(loaded.evidence)  # of all jobs alike, and costs a query

    def finish(measured: _Measured) -> Finished:
        channel.phase = "reporting"
        if job.kernel_log:
            _mark_region(MEASURE_END)
        return _report(measured, read_evidence, policy_error, limit)

    channel.send(_do(channel, job, loaded, load_ns, finish))
    while job.followed:
        job = receive_job()
        channel.send(_do(channel, job, loaded, 0, finish))
    loaded.close()


def _do(channel: Channel, job: Job, loaded: Loaded, load_ns: int, finish: Finish) -> Finished:
    """Do a job with the model that is loaded."""
    if job.evaluation is not None:
        return _evaluate(channel, job, loaded, load_ns, finish)
    if job.serving is not None:
        return _serve(channel, job, loaded, load_ns, finish)
    if job.slot.streams:
        return _measure_streams(channel, job, loaded, load_ns, finish)
    return _measure(channel, job, loaded, load_ns, finish)


def _measure(channel: Channel, job: Job, loaded: Loaded, load_ns: int, finish: Finish) -> Finished:
    channel.enter("filling the feed")
    feed_begin_ns = time.monotonic_ns()
    feed = fill_feed(job)
    warmup_begin_ns = time.monotonic_ns()
    channel.enter("warming up")
    warmup = measure(loaded.run, feed.batch, StopRule(job.warmup_steps, 0))
    _require_scores(warmup.last_answer, job)
    phases = Phases(
        load_ns=load_ns,
        feed_ns=warmup_begin_ns - feed_begin_ns,
        warmup_ns=time.monotonic_ns() - warmup_begin_ns,
    )
    channel.send(Ready(phases=phases, warmup_query_ns=_list_durations([warmup]), feed=feed.report))
    _wait_for_go(channel, job)
    meter = Meter(job.slot.cpus)
    samples = measure(loaded.run, feed.batch, StopRule(job.steps, job.min_time_ns))
    spent = meter.stop()
    _require_scores(samples.last_answer, job)
    return finish(_Measured(spent, tuple(samples.start_ns), tuple(samples.end_ns)))


def _measure_streams(
    channel: Channel, job: Job, loaded: Loaded, load_ns: int, finish: Finish
) -> Finished:
    """Measure several streams that share the loaded model."""
    from resnet50_bench.data.feed import merge_reports
    from resnet50_bench.instance.streams import Stream, measure_streams, warm_up

    channel.enter("filling the feeds and warming up")
    begin_ns = time.monotonic_ns()
    streams = [Stream(cpus, loaded) for cpus in job.slot.streams]
    prepared = warm_up(streams, partial(fill_stream_feed, job), job.warmup_steps)
    for _, warmup in prepared:
        _require_scores(warmup.last_answer, job)
    phases = Phases(load_ns=load_ns, feed_ns=0, warmup_ns=time.monotonic_ns() - begin_ns)
    feeds = [feed for feed, _ in prepared]
    durations = _list_durations([warmup for _, warmup in prepared])
    report = merge_reports([feed.report for feed in feeds])
    channel.send(Ready(phases=phases, warmup_query_ns=durations, feed=report))
    start_ns = _wait_for_go(channel, job)
    meter = Meter(job.slot.cpus)
    rule = StopRule(job.steps, job.min_time_ns)
    measured = measure_streams(streams, feeds, rule, start_ns)
    spent = meter.stop()
    for _, answer in measured:
        _require_scores(answer, job)
    finished = finish(_Measured(spent, streams=tuple(samples for samples, _ in measured)))
    for stream in streams:  # a job that follows opens its own
        stream.close()
    return finished


def _evaluate(channel: Channel, job: Job, loaded: Loaded, load_ns: int, finish: Finish) -> Finished:
    """Classify every image of the request in every pass, reading and decoding them meanwhile."""
    from resnet50_bench.instance.evaluate import Timings
    from resnet50_bench.instance.streams import Stream, warm_up

    assert job.evaluation is not None
    channel.enter("warming up")
    begin_ns = time.monotonic_ns()
    streams = [Stream(cpus, loaded) for cpus in job.slot.streams]
    prepared = warm_up(streams, partial(fill_warmup_feed, job), job.warmup_steps)
    for _, warmup in prepared:
        _require_scores(warmup.last_answer, job)
    phases = Phases(load_ns=load_ns, feed_ns=0, warmup_ns=time.monotonic_ns() - begin_ns)
    durations = _list_durations([warmup for _, warmup in prepared])
    del prepared
    channel.send(
        Ready(phases=phases, warmup_query_ns=durations, feed=describe_images(job, job.evaluation))
    )
    _wait_for_go(channel, job)
    meter = Meter(job.slot.cpus)
    timings = Timings()
    _run_passes(channel, job, streams, timings)
    spent = meter.stop()
    return finish(
        _Measured(
            spent,
            tuple(timings.start_ns),
            tuple(timings.end_ns),
            prepare_ns=tuple(timings.prepare_ns),
        )
    )


def _serve(channel: Channel, job: Job, loaded: Loaded, load_ns: int, finish: Finish) -> Finished:
    """Answer what a load generator puts into the queue, until that has ended."""
    from resnet50_bench.instance.serving.desk import open_desk

    assert job.serving is not None
    channel.enter("warming up")
    begin_ns = time.monotonic_ns()
    desk = open_desk(job, job.serving, loaded)
    warmups = desk.warm_up(job.warmup_steps)
    for warmup in warmups:
        _require_scores(warmup.last_answer, job)
    phases = Phases(load_ns=load_ns, feed_ns=0, warmup_ns=time.monotonic_ns() - begin_ns)
    durations = _list_durations(warmups)
    channel.send(Ready(phases=phases, warmup_query_ns=durations, feed=desk.report))
    _wait_for_go(channel, job)
    meter = Meter(job.slot.cpus)
    served = desk.serve(partial(_send_answers, channel, job.serving.profile or ""))
    spent = meter.stop()
    if job.slot.streams:
        return finish(_Measured(spent, streams=served))
    only = served[0]
    return finish(_Measured(spent, only.start_ns, only.end_ns, images=only.images))


def _run_passes(channel: Channel, job: Job, streams: Sequence[Stream], timings: Timings) -> None:
    from resnet50_bench.instance.evaluate import Batches, evaluate

    assert job.evaluation is not None
    size, positions = job.batch_size, job.evaluation.positions
    batches = [positions[first : first + size] for first in range(0, len(positions), size)]
    for name in job.evaluation.passes:
        evaluate(
            streams,
            _open_loader(job.evaluation, name),
            Batches(batches, size),
            partial(_send_answers, channel, name),
            timings,
        )


def _open_loader(request: EvaluationRequest, name: str) -> ImageLoader:
    from resnet50_bench.data.loader import open_crop_loader, open_loader

    if request.crops is not None:
        places = dict(zip(request.positions, request.places, strict=True))
        return open_crop_loader(Path(request.crops), places, name)
    refs = dict(zip(request.positions, request.refs, strict=True))
    return open_loader(Path(request.path), refs, name)


def _send_answers(
    channel: Channel, name: str, rows: bytes, unreadable: tuple[tuple[int, str], ...]
) -> None:
    channel.send(Predicted(name, rows, unreadable))


def _list_durations(warmups: Sequence[Samples[Scores]]) -> tuple[int, ...]:
    return tuple(
        end - start
        for samples in warmups
        for start, end in zip(samples.start_ns, samples.end_ns, strict=True)
    )


def _wait_for_go(channel: Channel, job: Job) -> int:
    """Return when the moment of the word has come, and that moment."""
    start_ns = channel.wait_for_go()
    if job.kernel_log:
        _mark_region(MEASURE_BEGIN)
    return start_ns


def _mark_region(text: str) -> None:
    """Without its mark a log cannot be profiled; that is no reason to lose what was measured."""
    with contextlib.suppress(OutputError):
        write_mark(text)


def _trace(channel: Channel, job: Job) -> None:
    """Run one batch with the trace on, after one that lets the engine make its kernels."""
    channel.enter("loading")
    loaded = _load(job)
    channel.enter("tracing")
    images = fill_feed(job).batch(0)
    loaded.run(images)
    write_mark(TRACE_BEGIN)
    loaded.run(images)
    for line in loaded.list_kernels():
        write_mark(line)
    channel.send(Traced())
    loaded.close()


def _load(job: Job) -> Loaded:
    # Imports numpy, whose BLAS starts threads at once: only now do they inherit the slot's CPUs.
    from resnet50_bench.engines import LoadRequest, load_engine

    return load_engine(job.engine).load(
        LoadRequest(
            model_path=Path(job.model_path) if job.model_path else None,
            precision=job.precision,
            threads=job.slot.threads,
            batch_size=job.batch_size,
            streams=len(job.slot.streams),
            instance=job.slot.instance,
            instances=job.instances,
            kept=Path(job.kept_folder) if job.kept_folder else None,
            options=job.engine_options,
            trace=job.trace,
        )
    )


def _require_scores(scores: Scores, job: Job) -> None:
    """An answer of the wrong shape, or whose probabilities do not add up, is a failed inference."""
    expected = (job.batch_size, job.classes)
    if scores.shape != expected:
        raise ValueError(f"the engine answered {scores.shape}, not {expected}")
    sums = scores.sum(axis=1)
    if not (abs(sums - 1) < _MAX_SUM_ERROR).all():  # a NaN compares as false
        raise ValueError(f"the scores of an image add up to {sums.min()} .. {sums.max()}, not to 1")


def _report(
    measured: _Measured,
    read_evidence: Callable[[], Evidence],
    policy_error: str | None,
    limit: CpuLatencyLimit | None,
) -> Finished:
    resident_bytes = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    # The kernel keeps the two in counters of their own, which may disagree by a little.
    peak_bytes = max(resident_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    seen = read_placement(policy_error)
    evidence = read_evidence()
    return Finished(
        start_ns=measured.start_ns,
        end_ns=measured.end_ns,
        images=measured.images,
        prepare_ns=measured.prepare_ns,
        streams=measured.streams,
        cpu_ns=measured.spent.cpu_ns,
        involuntary_switches=measured.spent.involuntary_switches,
        contention=measured.spent.contention,
        seen=seen,
        resident_bytes=resident_bytes,
        peak_resident_bytes=peak_bytes,
        proportional_bytes=read_proportional_bytes(),
        malloc_library=read_malloc_library(),
        cpu_latency_limit_us=limit.read_us() if limit is not None else None,
        evidence=EvidenceSeen(
            runtime=evidence.runtime,
            fused_ops=evidence.fused_ops,
            notes=evidence.notes,
            order=evidence.order,
        ),
    )


def _describe_failure(phase: str, error: Exception) -> Failed:
    cause: BaseException = error
    while isinstance(cause, ImportError) and cause.__cause__ is not None:
        cause = cause.__cause__  # numpy's own message is a page on how to ask for help
    kind = type(cause).__name__
    is_strange = isinstance(error, AttributeError) and str(error).startswith("module ")
    advice = IMPORT_ADVICE if is_strange or isinstance(error, ImportError) else None
    return Failed(
        phase=phase,
        kind=kind,
        message=(str(cause).strip().splitlines() or [kind])[0],
        advice=error.advice if isinstance(error, R50Error) else advice,
        out_of_memory=kind in _OUT_OF_MEMORY,
        traceback=traceback.format_exc(),
        wrong_request=isinstance(error, RequestError),
    )
