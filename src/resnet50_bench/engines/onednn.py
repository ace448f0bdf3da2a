"""Reads oneDNN's own trace: which kernels ran, in which data type, by which instructions.

oneDNN (`ONEDNN_VERBOSE`) writes a line of comma-separated fields to standard output for every
primitive it executes. Layouts of the part before the fields, by oneDNN's "Verbose Mode" page of
each release and by captured lines:

    dnnl_verbose,exec,...                       1.x and early 2.x
    onednn_verbose,exec,...                     2.x, 3.0
    onednn_verbose,primitive,exec,...           3.1 and later
    onednn_verbose,v1,primitive,exec,...        3.5 and later

With `ONEDNN_VERBOSE_TIMESTAMP=1` a number stands in front of what follows the marker and version.
The fields: engine, primitive, implementation, propagation kind, memory descriptors, attributes
(absent in 1.x), auxiliary, problem, time in milliseconds.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.engines.base import KernelShare

if TYPE_CHECKING:
    from collections.abc import Iterable

TRACE_ENVIRONMENT = {"ONEDNN_VERBOSE": "1", "ONEDNN_VERBOSE_TIMESTAMP": "0"}
"""Turns the trace of executions on, in every release; set before oneDNN is loaded.

Releases before 3.1 read a number alone; later ones take `1` for `profile_exec`.
"""

_MARKER = re.compile(r"(dnnl_verbose|onednn_verbose),")
_VERSION_FIELD = re.compile(r"v\d+")
_TIME = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")
_INFO_RELEASE = re.compile(r"(?:oneDNN|DNNL) v([^\s,]+)")
_INFO_RUNTIME = re.compile(r"cpu,runtime:([^,\s]+)")
_INFO_ISA = re.compile(r"cpu,isa:(.+)")
_FPMATH = re.compile(r"\battr-fpmath:(\w+)")
# `src_f32::blocked:...` until 3.4, `src:f32::blocked:...` since; `data` until 2.x. Primitives
# with several sources number them: `src_0:f32`.
_OPERAND = re.compile(r"(?:^|\s)(data|src|wei|dst)(?:[_:]\d+)?[_:]([a-z]+\d\w*):")
_ISA_NAME = re.compile(r"(?:sse|avx|sve)\w*|any")

_WEIGHTED = frozenset({"convolution", "deconvolution", "inner_product", "matmul"})
_UNKNOWN = "unknown"
_FIELDS = 9
_FIELDS_WITHOUT_ATTRIBUTES = 8
_MOST_MS = 1e9
_OTHER_KINDS = frozenset(
    {"info", "graph", "common", "ukernel", "create", "create_nested", "check", "error", "warning"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What oneDNN's lines say.

    Attributes:
        kernels: time shares per primitive, data type and ISA, largest first; they add up to 1.
        effective_isa: the instruction sets oneDNN allows itself, in its own words; None if unsaid.
        version: oneDNN's release, e.g. `3.7.3`.
        runtime: what its threads are, e.g. `threadpool`, `OpenMP`.
        unparsed: how many of its lines were cut or not understood.
    """

    kernels: tuple[KernelShare, ...]
    effective_isa: str | None
    version: str | None
    runtime: str | None
    unparsed: int


@dataclass(frozen=True, slots=True)
class _Execution:
    primitive: str
    dtype: str
    isa: str
    time_ms: float


def parse_trace(lines: Iterable[str]) -> Trace:
    """Return what the oneDNN lines among the lines say; any other text is skipped, never an error.

    A kernel's `dtype` is source and weights (`f32`, `bf16`, `u8s8`), source and destination for a
    reorder (`f32->bf16`), the source for a primitive without weights, `unknown` if nothing names
    it. `f32/bf16` is float32 in memory which oneDNN may round to bfloat16 (`attr-fpmath`). Its
    `isa` is the implementation's last part where that is an ISA name, else all of it
    (`x64:gemm:jit`).

    Args:
        lines: a process's standard output, with or without the ends of lines.
    """
    info: dict[str, str] = {}
    executions: list[_Execution] = []
    unparsed = 0
    for record in _split_records(lines):
        try:
            execution = _parse_execution(record)
        except ValueError:
            unparsed += 1
            continue
        if execution is None:
            _collect_info(",".join(record), info)
        else:
            executions.append(execution)
    return Trace(
        kernels=_plan_shares(executions),
        effective_isa=info.get("isa"),
        version=info.get("version"),
        runtime=info.get("runtime"),
        unparsed=unparsed,
    )


