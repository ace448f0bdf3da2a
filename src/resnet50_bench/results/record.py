"""The raw record of a run: everything that was asked, planned and seen; nothing computed from it.

One JSON document a run; `files` writes and reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

from resnet50_bench.config import Mode, RunConfig, Workload
from resnet50_bench.contention.samples import Contention
from resnet50_bench.data.feed import FeedReport
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.host.energy import Energy
from resnet50_bench.host.machine import Host
from resnet50_bench.instance.job import EvidenceSeen, Failed, Phases, PlacementSeen, StreamSamples
from resnet50_bench.limits.roofline import Roofline
from resnet50_bench.model import Manifest
from resnet50_bench.placement.slots import Placement, Slot
from resnet50_bench.scenarios.logs import LoadgenLog
from resnet50_bench.scenarios.messages import Settled
from resnet50_bench.scenarios.request import LoadgenRequest

SCHEMA_VERSION = 1

ExitKind = Literal["ok", "signal", "exit code", "out of memory", "deadline", "exception", "stopped"]
Status = Literal["running", "completed", "lost instances", "interrupted"]


@dataclass(frozen=True, slots=True)
class ExitCause:
    """How an instance ended.

    Attributes:
        kind: `ok` is the only good one; `stopped` is "ended by r50 because of another instance".
        detail: one line for people; "" when the kind says it all.
    """

    kind: ExitKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """Queries made one after the other.

    Attributes:
        name: who made them.
        start_ns, end_ns: of each.
        host: where; None for the host of the record.
        images: of each; () where all are of the batch size.
    """

    name: str
    start_ns: tuple[int, ...]
    end_ns: tuple[int, ...]
    host: str | None = None
    images: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """One instance: what it was given, what it saw, what it measured.

    Attributes:
        slot: what it was told to take.
        host: where it ran, as the hostfile names it; None for the host of the record. Each host has
            its own clock.
        pid: on its host; None when it never started.
        started: it ran, pinned.
        reported: its result arrived.
        exit: how it ended.
        phase: the last phase it was in.
        spawn_ns: from its launch until it ran, pinned.
        phases: the parts of its start.
        feed: what its feed held.
        warmup_query_ns: duration of each warm-up query.
        start_ns, end_ns: begin and end of each query, on the host's monotonic clock, by their ends.
        images: of each query, where they are not the batch size in all of them: behind a load
            generator.
        streams: what each of several streams measured; then `start_ns` and `end_ns` are empty.
        prepare_ns: in accuracy mode, how long each query's images were read and decoded before it.
        cpu_ns: its processor time while it measured.
        involuntary_switches: how often the kernel took a CPU from one of its threads meanwhile.
        contention: two samples of its CPUs, by itself: all there is of a host that only MPI
            reaches; None in records of before it was read.
        seen: where it really was.
        resident_bytes, peak_resident_bytes, proportional_bytes: its memory.
        malloc_library: the file its `malloc` lay in, by its own memory map.
        cpu_latency_limit_us: the kernel's limit on waking an idle CPU, read after the last query;
            None when none was asked for.
        evidence: what its engine executed.
        kernels: what ran in one traced batch, taken in its slot after the measurement, by a
            process of the same environment; empty when no trace was taken.
        trace_failure: why a trace that was to be taken is missing.
        failure: what it said when it gave up.
        log_tail: the end of its output, for one that was lost.
    """

    slot: Slot
    host: str | None = None
    pid: int | None = None
    started: bool = False
    reported: bool = False
    exit: ExitCause
    phase: str
    spawn_ns: int | None = None
    phases: Phases | None = None
    feed: FeedReport | None = None
    warmup_query_ns: tuple[int, ...] = ()
    start_ns: tuple[int, ...] = ()
    end_ns: tuple[int, ...] = ()
    images: tuple[int, ...] = ()
    prepare_ns: tuple[int, ...] = ()
    streams: tuple[StreamSamples, ...] = ()
    cpu_ns: int | None = None
    involuntary_switches: int | None = None
    contention: Contention | None = None
    seen: PlacementSeen | None = None
    resident_bytes: int | None = None
    peak_resident_bytes: int | None = None
    proportional_bytes: int | None = None
    malloc_library: str | None = None
    cpu_latency_limit_us: int | None = None
    evidence: EvidenceSeen | None = None
    kernels: tuple[KernelShare, ...] = ()
    trace_failure: str | None = None
    failure: Failed | None = None
    log_tail: str | None = None

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """What made queries one after the other: the instance, or each of its streams."""
        if not self.streams:
            name = f"instance {self.slot.instance}"
            return (Lane(name, self.start_ns, self.end_ns, self.host, self.images),)
        return tuple(
            Lane(
                f"stream {number} of instance {self.slot.instance}",
                item.start_ns,
                item.end_ns,
                self.host,
                item.images,
            )
            for number, item in enumerate(self.streams)
        )

    @property
    def span_ns(self) -> int:
        """From its first query's begin to its last query's end; 0 when it measured nothing."""
        lanes = [lane for lane in self.lanes if lane.end_ns]
        if not lanes:
            return 0
        return max(lane.end_ns[-1] for lane in lanes) - min(lane.start_ns[0] for lane in lanes)

    @property
    def queries(self) -> int:
        """How many queries it made while it measured."""
        return sum(len(lane.end_ns) for lane in self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How the workers were started and watched.

    Attributes:
        environment: the variables r50 set for the workers, CUSTOMER_ENV included.
        command: of a worker, or of the MPI launcher.
        hosts: that ran instances, as the hostfile names them; () for this host.
        parent_cpu_ns, parent_wall_ns: processor time r50 itself used while the instances measured,
            and how long that was; None when they never did.
        oom_kills: processes the kernel killed for want of memory meanwhile, on the whole host.
        cpu_lock: the file in which the CPUs were locked against other runs; None when they were
            not, or in records of before there was one.
        cpu_lock_failure: why they could not be locked.
    """

    environment: dict[str, str]
    command: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    parent_cpu_ns: int | None = None
    parent_wall_ns: int | None = None
    oom_kills: int = 0
    cpu_lock: str | None = None
    cpu_lock_failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherHost:
    """One of several hosts of a run, beside the first, which is the record's own.

    Attributes:
        name: as the hostfile names it.
        host: the machine, as it described itself.
        placement: of its instances, whose numbers go on from those of the host before.
    """

    name: str
    host: Host
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Where real images came from.

    Attributes:
        path: as it was given.
        description: the source in one line.
        images: files that look like images.
        skipped: files passed over while listing: name and reason.
    """

    path: str
    description: str
    images: int
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one instance was to see of the images in this part of a run, and what came back.

    Attributes:
        instance: its number.
        host: where it ran, as the hostfile names it; None for the host of the record.
        asked: how many images it was told to see; those of all instances are disjoint.
        missing: positions of those that it neither answered nor found unreadable.
        repeated: answers to images that had been answered in this part of the run already.
        strange: answers to images that it was not told to see.
    """

    instance: int
    host: str | None = None
    asked: int
    missing: tuple[int, ...] = ()
    repeated: int = 0
    strange: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the model answered, image by image; the accuracy is computed from it.

    Attributes:
        preprocessing: name of the profile.
        labels_origin: where the labels come from, in one line.
        classes: of the model, 1000 or 1001; with 1001 index 0 is the background class.
        dataset_images: how many images the dataset has; more than `images` in a subset.
        images: names of the images that were to be seen, in order.
        labels: what each shows: 0..999, in the order of the model's outputs, which is that of the
            sorted synsets unless `outputs_order` says otherwise.
        labels_order: what the numbers of their origin count by, as `--class-order` says; None where
            it names the classes.
        outputs_order: the order of the model's outputs, as `--class-order` says; None for the
            usual.
        class_offset: the model's output that is the first class; None for the usual one, which
            leaves the background class at index 0.
        rows: the answers, see `predictions`: one packed row per image that was seen.
        unreadable: position in `images` of each image that could not be read, and why.
        resumed_images: images an earlier, interrupted part of this run had answered.
        shares: what each instance was to see of the others; () in records of before it was noted.
        crops: folder of the images preprocessed before; None when they were decoded in this run.
        calibrating: positions in `images` of those that calibrated int8.
        calibrating_counted: whether the accuracy counts them too.
    """

    preprocessing: str
    labels_origin: str
    classes: int
    dataset_images: int
    images: tuple[str, ...]
    labels: tuple[int, ...]
    rows: bytes = b""
    unreadable: tuple[tuple[int, str], ...] = ()
    resumed_images: int = 0
    shares: tuple[Share, ...] = ()
    crops: str | None = None
    calibrating: tuple[int, ...] = ()
    calibrating_counted: bool = True
    labels_order: str | None = "synset"
    outputs_order: str | None = None
    class_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One changed way to prepare or label a sample of the images, tried to explain an accuracy.

    Attributes:
        variant: name of the changed profile, e.g. `mlperf/bgr`; see `data.profiles`.
        positions: of the sample, in `Evaluation.images`.
        rows: the answers, as in `Evaluation`.
    """

    variant: str
    positions: tuple[int, ...]
    rows: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadgenRecord:
    """What LoadGen was asked, and what it said.

    Attributes:
        request: what was asked.
        settled: the settings that held.
        round: whose seeds were used; None where a file had its own.
        cpus: of LoadGen's process.
        own_core: no instance had them.
        ended: LoadGen came to its end, and its logs are whole.
        log: its detail log, as far as there was one.
        failure: why it did not come to its end.
        advice: the next step then.
        wrong_request: it was the request's fault.
        answers: in accuracy mode, the model's most probable output by LoadGen's own log, of each
            image it has.
    """

    request: LoadgenRequest
    settled: Settled
    round: str | None
    cpus: tuple[int, ...]
    own_core: bool
    ended: bool = False
    log: LoadgenLog = field(default_factory=LoadgenLog)
    failure: str | None = None
    advice: str | None = None
    wrong_request: bool = False
    answers: dict[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run. See the fields' own classes for what they hold.

    Attributes:
        run_id: the name of the run's folder when it was made.
        created: UTC, ISO 8601.
        command: the command line.
        host, placement: of the host of the run; of several, of the first.
        others: the further hosts of a hostfile; () also in records of before, whose hosts were all
            like the first.
        emulated: the CPU lacks the precision's instructions, and slower ones stood in.
        duration_ns: from the start of the first worker to the end of the last; None while running.
        memory_estimate_bytes: what one instance was expected to need.
        evaluation: the answers, in accuracy mode.
        trials: made when the accuracy was far below what is expected.
        contention: what the CPUs of this host did while the instances measured; None when nothing
            was measured, when the instances were on hosts named to MPI, or in records of before.
        energy: what the CPUs of this host used meanwhile, or why that is not known; None when
            nothing was measured, or in records of before.
        roofline: what the cores of the run can do at most; None where no speed is claimed, on hosts
            named to MPI, or in records of before it was measured.
        roofline_failure: why it could not be measured.
        loadgen: of a run that MLPerf's LoadGen drove; None of any other.
    """

    schema_version: int = SCHEMA_VERSION
    tool_version: str
    run_id: str
    created: str
    command: tuple[str, ...]
    status: Status
    config: RunConfig
    workload: Workload
    host: Host
    placement: Placement
    model: Manifest | None
    dataset: Dataset | None
    launch: Launch
    others: tuple[OtherHost, ...] = ()
    emulated: bool = False
    instances: tuple[InstanceRecord, ...]
    duration_ns: int | None = None
    memory_estimate_bytes: int
    evaluation: Evaluation | None = None
    trials: tuple[Trial, ...] = ()
    contention: Contention | None = None
    energy: Energy | None = None
    roofline: Roofline | None = None
    roofline_failure: str | None = None
    loadgen: LoadgenRecord | None = None

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Name and version of what its instances say they ran, each once, sorted."""
        seen = {item.evidence.runtime for item in self.instances if item.evidence is not None}
        return tuple(sorted(seen))

    @property
    def runtime(self) -> str:
        """The same as one text; the name of the engine where no instance has said."""
        return ", ".join(self.runtimes) or self.config.engine

    @property
    def measures(self) -> str:
        """What it measures, in a word or two: its mode, or the scenario in which LoadGen did.

        Figures of two that differ in this are figures of different things; an accuracy is the same
        whoever asks.
        """
        if self.loadgen is None or self.config.mode is Mode.ACCURACY:
            return self.config.mode.value
        return f"LoadGen {self.loadgen.request.scenario.value}"

    @property
    def fused_ops(self) -> dict[str, int]:
        """The operations of the graph as an instance executed it; {} when none told."""
        seen = (item.evidence.fused_ops for item in self.instances if item.evidence)
        return next(seen, {})

    @property
    def created_at(self) -> datetime | None:
        """When it was made, in UTC; None where `created` is no time."""
        try:
            created = datetime.fromisoformat(self.created)
            aware = created if created.tzinfo else created.replace(tzinfo=timezone.utc)
            return aware.astimezone(timezone.utc)
        except (ValueError, OverflowError):
            return None

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Of each host, in the order of the hostfile."""
        if self.others:
            return (self.placement, *(item.placement for item in self.others))
        return (self.placement,) * max(1, len(self.launch.hosts))

    @property
    def planned_instances(self) -> int:
        """How many instances there were to be, on all hosts together."""
        return sum(len(placement.slots) for placement in self.placements)

    @property
    def used_cores(self) -> int:
        """How many cores the instances had, on all hosts together."""
        return sum(slot.cores for placement in self.placements for slot in placement.slots)

    def find_host(self, name: str | None) -> Host:
        """Return the machine that an instance was on."""
        return next((item.host for item in self.others if item.name == name), self.host)
