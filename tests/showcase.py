"""Builds folders of runs that never happened: a sweep of a machine with two sockets, with all that
a page can show.

A query's time follows from a made-up machine: a peak for each precision, less the larger the fewer
images each core has, with noise that is seeded. What is drawn is told by the records alone.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from tests.contended import make_contention
from tests.hosts.synthetic import Machine
from tests.records import (
    BEGIN_NS,
    make_accuracy_config,
    make_accuracy_record,
    make_evaluation,
    make_instance,
    make_lost,
    make_record,
    make_roofline,
    make_seen,
)
from tests.traces import write_query

from resnet50_bench.config import Mode, Precision, RunConfig
from resnet50_bench.contention.samples import ProcessTime
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.instance.job import TRACE_BEGIN, TRACE_LOG, EvidenceSeen, name_log
from resnet50_bench.limits.kernels import Kind
from resnet50_bench.limits.roofline import Bandwidth, Peak
from resnet50_bench.results.files import write_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.host.machine import Host
    from resnet50_bench.results.record import InstanceRecord, Record

FLAGS = ("avx", "avx2", "avx512bw", "avx512dq", "avx512f", "avx512vl", "avx512_vnni",
         "avx512_bf16", "fma")  # fmt: skip
CORES = 16
LONG_NAME = "x" * 200
HOSTILE = "<script>document.title = 'taken'</script>\u202e"

_GIGA = 1e9
_PER_IMAGE = 8.178e9
_PEAKS = {
    Precision.AVX_FP32: (Kind.AVX512_FP32, 60 * _GIGA * CORES, ("f32", "avx512_core")),
    Precision.AVX_BFLOAT16: (Kind.AVX512_BF16, 120 * _GIGA * CORES, ("bf16", "avx512_core_bf16")),
    Precision.AVX_INT8: (Kind.AVX512_VNNI_INT8, 240 * _GIGA * CORES, ("u8s8", "avx512_core_vnni")),
}
_GETS = {"tensorflow": 0.80, "openvino": 0.86}
_QUERIES = 60


def make_host(name: str = "bench-01") -> Host:
    """Two sockets of eight cores, two threads each."""
    host = Machine(packages=2, nodes=(CORES // 2,), smt=2).host()
    return replace(host, hostname=name, cpu_model="Example CPU 8C", cpu_flags=FLAGS)


def make_run(
    config: RunConfig, number: int, host: Host | None = None, noise: float = 0.015
) -> Record:
    """A valid run of a configuration.

    Args:
        config: what was asked.
        number: of the run: makes its name, its time and its noise.
        host: the machine.
        noise: by how much queries differ, as a share.
    """
    record = make_record(config, host or make_host())
    _, peak, (dtype, isa) = _PEAKS[config.precision]
    dice = random.Random(number)
    slots, batch_size = record.placement.slots, record.workload.batch_size
    images = batch_size / slots[0].cores
    gets = _GETS[config.engine] * images / (images + 0.35) * (0.985 if len(slots) > 4 else 1.0)
    per_s = peak * gets / _PER_IMAGE / CORES * slots[0].cores
    ideal_ns = batch_size / per_s * 1e9
    instances = [
        make_instance(
            slot,
            _draw_queries(dice, ideal_ns, noise),
            kernels=(KernelShare("convolution", dtype, isa, 1.0, 53),),
            evidence=EvidenceSeen(
                runtime=f"{config.engine} 2.21.0",
                fused_ops={"Conv2D[BiasAdd,Relu]": 33},
                notes=(),
            ),
        )
        for slot in slots
    ]
    minute, second = divmod(number, 60)
    run = f"20260102T03{minute % 60:02}{second:02}Z-{config.mode.value}-{config.precision.value}"
    return replace(
        record,
        run_id=f"{run}-{number}",
        created=f"2026-01-02T{3 + minute // 60:02}:{minute % 60:02}:{second:02}+00:00",
        instances=tuple(instances),
        roofline=_make_limit(record),
        contention=_quieten(record, instances),
    )


def _draw_queries(dice: random.Random, ideal_ns: float, noise: float) -> list[tuple[int, int]]:
    begin, state, queries = BEGIN_NS, 0.0, []
    for _ in range(_QUERIES):
        state = 0.6 * state + dice.gauss(0, noise)
        end = begin + round(ideal_ns * (1 + abs(state)))
        queries.append((begin, end))
        begin = end
    return queries


def _make_limit(record: Record):
    peaks = tuple(
        Peak(kind=kind, operations_per_s=rate, rounds=(rate * 0.99, rate))
        for kind, rate, _ in _PEAKS.values()
    )
    sizes = {"L1": (4e12, 24 << 10), "L2": (1.6e12, 1 << 20), "DRAM": (4e10, 1 << 26)}
    return make_roofline(
        cpus=tuple(sorted(cpu for slot in record.placement.slots for cpu in slot.cpus)),
        peaks=peaks,
        bandwidths=tuple(
            Bandwidth(level=level, access="read", bytes_per_s=rate, rounds=(rate,),
                      buffer_bytes=size)
            for level, (rate, size) in sizes.items()
        ),
    )  # fmt: skip


def _quieten(record: Record, instances: list[InstanceRecord]):
    owned = [item.slot.cpus for item in instances]
    made = make_contention(owned, [0.02] * len(owned), tenths=(2, 3, 7))
    process = ProcessTime(pid=4242, name="backup", cpu_ticks=60, cpus=(0, 1))
    return replace(made, processes=(process,))


def plan_configs() -> Iterator[RunConfig]:
    """A sweep of three precisions, and two engines at their largest batch."""
    for precision in _PEAKS:
        for batch_size in (1, 4, 8, 16, 32, 64):
            for cores in (1, 2, 4, 8):
                yield _ask(precision, batch_size, cores)
        yield _ask(precision, 64, 8, engine="openvino")
    for precision in _PEAKS:
        yield _ask(precision, 1, 8, mode=Mode.LATENCY, instances=1)


def _ask(precision: Precision, batch_size: int, cores: int, **others: Any) -> RunConfig:
    fields = {"precision": precision, "batch_size": batch_size, "cores_per_instance": cores}
    return RunConfig(**fields, steps=_QUERIES, **others)


def write_run(folder: Path, record: Record) -> Path:
    """Write a record into a folder of its run."""
    place = folder / record.run_id
    place.mkdir(parents=True)
    write_record(place, record)
    return place


def write_showcase(folder: Path) -> None:
    """Write a sweep with everything in it: rounds, an accuracy run, a trace, invalid runs."""
    number = 0
    for _ in range(2):
        for config in plan_configs():
            number += 1
            write_showcase_run(folder, make_run(config, number))
    number += 1
    noisy = make_run(_ask(Precision.AVX_FP32, 8, 8), number, noise=0.4)
    owned = [item.slot.cpus for item in noisy.instances]
    taken = make_contention(owned, [0.6] * len(owned), tenths=(3, 4, 5, 6, 7))
    process = ProcessTime(pid=4243, name="compiler", cpu_ticks=5000, cpus=(0, 1))
    write_run(folder, replace(noisy, contention=replace(taken, processes=(process,))))
    lost = make_run(_ask(Precision.AVX_FP32, 128, 8), number + 1)
    detail = "the kernel killed it (SIGKILL) for want of memory"
    instances = (lost.instances[0], make_lost(lost.instances[1].slot, "out of memory", detail))
    write_run(folder, replace(lost, status="lost instances", instances=instances))
    write_run(folder, make_accuracy_run(number + 2))


def write_showcase_run(folder: Path, record: Record) -> tuple[Path, Record]:
    """Write a run, with the trace of a batch where that is large; return its place, and it."""
    place = write_run(folder, record)
    if record.workload.batch_size == 64:
        _write_trace(place, record)
    return place, record


def make_accuracy_run(number: int) -> Record:
    """600 images; every fourth is taken for another class, some pairs more often than others."""
    dice = random.Random(number)
    pairs = [(281, 282), (281, 285), (207, 208), (248, 250), (620, 681), (817, 511)]
    labels, answers = [], {}
    for place in range(600):
        label, other = dice.choice(pairs)
        labels.append(label)
        wrong = dice.random() < 0.12
        answers[place] = (other if wrong else label, 0.7)
    config = make_accuracy_config(precision=Precision.AVX_FP32)
    record = make_accuracy_record(make_evaluation(labels, answers), config, host=make_host())
    _, _, (dtype, isa) = _PEAKS[config.precision]
    kernels = (KernelShare("convolution", dtype, isa, 1.0, 53),)
    return replace(
        record,
        run_id=f"20260102T060000Z-accuracy-{number}",
        created="2026-01-02T06:00:00+00:00",
        instances=tuple(
            replace(item, kernels=kernels, slot=slot, seen=make_seen(slot))
            for item, slot in zip(record.instances, record.placement.slots, strict=True)
        ),
    )


def _write_trace(place: Path, record: Record) -> None:
    """The trace of one query, in times that the cores of an instance could need."""
    _, peak, (dtype, _) = _PEAKS[record.config.precision]
    per_instance = peak * record.placement.cores_per_instance / CORES
    dice = random.Random(7)
    shown = [TRACE_BEGIN]
    for line in write_query(images=64, dtype={"u8s8": "int8"}.get(dtype, dtype)):
        head, _, _ = line.rpartition(",")
        shown.append(f"{head},{_guess_ms(head, per_instance, dice):.4f}")
    (place / name_log(TRACE_LOG, 0)).write_text("\n".join(shown) + "\n")


def _guess_ms(head: str, peak: float, dice: random.Random) -> float:
    problem = head.rpartition(",")[2]
    sizes = {name: int(text) for name, text in re.findall(r"(ic|oc|oh|kh)(\d+)", problem)}
    operations = 2 * 64 * sizes["kh"] ** 2 * sizes["ic"] * sizes["oc"] * sizes["oh"] ** 2
    small = min(1.0, (sizes["ic"] / 512) ** 0.35)
    return operations / (peak * dice.uniform(0.55, 0.9) * small) * 1e3


def write_many(folder: Path, count: int) -> None:
    """Write so many runs, quickly: all are rounds of the showcase's configurations."""
    made = [make_run(config, number) for number, config in enumerate(plan_configs())]
    for number in range(count):
        record = made[number % len(made)]
        name = f"20260103T000000Z-{number:05}"
        place = folder / name
        place.mkdir(parents=True)
        content = msgspec.json.encode(replace(record, run_id=name))
        (place / "record.json").write_bytes(content)
