"""Builds records of runs that never happened; without arguments, of a valid run without warnings.

The default run: one socket of 4 cores, two instances of 2 cores, batches of 32, 40 queries of half a
second each, all beginning at second 100. So the window is 20 s, 80 queries and 2560 images lie in it,
and the throughput is 128 images/s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.hosts.synthetic import GIB, Machine

from resnet50_bench.config import DataType, Mode, Precision, RunConfig, Workload, plan_workload
from resnet50_bench.data.feed import FeedReport
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.host.memory_policy import MemoryPolicy
from resnet50_bench.instance.job import EvidenceSeen, Failed, Phases, PlacementSeen
from resnet50_bench.instance.predictions import Prediction, pack_row
from resnet50_bench.limits.kernels import Kind
from resnet50_bench.limits.roofline import Bandwidth, Peak, Roofline
from resnet50_bench.model.graph.structure import Structure
from resnet50_bench.model.manifest import (
    GENERATED,
    USER_FILE,
    Agreement,
    FileIdentity,
    Manifest,
    PreparedGraph,
)
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.placement.slots import Slot
from resnet50_bench.results.record import (
    Dataset,
    Evaluation,
    ExitCause,
    InstanceRecord,
    Launch,
    Record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resnet50_bench.host.machine import Host
    from resnet50_bench.results.record import ExitKind

MS = 1_000_000
SECOND = 1_000_000_000
BEGIN_NS = 100 * SECOND

FOUR_CORES = Machine(nodes=(4,))
TWO_NODES = Machine(packages=2, nodes=(2,))

Query = tuple[int, int]

Answer = tuple[int, float]
"""The most probable class, as a label 0..999, and its score; -1 is background."""


def make_queries(begin_ns: int, count: int, duration_ns: int, gap_ns: int = 0) -> list[Query]:
    """Queries one after the other: (begin, end) of each."""
    step = duration_ns + gap_ns
    return [(begin_ns + i * step, begin_ns + i * step + duration_ns) for i in range(count)]


def make_slot(instance: int = 0, cpus: Sequence[int] = (), nodes: Sequence[int] = (0,)) -> Slot:
    """Two cores for each instance, in their order, unless CPUs are given."""
    cpus = tuple(cpus) or (2 * instance, 2 * instance + 1)
    return Slot(
        instance=instance,
        cpus=cpus,
        cores=len(cpus),
        threads=len(cpus),
        sockets=(0,),
        nodes=tuple(nodes),
    )


def make_seen(slot: Slot, **changes: Any) -> PlacementSeen:
    """Where a worker was that is where its slot told it to be."""
    fields = {
        "cpus": slot.cpus,
        "threads": slot.threads + 5,
        "memory_policy": MemoryPolicy("bind", slot.nodes),
        "memory_policy_error": None,
        "anonymous_bytes": {slot.nodes[0]: GIB},
    }
    return PlacementSeen(**(fields | changes))


def make_instance(
    slot: Slot | int = 0, queries: Iterable[Query] | None = None, **changes: Any
) -> InstanceRecord:
    """An instance that reported; no trace was taken of it.

    Args:
        slot: what it was given; a number stands for `make_slot` of it.
        queries: (begin, end) of each, in nanoseconds.
        changes: fields of `InstanceRecord`.
    """
    slot = make_slot(slot) if isinstance(slot, int) else slot
    pairs = list(make_queries(BEGIN_NS, 40, 500 * MS) if queries is None else queries)
    spent_ns = pairs[-1][1] - pairs[0][0] if pairs else 0
    fields = {
        "slot": slot,
        "pid": 1000 + slot.instance,
        "started": True,
        "reported": True,
        "exit": ExitCause("ok"),
        "phase": "measuring",
        "spawn_ns": 100 * MS,
        "phases": Phases(load_ns=4 * SECOND, feed_ns=200 * MS, warmup_ns=3 * SECOND),
        "feed": FeedReport(
            kind="dummy", images=128, batches=4, batch_size=32, source="generated images, seed 0"
        ),
        "warmup_query_ns": (800 * MS, 550 * MS, 550 * MS, 550 * MS, 550 * MS),
        "start_ns": tuple(begin for begin, _ in pairs),
        "end_ns": tuple(end for _, end in pairs),
        "cpu_ns": spent_ns * slot.threads * 95 // 100,
        "seen": make_seen(slot),
        "resident_bytes": 2 * GIB,
        "peak_resident_bytes": 2 * GIB,
        "evidence": EvidenceSeen(
            runtime="tensorflow 2.21.0", fused_ops={"Conv2D[BiasAdd,Relu]": 33}, notes=()
        ),
        "kernels": (KernelShare("convolution", "f32", "avx2", 1.0, 53),),
    }
    return InstanceRecord(**(fields | changes))


def make_lost(
    slot: Slot | int = 0,
    kind: ExitKind = "signal",
    detail: str = "SIGSEGV (Segmentation fault)",
    **changes: Any,
) -> InstanceRecord:
    """An instance that ran and was lost without a result."""
    slot = make_slot(slot) if isinstance(slot, int) else slot
    fields = {
        "slot": slot,
        "pid": 1000 + slot.instance,
        "started": True,
        "exit": ExitCause(kind, detail),
        "phase": "measuring",
        "log_tail": "the end of its log\n",
    }
    return InstanceRecord(**(fields | changes))


def make_failure(**changes: Any) -> Failed:
    """What a worker says when it gives up: an error of the engine, without advice."""
    fields = {
        "phase": "loading",
        "kind": "ValueError",
        "message": "the graph is odd",
        "advice": None,
        "out_of_memory": False,
        "traceback": "Traceback",
    }
    return Failed(**(fields | changes))


STRUCTURE = Structure(
    convolutions=53,
    batch_norms=0,
    pads=4,
    parameters=25_532_521,
    stride_in="3x3",
    input_name="input_tensor",
    input_dtype="float32",
    input_shape=(-1, 224, 224, 3),
    output_name="softmax_tensor",
    classes=1001,
    data_format="NHWC",
    ops={"Conv2D": 53, "MatMul": 1},
)
"""Of a folded graph."""


def make_manifest(kind: str = USER_FILE, notes: tuple[str, ...] = (), **changes: Any) -> Manifest:
    """A trained model prepared for fp32, or a generated one."""
    generated = kind == GENERATED
    fields = {
        "kind": kind,
        "seed": 0 if generated else None,
        "generator_version": 1 if generated else None,
        "source": FileIdentity("resnet50_v1.pb", "5" * 64, 102_517_284),
        "prepared": FileIdentity("model.pb", "a" * 64, 102_173_488),
        "precision": Precision.AVX_FP32,
        "preparation_version": 1,
        "graph": PreparedGraph(
            steps=("folded 53 batch norms into their convolutions",),
            structure=STRUCTURE,
            fused_ops={"Conv2D[BiasAdd,Relu]": 33},
            agreement=Agreement(8, 6e-06, 4e-06, 8),
            notes=notes,
            tools={"tensorflow": "2.21.0"},
        ),
        "created": "2026-01-02T03:04:00+00:00",
    }
    return Manifest(**(fields | changes))


def make_roofline(**changes: Any) -> Roofline:
    """Four cores that do 1600 G operations a second in fp32, and twice that in bf16.

    These are 195.6 images/s of the whole model in fp32.
    """
    peaks = {Kind.AVX2_FP32: 1.6e12, Kind.AVX512_FP32: 1.6e12, Kind.AVX512_BF16: 3.2e12}
    fields = {
        "cpus": (0, 1, 2, 3),
        "measured": "2026-01-02T03:03:05+00:00",
        "peaks": tuple(
            Peak(kind=kind, operations_per_s=rate, rounds=(0.98 * rate, rate, 0.99 * rate))
            for kind, rate in peaks.items()
        ),
        "bandwidths": (
            Bandwidth(
                level="DRAM",
                access="read",
                bytes_per_s=4e10,
                rounds=(4e10, 3.9e10, 3.8e10),
                buffer_bytes=1 << 26,
            ),
        ),
        "absent": {"amx_int8": "this CPU has no amx_int8, amx_tile"},
    }
    return Roofline(**(fields | changes))


def make_record(
    config: RunConfig | None = None,
    host: Host | None = None,
    instances: Sequence[InstanceRecord] | None = None,
    **changes: Any,
) -> Record:
    """A completed run.

    Args:
        config: what was asked; workload and placement follow from it.
        host: the machine.
        instances: None for one that did what was asked for each slot.
        changes: fields of `Record`.
    """
    config = RunConfig(cores_per_instance=2, instances=2) if config is None else config
    host = FOUR_CORES.host() if host is None else host
    workload = changes.get("workload", plan_workload(config))
    request = PlacementRequest(
        config.mode,
        config.cores_per_instance,
        config.instances,
        use_smt=config.smt,
        span_sockets=config.span_sockets,
    )
    placement = plan_placement(host, request)
    if instances is None:
        queries = _plan_queries(config, workload)
        instances = [make_instance(slot, queries) for slot in placement.slots]
    fields = {
        "tool_version": "0.1.0",
        "run_id": "20260102T030405Z-throughput-avx_fp32",
        "created": "2026-01-02T03:04:05+00:00",
        "command": ("r50", "run"),
        "status": "completed",
        "config": config,
        "workload": workload,
        "host": host,
        "placement": placement,
        "model": None if config.engine == "null" else make_manifest(precision=config.precision),
        "dataset": None,
        "launch": Launch(
            environment={"OMP_NUM_THREADS": "2"},
            command=("python", "-m", "resnet50_bench.instance.worker"),
            parent_cpu_ns=5 * MS,
            parent_wall_ns=20 * SECOND,
        ),
        "instances": tuple(instances),
        "duration_ns": 28 * SECOND,
        "memory_estimate_bytes": 2 * GIB,
    }
    return Record(**(fields | changes))


def _plan_queries(config: RunConfig, workload: Workload) -> list[Query]:
    """As many queries as the workload asks for: half a second each, in latency mode 50 ms."""
    duration_ns = 50 * MS if config.mode is Mode.LATENCY else 500 * MS
    count = max(workload.steps, -(-workload.min_time_ns // duration_ns))
    return make_queries(BEGIN_NS, count, duration_ns)


def name_image(number: int) -> str:
    return f"ILSVRC2012_val_{number + 1:08d}.JPEG"


def pack_answers(answers: Mapping[int, Answer | Sequence[int]], classes: int = 1001) -> bytes:
    """Rows by position. An answer is a class and its score, or all five classes as a list."""
    offset = classes - 1000
    rows = []
    for position, answer in answers.items():
        if isinstance(answer, tuple):
            first, score = answer
            five = [first, *[(first + step) % 1000 for step in (7, 14, 21, 28)]]
        else:
            five, score = list(answer), 0.5
        scores = (score, *[(1 - score) / 8] * 4)
        rows.append(pack_row(Prediction(position, tuple(item + offset for item in five), scores)))
    return b"".join(rows)


def make_evaluation(
    labels: Sequence[int],
    answers: Mapping[int, Answer | Sequence[int]],
    **changes: Any,
) -> Evaluation:
    """Answers by position, see `pack_answers`; images without one were not seen."""
    fields = {
        "preprocessing": "mlperf",
        "labels_origin": "val_map.txt: 1000 classes",
        "classes": 1001,
        "dataset_images": len(labels),
        "images": tuple(name_image(number) for number in range(len(labels))),
        "labels": tuple(labels),
    } | changes
    return Evaluation(**({"rows": pack_answers(answers, fields["classes"])} | fields))


def make_evaluation_of_zeros(answers: Sequence[int | None], **changes: Any) -> Evaluation:
    """Answers to images that all show class 0: the class each was answered, None if unreadable."""
    read = {place: (item, 0.9) for place, item in enumerate(answers) if item is not None}
    unreadable = tuple((place, "is empty") for place in range(len(answers)) if place not in read)
    fields = {"unreadable": unreadable} | changes
    return make_evaluation((0,) * len(answers), read, **fields)


def make_accuracy_config(**changes: Any) -> RunConfig:
    """What a run in accuracy mode is asked for, of two instances."""
    fields = {
        "mode": Mode.ACCURACY,
        "data_type": DataType.REAL,
        "dataset": "val.tar",
        "model": "resnet50_v1.pb",
        "cores_per_instance": 2,
        "instances": 2,
    }
    return RunConfig(**(fields | changes))


def make_accuracy_record(
    evaluation: Evaluation | None, config: RunConfig | None = None, **changes: Any
) -> Record:
    """A completed accuracy run of two instances, ten batches each in ten seconds.

    Each batch was read and decoded for 0.4 s, then classified for 0.6 s.
    """
    config = make_accuracy_config() if config is None else config
    queries = make_queries(BEGIN_NS + 400 * MS, 10, 600 * MS, gap_ns=400 * MS)
    fields = {
        "run_id": f"20260102T030405Z-accuracy-{config.precision.value}",
        "evaluation": evaluation,
        "instances": [make_instance(k, queries, prepare_ns=(400 * MS,) * 10) for k in (0, 1)],
        "dataset": Dataset(path="val.tar", description="tar val.tar", images=10, skipped=()),
    }
    return make_record(config, **(fields | changes))