def _split_records(lines: Iterable[str]) -> Iterable[list[str]]:
    """Yield the fields of each record; a marker inside a line begins another one.

    Two writers of one stream may leave text before a marker, or a record cut by the next.
    """
    for line in lines:
        _, *pieces = _MARKER.split(line.rstrip("\r\n"))
        for marker, text in zip(pieces[::2], pieces[1::2], strict=True):
            yield [marker, *text.split(",")]


def _parse_execution(record: list[str]) -> _Execution | None:
    """Return the execution; None for the other kinds of records.

    Raises:
        ValueError: the record is cut, or of a kind unknown.
    """
    marker, *fields = record
    if fields and _VERSION_FIELD.fullmatch(fields[0]):
        fields = fields[1:]
    if fields and _TIME.fullmatch(fields[0]):
        fields = fields[1:]
    if fields and fields[0] == "primitive":
        fields = fields[1:]
    if fields and fields[0].partition(":")[0] in _OTHER_KINDS:
        return None
    if fields[:1] != ["exec"]:
        raise ValueError("neither an execution nor another known kind")
    least = _FIELDS_WITHOUT_ATTRIBUTES if marker == "dnnl_verbose" else _FIELDS
    return _parse_fields(fields[1:], least)


def _parse_fields(fields: list[str], least: int) -> _Execution | None:
    """Return the execution the fields tell; None when another device than the CPU did it."""
    if len(fields) < least or not _TIME.fullmatch(fields[-1]):
        raise ValueError("the line is cut")
    time_ms = float(fields[-1])
    if time_ms > _MOST_MS:
        raise ValueError("no primitive runs for days")
    engine, primitive, implementation, _, descriptors, *rest = fields
    if engine.partition(":")[0] != "cpu":
        return None
    fpmath = _FPMATH.search(rest[0])
    dtype = _name_dtype(primitive, descriptors, fpmath[1] if fpmath else "strict")
    return _Execution(primitive, dtype, _name_isa(implementation), time_ms)


def _name_dtype(primitive: str, descriptors: str, fpmath: str) -> str:
    """Name the data type of a primitive; see `parse_trace`."""
    types: dict[str, str] = {}
    for operand, dtype in _OPERAND.findall(descriptors):
        types.setdefault(operand, dtype)
    source = types.get("src") or types.get("data")
    if primitive == "reorder":
        return f"{source or _UNKNOWN}->{types.get('dst', _UNKNOWN)}"
    if primitive not in _WEIGHTED:
        return source or types.get("dst", _UNKNOWN)
    weights = types.get("wei")
    if source is None or weights is None:
        return _UNKNOWN
    name = source if source == weights and source not in {"s8", "u8"} else source + weights
    return f"{name}/{fpmath}" if name == "f32" and fpmath != "strict" else name


def _name_isa(implementation: str) -> str:
    last = implementation.rpartition(":")[2]
    return last if _ISA_NAME.fullmatch(last) else implementation


def _collect_info(text: str, info: dict[str, str]) -> None:
    """Keep the first release, runtime and ISA that an info record tells."""
    patterns = {"version": _INFO_RELEASE, "runtime": _INFO_RUNTIME, "isa": _INFO_ISA}
    for name, pattern in patterns.items():
        match = pattern.search(text)
        if ",info," in text and match:
            info.setdefault(name, match[1].strip())


def _plan_shares(executions: list[_Execution]) -> tuple[KernelShare, ...]:
    times_ms: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for execution in executions:
        kind = (execution.primitive, execution.dtype, execution.isa)
        times_ms[kind].append(execution.time_ms)
    total_ms = math.fsum(execution.time_ms for execution in executions)
    shares = [
        KernelShare(*kind, math.fsum(times) / total_ms if total_ms else 0.0, len(times))
        for kind, times in times_ms.items()
    ]
    shares.sort(key=lambda share: (-share.time_share, share.primitive, share.dtype, share.isa))
    return tuple(shares)
