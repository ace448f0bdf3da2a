"""What OpenVINO tells of one query, as lines of a log, and the kernels that these lines name.

    openvino,node,{"name": ..., "type": "Convolution", "exec": "brgconv_avx512_1x1_I8", ...}
    openvino,code,{"vpdpbusd zmm": 9232}

A node is one of the execution graph, with the time that its performance counter has. The name of
its implementation tells the kind of kernel, the width of its registers, AMX, and the data type. It
does not tell VNNI from multiplications in three instructions: for that there is the code which the
process has made (`machine_code.made`). oneDNN's own trace would tell it all, but OpenVINO's build
of it fails in the first pooling (2026.4.1).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.base import KernelShare
from resnet50_bench.engines.machine_code.instructions import INSTRUCTIONS
from resnet50_bench.engines.machine_code.made import MIN_SEEN

if TYPE_CHECKING:
    from collections.abc import Iterator

_NODE = "openvino,node,"
_CODE = "openvino,code,"

_EXECUTED = "Status.EXECUTED"
_PRIMITIVES = {
    "Convolution": "convolution",
    "FullyConnected": "inner_product",
    "FullyConnectedQuantizedLegacy": "inner_product",
    "MatMul": "matmul",
    "Pooling": "pooling",
    "MaxPool": "pooling",
    "AvgPool": "pooling",
    "Reorder": "reorder",
    "Softmax": "softmax",
}
"""OpenVINO's names of operations -> oneDNN's."""

_WEIGHTED = frozenset({"convolution", "inner_product", "matmul"})
"""Those that multiply: of the others the code's dot products tell nothing."""

_DTYPES = {"f32": "f32", "bf16": "bf16", "f16": "f16", "u8": "u8s8", "i8": "s8s8"}
"""What a node computes in -> source and weights; weights of 8 bits are always signed."""

_ISA = re.compile(r"(?:^|_)(avx512_amx|avx512|avx2|avx|sse42|uni|ref|gemm_mlas|acl)(?:_|$)")
_PRECISE = {
    ("avx512", "int8"): "vpdpbusd zmm",
    ("avx512", "bf16"): "vdpbf16ps zmm",
    ("avx512_amx", "int8"): "tdpb*d tmm",
    ("avx512_amx", "bf16"): "tdpbf16ps tmm",
    ("avx2", "int8"): "vpdpbusd ymm",
    ("avx2", "bf16"): "vcvtneebf162ps ymm",
}
"""Registers and data type -> the instruction that makes the difference."""

_WIDE = {"avx512": "avx512_core", "avx512_amx": "avx512_core"}
"""Registers -> what is certain of them without it, in oneDNN's word."""


def render_trace(
    counters: Iterable[Any], runtimes: Mapping[str, str], instructions: Mapping[str, int]
) -> Iterator[str]:
    """Yield the lines of a query.

    Args:
        counters: OpenVINO's `ProfilingInfo` of each node.
        runtimes: name of a node -> what it computes in.
        instructions: that stand in the code the process has made, see `count_instructions`.
    """
    yield _CODE + json.dumps(instructions)
    for item in counters:
        if str(item.status) == _EXECUTED:
            yield _NODE + json.dumps({
                "name": item.node_name,
                "type": item.node_type,
                "exec": item.exec_type,
                "dtype": runtimes.get(item.node_name, "unknown"),
                "us": round(item.real_time.total_seconds() * 1e6),
            })  # fmt: skip


def parse_kernels(lines: Iterable[str]) -> tuple[KernelShare, ...]:
    """Return the kernels that the lines of one or several queries name; other lines are skipped."""
    instructions: Counter[str] = Counter()
    nodes: list[dict[str, Any]] = []
    for line in lines:
        for mark, take in ((_CODE, instructions.update), (_NODE, nodes.append)):
            _, found, text = line.partition(mark)
            if found:
                take(json.loads(text))
    calls: Counter[tuple[str, str, str]] = Counter()
    times: Counter[tuple[str, str, str]] = Counter()
    for node in nodes:
        kind = _describe_kernel(node, instructions)
        calls[kind] += 1
        times[kind] += node["us"]
    total = sum(times.values())
    shares = [
        KernelShare(*kind, time / total if total else 0.0, calls[kind])
        for kind, time in times.items()
    ]
    return tuple(sorted(shares, key=lambda item: (-item.time_share, item.primitive, item.isa)))


def _describe_kernel(
    node: Mapping[str, Any], instructions: Mapping[str, int]
) -> tuple[str, str, str]:
    """Return primitive, data type and instruction set, in oneDNN's words where there are any."""
    kind, implementation, runtime = node["type"], node["exec"], node["dtype"]
    dtype = _DTYPES.get(runtime, runtime)
    found = _ISA.search(implementation)
    primitive = _PRIMITIVES.get(kind, kind.lower())
    if primitive not in _WEIGHTED:
        instructions = {}
    isa = _name_isa(found[1], runtime, instructions) if found else implementation
    return primitive, dtype, isa


def _name_isa(registers: str, runtime: str, instructions: Mapping[str, int]) -> str:
    """Return the instruction set by the name of the registers, and by the code where that is vague.

    AMX is believed only where the code has its instructions.
    """
    group = "int8" if runtime in {"u8", "i8"} else runtime
    instruction = _PRECISE.get((registers, group))
    if instruction is not None and instructions.get(instruction, 0) >= MIN_SEEN:
        return INSTRUCTIONS[instruction].isa
    return _WIDE.get(registers, registers)
