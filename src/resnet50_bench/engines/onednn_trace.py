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

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from resnet50_bench.engines.base import KernelShare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
_SUM = re.compile(r"\bsum\b|\bbinary_add\b")
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


@dataclass(frozen=True, slots=True)
class ProblemTime:
    """All calls of one kind of kernel for one problem.

    Attributes:
        primitive, dtype, isa: as in `KernelShare`.
        problem: its shape in oneDNN's words, e.g. `mb32_ic64oc256_ih56oh56kh1sh1dh0ph0_...`.
        calls: how many there were.
        time_ms: what they took together.
    """

    primitive: str
    dtype: str
    isa: str
    problem: str
    calls: int
    time_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What oneDNN's lines say.

    Attributes:
        kernels: time shares per primitive, data type and ISA, largest first; they add up to 1.
        problems: the same calls by problem as well, the longest in all first.
        effective_isa: the instruction sets oneDNN allows itself, in its own words; None if unsaid.
        version: oneDNN's release, e.g. `3.7.3`.
        runtime: what its threads are, e.g. `threadpool`, `OpenMP`.
        unparsed: how many of its lines were cut or not understood.
    """

    kernels: tuple[KernelShare, ...]
    problems: tuple[ProblemTime, ...]
    effective_isa: str | None
    version: str | None
    runtime: str | None
    unparsed: int


@dataclass(frozen=True, slots=True)
class Call:
    """One execution, as its line has it.

    Attributes:
        primitive, dtype, isa, problem: as in `ProblemTime`.
        adds: what another operation computed is added to its result.
    """

    primitive: str
    dtype: str
    isa: str
    problem: str
    adds: bool = False


def _ignore(_: Call, __: float) -> None:
    """Nobody wants to know."""


def parse_trace(lines: Iterable[str], on_call: Callable[[Call, float], None] = _ignore) -> Trace:
    """Return what the oneDNN lines among the lines say; any other text is skipped, never an error.

    A kernel's `dtype` is source and weights (`f32`, `bf16`, `u8s8`), source and destination for a
    reorder (`f32->bf16`), the source for a primitive without weights, `unknown` if nothing names
    it. `f32/bf16` is float32 in memory which oneDNN may round to bfloat16 (`attr-fpmath`). Its
    `isa` is the implementation's last part where that is an ISA name, else all of it
    (`x64:gemm:jit`).

    Args:
        lines: a process's standard output, with or without the ends of lines.
        on_call: is told of each execution and its milliseconds, in their order.
    """
    info: dict[str, str] = {}
    totals: dict[Call, tuple[int, float]] = {}
    unparsed = 0
    for marker, text in _split_records(lines):
        head, _, time = text.rpartition(",")
        try:
            call = _parse_head(marker, head)
            time_ms = _parse_time(time) if call is not None else 0.0
        except ValueError:
            unparsed += 1
            continue
        if call is None:
            _collect_info(f",{text}", info)
        else:
            calls, sum_ms = totals.get(call, (0, 0.0))
            totals[call] = calls + 1, sum_ms + time_ms
            on_call(call, time_ms)
    problems = _list_problems(totals)
    return Trace(
        kernels=_plan_shares(problems),
        problems=problems,
        effective_isa=info.get("isa"),
        version=info.get("version"),
        runtime=info.get("runtime"),
        unparsed=unparsed,
    )


def _split_records(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield marker and text of each record; a marker inside a line begins another one.

    Two writers of one stream may leave text before a marker, or a record cut by the next.
    """
    for line in lines:
        _, *pieces = _MARKER.split(line.rstrip("\r\n"))
        yield from zip(pieces[::2], pieces[1::2], strict=True)


@lru_cache(maxsize=4096)
def _parse_head(marker: str, head: str) -> Call | None:
    """Return the execution; None for the other kinds of records.

    Lines of the same query differ in their time alone, so a long trace has few heads.

    Args:
        marker: how the record begins.
        head: the fields behind it, all but the last.

    Raises:
        ValueError: the record is cut, or of a kind unknown.
    """
    fields = head.split(",")
    if _VERSION_FIELD.fullmatch(fields[0]):
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
    return _parse_fields(fields[1:], least - 1)


def _parse_fields(fields: list[str], least: int) -> Call | None:
    """Return the execution; None when another device than the CPU did it."""
    if len(fields) < least:
        raise ValueError("the line is cut")
    engine, primitive, implementation, _, descriptors, *rest = fields
    if engine.partition(":")[0] != "cpu":
        return None
    fpmath = _FPMATH.search(rest[0])
    dtype = _name_dtype(primitive, descriptors, fpmath[1] if fpmath else "strict")
    adds = _SUM.search(rest[0]) is not None
    return Call(primitive, dtype, _name_isa(implementation), fields[-1], adds)


def _parse_time(text: str) -> float:
    """Return the milliseconds."""
    if not _TIME.fullmatch(text):
        raise ValueError("the line is cut")
    time_ms = float(text)
    if time_ms > _MOST_MS:
        raise ValueError("no primitive runs for days")
    return time_ms


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


def _list_problems(totals: dict[Call, tuple[int, float]]) -> tuple[ProblemTime, ...]:
    """One for each kind and shape, whether or not its calls add something."""
    merged: dict[Call, tuple[int, float]] = {}
    for call, (calls, time_ms) in totals.items():
        same = replace(call, adds=False)
        before, before_ms = merged.get(same, (0, 0.0))
        merged[same] = before + calls, before_ms + time_ms
    problems = [
        ProblemTime(call.primitive, call.dtype, call.isa, call.problem, calls, time_ms)
        for call, (calls, time_ms) in merged.items()
    ]
    problems.sort(key=lambda item: (-item.time_ms, item.primitive, item.problem))
    return tuple(problems)


def _plan_shares(problems: Iterable[ProblemTime]) -> tuple[KernelShare, ...]:
    totals: dict[tuple[str, str, str], tuple[int, float]] = {}
    for item in problems:
        kind = item.primitive, item.dtype, item.isa
        calls, time_ms = totals.get(kind, (0, 0.0))
        totals[kind] = calls + item.calls, time_ms + item.time_ms
    total_ms = sum(time_ms for _, time_ms in totals.values())
    shares = [
        KernelShare(*kind, time_ms / total_ms if total_ms else 0.0, calls)
        for kind, (calls, time_ms) in totals.items()
    ]
    shares.sort(key=lambda share: (-share.time_share, share.primitive, share.dtype, share.isa))
    return tuple(shares)
