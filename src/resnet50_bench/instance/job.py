"""What a worker is told and what it answers: JSON lines on a socket of its own.

A measuring job: the parent sends a `Job`; the worker answers `Started`, then `Entered` for each
phase, then `Ready`; the parent sends `Go` to all; the worker answers `Finished`.

An evaluating job (`Job.evaluation`) goes the same way, and answers `Predicted` about once a second
between the word and `Finished`.

A job that others follow (`Job.followed`) is answered like any other; then the parent sends another
`Job`, of which the amounts alone may differ: it is done with the model that is loaded. The worker
ends when the parent hangs up.

A serving job (`Job.serving`) goes the same way; between the word and `Finished` it answers what a
load generator puts into its queue, until that has ended.

A tracing job (`Job.trace`) runs one batch with the engine's trace on and measures nothing: the
worker answers `Started`, `Entered` and `Traced`.

A `Failed` may come in place of any answer, and is the last.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from resnet50_bench.config import Precision
from resnet50_bench.contention.samples import Contention
from resnet50_bench.data.feed import FeedReport, RealFeedRequest
from resnet50_bench.data.sources import ImageRef
from resnet50_bench.host.memory_policy import MemoryPolicy
from resnet50_bench.placement.slots import Slot


class DummyFeedRequest(msgspec.Struct, frozen=True):
    """Generate the images from a seed."""

    seed: int


class EvaluationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Classify images, each once in each pass.

    Attributes:
        path: the dataset.
        positions: of the images in the evaluation, in whole batches but the last.
        refs: the same images, where they lie in the dataset.
        passes: names of the preprocessing profiles; more than one to try changed ones.
        crops: folder of the images preprocessed before; None when they are to be decoded.
        places: of the images in the crops, in the order of `positions`.
    """

    path: str
    positions: tuple[int, ...]
    refs: tuple[ImageRef, ...]
    passes: tuple[str, ...]
    crops: str | None = None
    places: tuple[int, ...] = ()


class ServingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Answer the samples of a queue, see `serving`.

    Attributes:
        queue: path of its memory.
        library: path of the memory that holds the images.
        samples: how many images that has room for.
        first_stream: the number of the instance's first stream among those of all instances.
        sizes: of the batches to compute, ascending; the last is the most to take.
        max_wait_ns: how long the first sample of a batch may wait for others.
        awake_ns: how long to look for samples before going to sleep.
        class_offset: the model's output that is the first class.
        keep_answers: report the answers to images as `Predicted`, too.
        source: where the images come from, for the report on the feed.
        profile: name of their preprocessing profile; None of generated images.
    """

    queue: str
    library: str
    samples: int
    first_stream: int
    sizes: tuple[int, ...]
    max_wait_ns: int
    awake_ns: int
    class_offset: int
    keep_answers: bool
    source: str
    profile: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker needs to do its part of a run.

    Attributes:
        slot: the CPUs and memory nodes to take.
        engine, engine_options: which runtime, and its settings.
        model_path: the prepared graph; None for engines that need none.
        precision: to compute in.
        batch_size, steps, warmup_steps, min_time_ns: as in `Workload`.
        instances: of the run on this host.
        kept_folder: for what the engine measures on this host, see `LoadRequest.kept`.
        classes: of the model.
        trace: only run one batch, with the engine's trace on.
        followed: wait for another job when this one is done.
        cpu_latency_limit_us: how long an idle CPU may take to wake while it works; None for the
            kernel's own choice.
        kernel_log: the engine writes what it executes to stdout while it measures, so that gets a
            file of its own, and marks.
        dummy, real, evaluation, serving: the images; exactly one is set.
    """

    slot: Slot
    engine: str
    engine_options: dict[str, str]
    model_path: str | None
    precision: Precision
    batch_size: int
    steps: int
    warmup_steps: int
    min_time_ns: int
    instances: int = 1
    kept_folder: str | None = None
    classes: int = 1001
    trace: bool = False
    followed: bool = False
    cpu_latency_limit_us: int | None = None
    kernel_log: bool = False
    dummy: DummyFeedRequest | None = None
    real: RealFeedRequest | None = None
    evaluation: EvaluationRequest | None = None
    serving: ServingRequest | None = None


class Go(msgspec.Struct, frozen=True, tag=True):
    """Start measuring at `start_ns` of the host's monotonic clock."""

    start_ns: int


class PlacementSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker really was, read back from the kernel.

    Attributes:
        cpus: the union of the affinity of all its threads, ascending.
        threads: how many threads it had.
        memory_policy: of its main thread; None when it cannot be read.
        memory_policy_error: why the policy could not be set or read.
        anonymous_bytes: anonymous memory by node; None when the kernel does not tell.
    """

    cpus: tuple[int, ...]
    threads: int
    memory_policy: MemoryPolicy | None
    memory_policy_error: str | None
    anonymous_bytes: dict[int, int] | None


class Started(msgspec.Struct, frozen=True, tag=True):
    """The process runs, pinned; no framework is imported yet."""

    pid: int
    at_ns: int


class Entered(msgspec.Struct, frozen=True, tag=True):
    """A phase begins: `loading`, `filling the feed`, `warming up`."""

    phase: str


class Phases(msgspec.Struct, frozen=True, kw_only=True):
    """How long each part of the start took, in nanoseconds."""

    load_ns: int
    feed_ns: int
    warmup_ns: int


class Ready(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Loaded, fed and warm; waits for `Go`.

    Attributes:
        phases: what the start took.
        warmup_query_ns: the duration of every warm-up query.
        feed: what the feed holds.
    """

    phases: Phases
    warmup_query_ns: tuple[int, ...]
    feed: FeedReport


class EvidenceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says it executed, see `engines.base.Evidence`."""

    runtime: str
    fused_ops: dict[str, int]
    notes: tuple[str, ...]
    order: str | None = None


class StreamSamples(msgspec.Struct, frozen=True, kw_only=True):
    """What one of several streams in a worker measured.

    Attributes:
        start_ns, end_ns: of its queries.
        cpus: the affinity of its thread, read back after the last query.
        cpu_ns: processor time of its own thread while it measured.
        images: of each query, where they are not the batch size in all of them.
    """

    start_ns: tuple[int, ...]
    end_ns: tuple[int, ...]
    cpus: tuple[int, ...]
    cpu_ns: int
    images: tuple[int, ...] = ()


class Finished(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The raw result.

    Attributes:
        start_ns, end_ns: of every query, on the host's monotonic clock, in the order of the ends;
            empty where several streams measured.
        streams: what each of several streams measured, in their order.
        images: of each query, where they are not the batch size in all of them.
        prepare_ns: how long the images of each query were read and decoded just before it; empty
            where they were in memory.
        cpu_ns: processor time of the whole process between the first begin and the last end.
        involuntary_switches: how often the kernel took a CPU from one of its threads meanwhile.
        contention: two samples of its CPUs, taken before the first query and after the last.
        seen: where it was, read after the last query.
        resident_bytes: resident memory after the last query.
        peak_resident_bytes: the most there was.
        proportional_bytes: resident memory, a page that several processes share counted in part
            (the kernel's Pss); None where the kernel does not tell.
        malloc_library: the file its `malloc` lay in; None where its memory map did not say.
        cpu_latency_limit_us: how long an idle CPU of its host might take to wake, by the kernel;
            read after the last query; None when it was told no limit.
        evidence: of the engine.
    """

    start_ns: tuple[int, ...]
    end_ns: tuple[int, ...]
    images: tuple[int, ...] = ()
    prepare_ns: tuple[int, ...] = ()
    streams: tuple[StreamSamples, ...] = ()
    cpu_ns: int
    involuntary_switches: int | None = None
    contention: Contention | None = None
    seen: PlacementSeen
    resident_bytes: int
    peak_resident_bytes: int
    proportional_bytes: int | None = None
    malloc_library: str | None = None
    cpu_latency_limit_us: int | None = None
    evidence: EvidenceSeen


class Predicted(msgspec.Struct, frozen=True, tag=True):
    """Answers to images.

    Attributes:
        pass_name: the preprocessing profile they were made with.
        rows: packed, see `predictions`.
        unreadable: position and reason of images that could not be read.
    """

    pass_name: str
    rows: bytes
    unreadable: tuple[tuple[int, str], ...]


class Failed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The worker gives up.

    Attributes:
        phase: what it was doing.
        kind: the exception's class name.
        message: one line.
        advice: the next step; None when there is none.
        out_of_memory: memory could not be allocated.
        wrong_request: what was asked cannot be done, as opposed to a failure.
        traceback: for the log.
    """

    phase: str
    kind: str
    message: str
    advice: str | None
    out_of_memory: bool
    traceback: str
    wrong_request: bool = False


class Traced(msgspec.Struct, frozen=True, tag=True):
    """The traced batch ran; its trace stands in the log behind `TRACE_BEGIN`."""


TRACE_BEGIN = "r50: the traced batch begins"
"""The line after which a trace in a log counts; what stands before it was warm-up."""

MEASURE_BEGIN = "r50: the measured queries begin"
MEASURE_END = "r50: the measured queries end"
"""The lines between which a kernel log tells of measured queries."""

INSTANCE_LOG = "instance"
TRACE_LOG = "trace"
TRIALS_LOG = "trials"
KERNEL_LOG = "onednn"
"""How the names of the workers' logs begin."""


def name_log(kind: str, instance: int) -> str:
    """Return the name of an instance's log, e.g. `trace_000.log`."""
    return f"{kind}_{instance:03d}.log"


Answer: TypeAlias = Started | Entered | Ready | Predicted | Finished | Traced | Failed

_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(
    Started | Entered | Ready | Predicted | Finished | Traced | Failed
)
_jobs: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)
_gos: msgspec.json.Decoder[Go] = msgspec.json.Decoder(Go)


def encode(message: Job | Go | Answer) -> bytes:
    """Return the message as one JSON line."""
    return msgspec.json.encode(message) + b"\n"


def decode_answer(line: bytes) -> Answer:
    """Read a worker's line.

    Raises:
        msgspec.DecodeError: it is not an answer.
    """
    return _answers.decode(line)


def decode_job(line: bytes) -> Job:
    """Read the parent's first line."""
    return _jobs.decode(line)


def decode_go(line: bytes) -> Go:
    """Read the parent's second line."""
    return _gos.decode(line)
