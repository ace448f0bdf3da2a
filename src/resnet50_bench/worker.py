"""The child's entry, one instance; its argument is the file descriptor of its socket.

It takes its slot before it imports anything large, loads, fills its feed, warms up, reports ready,
waits for the word, measures, and reports what it saw. It never outlives its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resnet50_bench.errors import R50Error, RequestError
from resnet50_bench.job import (
    TRACE_BEGIN,
    Entered,
    EvaluationRequest,
    EvidenceSeen,
    Failed,
    Finished,
    Job,
    Phases,
    PlacementSeen,
    Predicted,
    Ready,
    Started,
    Traced,
    decode_go,
    decode_job,
    encode,
)
from resnet50_bench.measure import Samples, StopRule, measure
from resnet50_bench.memory_policy import (
    read_anonymous_pages_by_node,
    read_memory_policy,
    set_memory_policy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet50_bench.data.feed import Feed, FeedReport
    from resnet50_bench.engines import Images, Loaded, Scores
    from resnet50_bench.evaluate import Timings
    from resnet50_bench.job import Answer
    from resnet50_bench.placement import Slot

_PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
_MAX_SUM_ERROR = 0.01
_OUT_OF_MEMORY = frozenset({"MemoryError", "ResourceExhaustedError"})


class Channel(Protocol):
    """The way to the parent.

    Attributes:
        phase: what the worker is doing.
    """

    phase: str

    def send(self, answer: Answer, /) -> None:
        """Send one answer."""

    def enter(self, phase: str, /) -> None:
        """Say what begins now."""

    def wait_for_go(self) -> None:
        """Return at the moment to start measuring."""


class SocketChannel:
    """The socket to the parent: messages out, lines in."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")
        self.phase = "starting"

    def send(self, answer: Answer) -> None:
        """Send one answer; the parent reads all the time, so this does not wait long."""
        self._socket.sendall(encode(answer))

    def enter(self, phase: str) -> None:
        """Say what begins now."""
        self.phase = phase
        self.send(Entered(phase))

    def receive(self) -> bytes:
        """Wait for the parent's next line; end quietly when the parent is gone."""
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise SystemExit(0)
        return line

    def wait_for_go(self) -> None:
        """Return at the moment that the parent names."""
        go = decode_go(self.receive())
        self.phase = "measuring"
        time.sleep(max(0, go.start_ns - time.monotonic_ns()) / 1e9)


def main() -> None:
    """Do one job and answer for it."""
    end_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    channel = SocketChannel(int(sys.argv[1]))
    if not answer(channel, lambda: decode_job(channel.receive())):
        sys.exit(1)


def answer(channel: Channel, receive_job: Callable[[], Job]) -> bool:
    """Do one job and answer for it, whatever comes; return whether it was done."""
    try:
        _work(channel, receive_job())
    except Exception as error:  # noqa: BLE001 - everything is the parent's to know
        if not isinstance(error, RequestError):
            traceback.print_exc()
        channel.send(_describe_failure(channel.phase, error))
        return False
    return True


def _work(channel: Channel, job: Job) -> None:
    policy_error = _take_slot(job.slot)
    channel.send(Started(os.getpid(), time.monotonic_ns()))
    if job.trace:
        _trace(channel, job)
    elif job.evaluation is not None:
        _evaluate(channel, job, job.evaluation, policy_error)
    else:
        _measure(channel, job, policy_error)


def _measure(channel: Channel, job: Job, policy_error: str | None) -> None:
    channel.enter("loading")
    load_begin_ns = time.monotonic_ns()
    loaded = _load(job)
    feed_begin_ns = time.monotonic_ns()
    channel.enter("filling the feed")
    feed = _fill_feed(job)
    warmup_begin_ns = time.monotonic_ns()
    channel.enter("warming up")
    warmup = measure(loaded.run, feed.batch, StopRule(job.warmup_steps, 0))
    _require_scores(warmup.last_answer, job)
    phases = Phases(
        load_ns=feed_begin_ns - load_begin_ns,
        feed_ns=warmup_begin_ns - feed_begin_ns,
        warmup_ns=time.monotonic_ns() - warmup_begin_ns,
    )
    durations = tuple(b - a for a, b in zip(warmup.start_ns, warmup.end_ns, strict=True))
    channel.send(Ready(phases=phases, warmup_query_ns=durations, feed=feed.report))
    channel.wait_for_go()
    cpu_begin_ns = time.process_time_ns()
    samples = measure(loaded.run, feed.batch, StopRule(job.steps, job.min_time_ns))
    cpu_ns = time.process_time_ns() - cpu_begin_ns
    channel.phase = "reporting"
    _require_scores(samples.last_answer, job)
    channel.send(_report(samples, cpu_ns, loaded, policy_error))
    loaded.close()


def _evaluate(
    channel: Channel, job: Job, request: EvaluationRequest, policy_error: str | None
) -> None:
    """Classify every image of the request in every pass, reading and decoding them meanwhile."""
    channel.enter("loading")
    load_begin_ns = time.monotonic_ns()
    loaded = _load(job)
    warmup_begin_ns = time.monotonic_ns()
    channel.enter("warming up")
    from resnet50_bench.data.dummy import make_dummy_pool

    def query(images: Images) -> Scores:
        scores = loaded.run(images)
        _require_scores(scores, job)
        return scores

    (images,) = make_dummy_pool(job.batch_size, 1, job.slot.instance)
    warmup = measure(query, lambda _: images, StopRule(job.warmup_steps, 0))
    phases = Phases(
        load_ns=warmup_begin_ns - load_begin_ns,
        feed_ns=0,
        warmup_ns=time.monotonic_ns() - warmup_begin_ns,
    )
    durations = tuple(b - a for a, b in zip(warmup.start_ns, warmup.end_ns, strict=True))
    feed = _describe_images(job, request)
    channel.send(Ready(phases=phases, warmup_query_ns=durations, feed=feed))
    channel.wait_for_go()
    cpu_begin_ns = time.process_time_ns()
    timings = _run_passes(channel, job, request, query)
    cpu_ns = time.process_time_ns() - cpu_begin_ns
    channel.phase = "reporting"
    channel.send(_report(timings, cpu_ns, loaded, policy_error))
    loaded.close()


