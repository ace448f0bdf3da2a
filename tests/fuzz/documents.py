"""Random files: records and host files with changes where they hurt, logs, YAML, text and bytes."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

import msgspec
from tests.fuzz.words import NASTY, make_text, pick_scalar
from tests.hosts.synthetic import Machine
from tests.records import (
    BEGIN_NS,
    MS,
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_failure,
    make_instance,
    make_lost,
    make_queries,
    make_record,
    make_roofline,
)

from resnet50_bench.config import DataType, Mode, Precision, RunConfig
from resnet50_bench.host.files import HostFile
from resnet50_bench.instance.job import StreamSamples
from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.report.logs import render_log
from resnet50_bench.results.record import Dataset, Record, Trial

Path = tuple[str | int, ...]


def _make_records() -> list[Record]:
    """Small ones, one for each way a record can look."""
    few = make_queries(BEGIN_NS, 12, 500 * MS)
    pair = [make_instance(k, few) for k in (0, 1)]
    evaluation = make_evaluation_of_zeros([0, 0, 5, None, 0, 7], crops="crops")
    streams = tuple(
        StreamSamples(start_ns=(1, 5), end_ns=(4, 9), cpus=(cpu,), cpu_ns=3) for cpu in (0, 1)
    )
    shared = make_instance(0, [], streams=streams)
    latency = RunConfig(mode=Mode.LATENCY, cores_per_instance=2, instances=2)
    sharing = RunConfig(weight_sharing=True, cores_per_instance=2, instances=2)
    return [
        make_record(instances=pair, roofline=make_roofline()),
        make_record(latency, instances=pair, emulated=True),
        make_record(instances=[pair[0], make_lost(1)], status="lost instances"),
        make_record(instances=[make_lost(k, failure=make_failure()) for k in (0, 1)], status="lost instances"),
        make_record(instances=[pair[0]], status="interrupted"),
        make_record(RunConfig(engine="null", cores_per_instance=2, instances=2), instances=pair),
        make_record(RunConfig(precision=Precision.AVX_INT8, cores_per_instance=2, instances=2), instances=pair),
        make_record(sharing, instances=[shared, make_instance(1, few)]),
        make_record(
            RunConfig(data_type=DataType.REAL, dataset="images", cores_per_instance=2, instances=2),
            instances=pair,
            dataset=Dataset(path="images", description="folder", images=3, skipped=(("a", "b"),)),
        ),
        make_accuracy_record(evaluation),
        make_accuracy_record(
            make_evaluation_of_zeros([3] * 40),
            trials=(Trial(variant="mlperf/bgr", positions=(0, 1), rows=make_evaluation_of_zeros([0, 0]).rows),),
        ),
    ]  # fmt: skip


@cache
def list_records() -> tuple[bytes, ...]:
    """Valid records, as JSON."""
    return tuple(msgspec.json.encode(record) for record in _make_records())


@cache
def list_hosts() -> tuple[bytes, ...]:
    """Valid host files."""
    machines = (Machine(nodes=(4,)), Machine(packages=2, nodes=(2,)))
    return tuple(
        msgspec.json.encode(HostFile(tool_version="0.1.0", captured="now", host=machine.host()))
        for machine in machines
    )


@cache
def list_logs() -> tuple[bytes, ...]:
    """Logs of r50, of the workload and of oneDNN."""
    own = [render_log(record).encode() for record in _make_records()]
    old = b"BATCH_SIZE: 32\nThroughput: 123.4 images/sec\nLatency: 5.6 ms\nAccuracy: 76.48 %\n"
    kernel = (
        b"r50: the measured queries begin\n"
        b"onednn_verbose,v1,info,oneDNN v3.7.1 (commit 8d26)\n"
        b"onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv:avx2,forward_inference,"
        b"src:f32::blocked:acdb::f0,,,mb32_ic3oc64_ih224oh112kh7sh2dh0ph3_iw224ow112kw7sw2dw0pw3,"
        b"1.5\nr50: the measured queries end\n"
    )
    return (*own, old, kernel)


def make_record_file(random: Random) -> bytes:
    """A record with up to three changes; now and then of its bytes."""
    return _spoil(random, random.choice(list_records()))


def make_host_file(random: Random) -> bytes:
    """A host file with up to three changes."""
    return _spoil(random, random.choice(list_hosts()))


def make_log_file(random: Random) -> bytes:
    """A log with some of its bytes changed."""
    content = random.choice(list_logs())
    return content if random.random() < 0.2 else _spoil_bytes(random, content)


def make_any_file(random: Random) -> bytes:
    """Anything at all, often of the right form for something else."""
    make = random.choice(
        (make_record_file, make_host_file, make_log_file, make_yaml_file, _make_json, _make_bytes)
    )
    return make(random)


def make_yaml_file(random: Random) -> bytes:
    """A test-config or testset file: case patterns, parameters beneath."""
    lines = []
    for _ in range(random.randint(0, 3)):
        lines.append(
            random.choice(
                ("*:", "'*':", "*gated:", "test_*fp32*:", "a", "- b:", "---", "? x", "&a b: *a")
            )
        )
        for _ in range(random.randint(0, 3)):
            name = random.choice(PARAMETERS).name
            value = random.choice(
                (*NASTY, '"\\0"', '"\\uD800"', "[1, 2]", "{a: b}", "!!python/x y")
            )
            lines.append(f"  {name}: {value}")
    text = "\n".join(lines) + "\n"
    content = text.encode("utf-8", "surrogateescape" if "\ud800" not in text else "replace")
    return content if random.random() < 0.7 else _spoil_bytes(random, content)  # fmt: skip


def _spoil(random: Random, content: bytes) -> bytes:
    if random.random() < 0.1:
        return _spoil_bytes(random, content)
    document = json.loads(content)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        _change(random, document)
    return json.dumps(document).encode()


def _change(random: Random, document: Any) -> None:
    """Change one value somewhere in the document; deep ones as often as others."""
    holder, key = _pick_place(random, document)
    if holder is None:
        return
    value = holder[key]
    kind = random.randint(0, 9)
    if kind == 0 and isinstance(holder, dict):
        del holder[key]
    elif kind <= 2 and isinstance(value, list) and value:
        holder[key] = random.choice((value[:-1], value[1:], [*value, value[0]], value[::-1], []))
    elif kind <= 6 and isinstance(value, (int, float)) and not isinstance(value, bool):
        holder[key] = random.choice(
            (0, 1, -1, value + 1, value - 1, -value, value * 2, value * 10**9)
        )
    elif kind <= 6 and isinstance(value, str):
        holder[key] = random.choice((value[:-1], value * 2, value.upper(), *NASTY))
    elif kind == 7:
        other, name = _pick_place(random, document)
        holder[key] = deepcopy(other[name])
    elif isinstance(holder, dict) and kind == 8:
        holder[random.choice(NASTY)] = value
    else:
        holder[key] = pick_scalar(random)


def _pick_place(random: Random, document: Any) -> tuple[Any, Any]:
    holder, key = None, None
    value = document
    while isinstance(value, (dict, list)) and value and (holder is None or random.random() < 0.8):
        holder, key = (
            value,
            random.choice(list(value) if isinstance(value, dict) else range(len(value))),
        )
        value = holder[key]
    return holder, key


def _spoil_bytes(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 4)):
        place = random.randint(0, len(changed))
        kind = random.randint(0, 3)
        if kind == 0:
            del changed[place : place + random.randint(1, 40)]
        elif kind == 1:
            changed[place:place] = random.choice(NASTY).encode("utf-8", "surrogatepass")
        elif kind == 2:
            changed[place:place] = bytes(random.getrandbits(8) for _ in range(random.randint(1, 4)))
        else:
            del changed[place:]
    return bytes(changed)


def _make_json(random: Random) -> bytes:
    value: Any = pick_scalar(random)
    for _ in range(random.randint(0, 3)):
        value = random.choice(
            ([value], {random.choice(NASTY): value}, {"schema_version": 1, "points": value})
        )
    deep = b"[" * 100_000 if random.random() < 0.01 else b""
    return deep + json.dumps(value).encode()


def _make_bytes(random: Random) -> bytes:
    if random.random() < 0.5:
        return make_text(random, 60).encode("utf-8", "replace")
    return bytes(random.getrandbits(8) for _ in range(random.randint(0, 60)))
