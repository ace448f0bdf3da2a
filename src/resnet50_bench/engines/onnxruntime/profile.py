"""Reads ONNX Runtime's own profile, and what was seen of its kernels' instructions.

The profile (`SessionOptions.enable_profiling`) is a JSON list of events. It names each operation
that ran, its provider, the types of its inputs and how long it took; not the kernel behind it. That
is what `machine_code.executed` samples. What both say goes through a log as lines of text:

    onnxruntime,operation,QLinearConv,u8s8,CPUExecutionProvider,53,21345
    onnxruntime,multiplication,int8,avx512_core_vnni,212

The numbers are calls and microseconds, and samples.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.base import UNKNOWN_ISA, KernelShare
from resnet50_bench.engines.machine_code.executed import LEAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from resnet50_bench.engines.machine_code.executed import Kind

_MARK, _OPERATION, _MULTIPLICATION = "onnxruntime", "operation", "multiplication"
_KERNEL, _RUN, _SUFFIX = "Node", "model_run", "_kernel_time"

_PRIMITIVES = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "QLinearConv"), "convolution"),
    **dict.fromkeys(("Gemm", "FusedGemm", "MatMul", "QGemm", "QLinearMatMul"), "inner_product"),
    **dict.fromkeys(("MaxPool", "GlobalAveragePool", "QLinearGlobalAveragePool"), "pooling"),
    **dict.fromkeys(("Transpose", "ReorderInput", "ReorderOutput"), "reorder"),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), "reorder"),
    "Softmax": "softmax",
}
"""Operation -> oneDNN's word for it; the others keep their own names."""

_TYPES = {"float": "f32", "uint8": "u8", "int8": "s8", "float16": "f16", "bfloat16": "bf16"}

_INPUT, _WEIGHTS, _WEIGHTS_ZERO_POINT = 0, 1, -3
"""Where an operation has them. Weights that were packed are in no profile; what tells their type
is their zero point, two before the end or, if there is a bias (int32), before that."""

_BIAS = "int32"

_WIDTH = {"int8": 1, "bf16": 2, "f32": 4}


@dataclass(frozen=True, slots=True)
class Operation:
    """All calls of one kind of operation in a query.

    Attributes:
        name: in ONNX Runtime's words, `[Add]` behind it where it adds another one's result.
        dtype: of its input and weights, e.g. `f32`, `u8s8`.
        provider: what executed it.
        calls: how many there were.
        time_us: what they took together.
    """

    name: str
    dtype: str
    provider: str
    calls: int
    time_us: int


def read_operations(events: Sequence[Mapping[str, Any]], run: int) -> tuple[Operation, ...]:
    """Return the operations of one run of the model, those that took longest first.

    Args:
        events: of the profile.
        run: which, from 0.

    Raises:
        ValueError: the profile does not hold so many runs.
    """
    runs = [event for event in events if event["name"] == _RUN]
    if run >= len(runs):
        raise ValueError(f"the profile holds {len(runs)} runs, not {run + 1}")
    begin = runs[run]["ts"]
    end = begin + runs[run]["dur"]
    totals: dict[tuple[str, str, str], tuple[int, int]] = {}
    for event in events:
        is_kernel = event["cat"] == _KERNEL and event["name"].endswith(_SUFFIX)
        if is_kernel and begin <= event["ts"] <= end:
            kind = _describe(event["args"])
            calls, time_us = totals.get(kind, (0, 0))
            totals[kind] = calls + 1, time_us + event["dur"]
    found = [Operation(*kind, *total) for kind, total in totals.items()]
    return tuple(sorted(found, key=lambda item: -item.time_us))


def render_lines(operations: Iterable[Operation], kinds: Mapping[Kind, int]) -> Iterator[str]:
    """Yield what was found, as `parse_lines` reads it."""
    for item in operations:
        fields = (item.name, item.dtype, item.provider, item.calls, item.time_us)
        yield ",".join(map(str, (_MARK, _OPERATION, *fields)))
    for (dtype, isa), count in sorted(kinds.items()):
        yield ",".join((_MARK, _MULTIPLICATION, dtype, isa, str(count)))


def parse_lines(lines: Iterable[str]) -> tuple[KernelShare, ...]:
    """Return the kernels that the lines tell of; any other text is skipped."""
    operations: list[Operation] = []
    kinds: Counter[Kind] = Counter()
    for line in lines:
        fields = line.strip().split(",")
        if fields[:2] == [_MARK, _OPERATION] and len(fields) == 7:
            name, dtype, provider, calls, time_us = fields[2:]
            operations.append(Operation(name, dtype, provider, int(calls), int(time_us)))
        elif fields[:2] == [_MARK, _MULTIPLICATION] and len(fields) == 5:
            kinds[fields[2], fields[3]] += int(fields[4])
    return plan_kernels(operations, kinds)


def plan_kernels(
    operations: Sequence[Operation], kinds: Mapping[Kind, int]
) -> tuple[KernelShare, ...]:
    """Return the kernels and their shares of the time, longest first.

    A convolution's time is shared out to the multiplications that were seen: those of its own data
    type, and of narrower ones, which would mean that it rounds. What other operations multiply with
    is not told apart from it, and is little: convolutions take more than nine tenths of the time.
    Its instruction set is `UNKNOWN_ISA` where too few multiplications were seen to say; that of
    other operations always is.
    """
    total_us = sum(item.time_us for item in operations)
    shares: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0])
    for item in operations:
        name = item.name.partition("[")[0]
        primitive = _PRIMITIVES.get(name, name)
        parts = {(item.dtype, UNKNOWN_ISA): 1.0}
        if primitive == "convolution":
            parts = _share_out(item.dtype, kinds)
        for place, ((dtype, isa), part) in enumerate(parts.items()):
            share = shares[primitive, dtype, isa]
            share[0] += part * item.time_us / total_us if total_us else 0.0
            share[1] += item.calls if place == 0 else 0
    found = [KernelShare(*kind, share, int(calls)) for kind, (share, calls) in shares.items()]
    return tuple(sorted(found, key=lambda kernel: -kernel.time_share))


def _share_out(dtype: str, kinds: Mapping[Kind, int]) -> dict[tuple[str, str], float]:
    """Return data type and instruction set -> share, the largest first."""
    own = dtype if dtype in _WIDTH else "int8"
    counts = {kind: count for kind, count in kinds.items() if _WIDTH[kind[0]] <= _WIDTH[own]}
    total = sum(counts.values())
    if total < LEAST:
        return {(dtype, UNKNOWN_ISA): 1.0}
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return {
        (dtype if kind == own else f"{dtype}/{kind}", isa): count / total
        for (kind, isa), count in ordered
    }


def _describe(arguments: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name an operation, the types it computes in, and what executed it."""
    name = arguments["op_name"]
    types = [next(iter(each)) for each in arguments["input_type_shape"]]
    is_int8 = name.startswith("QLinear")
    dtype = _TYPES.get(types[_INPUT], types[_INPUT]) if types else "unknown"
    primitive = _PRIMITIVES.get(name)
    if primitive in ("convolution", "inner_product"):
        weights = (
            [each for each in types if each != _BIAS][_WEIGHTS_ZERO_POINT]
            if is_int8
            else types[_WEIGHTS]
        )
        second = _TYPES.get(weights, weights)
        dtype = dtype if dtype == second and not is_int8 else dtype + second
    # Input, weights, bias, and what is added to the sum.
    adds = primitive == "convolution" and not is_int8 and len(types) == 4
    return f"{name}[Add]" if adds else name, dtype, arguments["provider"]