def _run_passes(
    channel: Channel, job: Job, request: EvaluationRequest, query: Callable[[Images], Scores]
) -> Timings:
    from resnet50_bench.data.loader import open_loader
    from resnet50_bench.evaluate import Batches, Timings, evaluate

    size = job.batch_size
    positions = request.positions
    batches = [positions[first : first + size] for first in range(0, len(positions), size)]
    refs = dict(zip(positions, request.refs, strict=True))
    timings = Timings()
    for name in request.passes:
        evaluate(
            query,
            open_loader(Path(request.path), refs, name, request.crops),
            Batches(batches, size, job.streams),
            partial(_send_answers, channel, name),
            timings,
        )
    return timings


def _send_answers(
    channel: Channel, name: str, rows: bytes, unreadable: tuple[tuple[int, str], ...]
) -> None:
    channel.send(Predicted(name, rows, unreadable))


def _describe_images(job: Job, request: EvaluationRequest) -> FeedReport:
    from resnet50_bench.data.feed import FeedReport

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


def _trace(channel: Channel, job: Job) -> None:
    """Run one batch with the trace on, after one that lets the engine make its kernels."""
    channel.enter("loading")
    loaded = _load(job)
    channel.enter("tracing")
    images = _fill_feed(job).batch(0)
    loaded.run(images)
    os.write(sys.stdout.fileno(), f"{TRACE_BEGIN}\n".encode())  # past the buffers, as a trace is
    loaded.run(images)
    channel.send(Traced())
    loaded.close()


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, whatever the parent dies of."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        sys.exit(0)


def _take_slot(slot: Slot) -> str | None:
    """Pin this process and bind its memory; return why the memory could not be bound."""
    for thread in Path("/proc/self/task").iterdir():  # under MPI there are some already
        os.sched_setaffinity(int(thread.name), slot.cpus)
    try:
        set_memory_policy(slot.nodes)
    except OSError as error:
        return f"binding memory to node {slot.nodes} failed: {error.strerror}"
    return None


def _load(job: Job) -> Loaded:
    # Imports numpy, whose BLAS starts threads at once: only now do they inherit the slot's CPUs.
    from resnet50_bench.engines import LoadRequest, load_engine

    return load_engine(job.engine).load(
        LoadRequest(
            model_path=Path(job.model_path) if job.model_path else None,
            precision=job.precision,
            threads=job.slot.threads,
            batch_size=job.batch_size,
            streams=job.streams,
            instance=job.slot.instance,
            options=job.engine_options,
        )
    )


def _fill_feed(job: Job) -> Feed:
    from resnet50_bench.data.feed import make_dummy_feed, make_real_feed

    if job.real is not None:
        return make_real_feed(job.real)
    if job.dummy is None:
        raise ValueError("the job names no images")
    return make_dummy_feed(job.batch_size, job.dummy.seed, job.slot.instance)


def _require_scores(scores: Scores, job: Job) -> None:
    """An answer of the wrong shape, or whose probabilities do not add up, is a failed inference."""
    expected = (job.batch_size, job.classes)
    if scores.shape != expected:
        raise ValueError(f"the engine answered {scores.shape}, not {expected}")
    sums = scores.sum(axis=1)
    if not (abs(sums - 1) < _MAX_SUM_ERROR).all():  # a NaN compares as false
        raise ValueError(f"the scores of an image add up to {sums.min()} .. {sums.max()}, not to 1")


def _report(
    samples: Samples[Scores] | Timings, cpu_ns: int, loaded: Loaded, policy_error: str | None
) -> Finished:
    resident_bytes = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    # The kernel keeps the two in counters of their own, which may disagree by a little.
    peak_bytes = max(resident_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    seen = _read_placement(policy_error)
    evidence = loaded.evidence()
    return Finished(
        start_ns=tuple(samples.start_ns),
        end_ns=tuple(samples.end_ns),
        prepare_ns=() if isinstance(samples, Samples) else tuple(samples.prepare_ns),
        cpu_ns=cpu_ns,
        seen=seen,
        resident_bytes=resident_bytes,
        peak_resident_bytes=peak_bytes,
        evidence=EvidenceSeen(
            runtime=evidence.runtime, fused_ops=evidence.fused_ops, notes=evidence.notes
        ),
    )


def _read_placement(policy_error: str | None) -> PlacementSeen:
    threads = [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
    cpus: set[int] = set()
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            cpus |= os.sched_getaffinity(thread)
    policy = None
    try:
        policy = read_memory_policy()
    except OSError as error:
        policy_error = policy_error or f"reading the memory policy failed: {error.strerror}"
    return PlacementSeen(
        cpus=tuple(sorted(cpus)),
        threads=len(threads),
        memory_policy=policy,
        memory_policy_error=policy_error,
        anonymous_bytes=read_anonymous_pages_by_node(),
    )


def _describe_failure(phase: str, error: Exception) -> Failed:
    kind = type(error).__name__
    return Failed(
        phase=phase,
        kind=kind,
        message=(str(error).strip().splitlines() or [kind])[0],
        advice=error.advice if isinstance(error, R50Error) else None,
        out_of_memory=kind in _OUT_OF_MEMORY,
        traceback=traceback.format_exc(),
        wrong_request=isinstance(error, RequestError),
    )
