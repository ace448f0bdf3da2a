"""What a run's kernels took, as a person reads it and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.host.machine import format_cpu_list
from resnet50_bench.printable import show_controls
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.layers import summarize_layers
from resnet50_bench.report.styled import Line
from resnet50_bench.report.terminal.run import describe_unfused, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from resnet50_bench.engines.onednn_trace import Trace
    from resnet50_bench.results.kernel_logs import Profile
    from resnet50_bench.results.layer_limits import LayerResults

_OVERHEAD = "reorder"
_KIND = ("primitive", "dtype", "ISA")
_AMOUNTS = ("calls", "ms", "share")


@dataclass(frozen=True, slots=True)
class KernelTime:
    """All calls of one kind of kernel.

    Attributes:
        primitive, dtype, isa: as in `engines.base.KernelShare`.
        calls: how many there were.
        time_ms: what they took together.
        share: of all primitives' time, 0..1.
    """

    primitive: str
    dtype: str
    isa: str
    calls: int
    time_ms: float
    share: float


def list_kernels(profile: Profile) -> list[KernelTime]:
    """Return the kinds of kernels, the costliest first."""
    return [
        KernelTime(
            item.primitive,
            item.dtype,
            item.isa,
            item.calls,
            item.time_share * profile.total_ms,
            item.time_share,
        )
        for item in profile.trace.kernels
    ]


def print_profile(console: Console, run: str, profile: Profile, top: int) -> None:
    """Print the kernels by kind, and the costliest problems.

    Args:
        console: to print on.
        run: its name.
        profile: of the run.
        top: how many problems.
    """
    print_rows(console, list(_describe(run, profile)))
    console.print()
    rows = [
        (item.primitive, item.dtype, item.isa, *_render_amounts(item.calls, item.time_ms, profile))
        for item in list_kernels(profile)
    ]
    calls = sum(item.calls for item in profile.trace.problems)
    rows.append(("all", "", "", *_render_amounts(calls, profile.total_ms, profile)))
    _print_table(console, (*_KIND, *_AMOUNTS), rows)
    overhead = sum(item.share for item in list_kernels(profile) if item.primitive == _OVERHEAD)
    console.print(
        Line(f"reorders, which move data and compute nothing, took {overhead:.1%}", style="dim")
    )
    problems = profile.trace.problems
    if top:
        shown = problems[:top]
        console.print()
        console.print(Line(f"the {len(shown)} costliest of {len(problems)} problems", style="bold"))
        _print_table(
            console,
            (*_KIND, *_AMOUNTS, "problem"),
            [
                (
                    *(item.primitive, item.dtype, item.isa),
                    *_render_amounts(item.calls, item.time_ms, profile),
                    item.problem,
                )
                for item in shown
            ],
        )
    if profile.trace.unparsed:
        console.print(
            Line(f"warning: {profile.trace.unparsed} lines were cut or not understood", "yellow")
        )


def summarize_profile(run: str, profile: Profile, layers: LayerResults) -> dict[str, Any]:
    """Return the profile as plain JSON types; times in milliseconds, shares 0..1."""
    trace = profile.trace
    return {
        "run_id": run,
        "part": profile.part.name.lower(),
        "instances": list(profile.instances),
        "onednn": {
            "version": trace.version,
            "runtime": trace.runtime,
            "isa": trace.effective_isa,
        },
        "not_fused": profile.not_fused,
        "queries": profile.queries,
        "query_ms": profile.query_ms,
        "total_ms": profile.total_ms,
        "kernels": [
            {
                "primitive": item.primitive,
                "dtype": item.dtype,
                "isa": item.isa,
                "calls": item.calls,
                "ms": item.time_ms,
                "share": item.share,
            }
            for item in list_kernels(profile)
        ],
        "problems": [
            {
                "primitive": item.primitive,
                "dtype": item.dtype,
                "isa": item.isa,
                "problem": item.problem,
                "calls": item.calls,
                "ms": item.time_ms,
                "share": _share(item.time_ms, profile),
            }
            for item in trace.problems
        ],
        "layers": summarize_layers(layers, profile),
        "unparsed_lines": trace.unparsed,
    }


def _describe(run: str, profile: Profile) -> Iterator[tuple[str, str]]:
    instances = format_cpu_list(profile.instances)
    yield "Run", run
    yield (
        "Counted",
        f"{profile.part.value}; instance{'s' * (len(profile.instances) > 1)} {instances}",
    )
    yield "oneDNN", _describe_onednn(profile.trace)
    yield from describe_unfused(profile.not_fused)
    if profile.queries is None or profile.query_ms is None:
        return
    yield (
        "Queries",
        f"{profile.queries} in {profile.query_ms:.1f} ms, of which oneDNN's primitives took "
        f"{profile.total_ms / profile.query_ms:.1%}",
    )


def _describe_onednn(trace: Trace) -> str:
    parts = [trace.version or "version unknown", trace.runtime, trace.effective_isa]
    return ", ".join(part for part in parts if part)


def _share(time_ms: float, profile: Profile) -> float:
    return time_ms / profile.total_ms if profile.total_ms else 0.0


def _render_amounts(calls: int, time_ms: float, profile: Profile) -> tuple[str, str, str]:
    return str(calls), f"{time_ms:.1f}", f"{_share(time_ms, profile):.1%}"


def _print_table(console: Console, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: the amounts to the right, names to the left."""
    shown = [[show_controls(cell) for cell in row] for row in rows]
    right = [place for place, name in enumerate(heading) if name in _AMOUNTS]
    for number, line in enumerate(join_columns([heading, *shown], right)):
        console.print(Line(line, style="" if number else "bold"))
