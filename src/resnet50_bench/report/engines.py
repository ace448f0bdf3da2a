"""Several engines on one model, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from resnet50_bench.printable import join_lines
from resnet50_bench.report.columns import join_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.search.engines import EngineFigures, EngineRow

_MIB = 1024**2
_HEAD = ("engine", "images/s", "batch-1 ms", "of limit", "memory", "start", "as fp32", "rounds", "")
_RIGHT = range(1, 8)


def render_engines(rows: Sequence[EngineRow], precision: str) -> str:
    """Return the table, the fastest engine first; those without figures stand last, with why.

    Args:
        rows: of the engines.
        precision: that was measured.
    """
    cells = [_HEAD, *(_list_cells(row) for row in sort_rows(rows))]
    notes = [
        f"{precision}; medians of the rounds. batch-1 ms: one query of one image at a time; of "
        "limit: of what these",
        "cores can do at most; memory: of all instances, warm; start: from launch to warm; as "
        "fp32: held-out",
        "images that get the class which float32 gives.",
    ]
    return join_lines([*join_columns(cells, _RIGHT), "", *notes])


def summarize_engines(rows: Sequence[EngineRow], **about: Any) -> dict[str, Any]:
    """Return everything as plain JSON types; what is not known is null."""
    return {**about, "engines": [asdict(row) for row in sort_rows(rows)]}


def sort_rows(rows: Sequence[EngineRow]) -> list[EngineRow]:
    """The fastest first, by throughput, or by latency where only that was measured."""

    def rank(row: EngineRow) -> tuple[float, float]:
        rate, latency = row.figures.images_per_s, row.figures.latency_ms
        return -(rate or 0.0), latency if latency is not None else float("inf")

    return sorted(rows, key=rank)


def _list_cells(row: EngineRow) -> list[str]:
    figures = row.figures
    agreement = "-" if row.probe_images is None else f"{row.same_class}/{row.probe_images}"
    return [
        row.runtime or row.engine,
        *(_spell(figures, read, form) for read, form in _COLUMNS),
        agreement,
        str(row.rounds) if row.rounds else "-",
        row.reason or "",
    ]


_COLUMNS: tuple[tuple[Callable[[EngineFigures], float | None], str], ...] = (
    (lambda item: item.images_per_s, "{:.2f}"),
    (lambda item: item.latency_ms, "{:.2f}"),
    (lambda item: item.limit_share, "{:.1%}"),
    (lambda item: item.memory_bytes and item.memory_bytes / _MIB, "{:.0f} MiB"),
    (lambda item: item.start_s, "{:.1f} s"),
)


def _spell(figures: EngineFigures, read: Callable[[EngineFigures], float | None], form: str) -> str:
    value = read(figures)
    return "-" if value is None else form.format(value)
