"""The convolutions of a run against what the machine can do: operations by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.limits.kind import plan_kind
from resnet50_bench.report.html.charts.chart import (
    Chart,
    Column,
    Row,
    Spec,
    nominal,
    quantitative,
    tooltips,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.layer_limits import LayerResult, LayerResults
    from resnet50_bench.results.record import Record

_GIGA = 1e9
_COLUMNS = (
    Column("layer", "layer"),
    Column("shape", "kernel, reads, writes"),
    Column("intensity", "operations a byte", 1),
    Column("gops", "G operations/s", 1),
    Column("ms", "ms", 3),
    Column("percent", "% of the time", 1),
    Column("of_peak", "% of the peak", 1),
    Column("bound", "bound by"),
)
_BOUNDS = {
    "compute": ("var(--series-1)", "circle"),
    "L1": ("var(--series-2)", "triangle-up"),
    "L2": ("var(--series-3)", "diamond"),
    "L3": ("var(--series-4)", "cross"),
    "DRAM": ("var(--series-5)", "square"),
}
"""Colour and shape of what a layer is bound by."""


def plan_roofline(chart: str, record: Record, results: LayerResults) -> Chart | None:
    """Return the roofs, and each convolution below them; None where there are no bounds."""
    roofline = record.roofline
    points = [item for item in results.layers if item.bound is not None and item.operations_per_s]
    if roofline is None or not points:
        return None
    rows = [_make_row(item, results.query_ms) for item in points]
    part = results.cores / len(roofline.cpus)
    kind = plan_kind(record.config.precision, record.host.cpu_flags, emulated=record.emulated)
    peak = (roofline.find_peak(kind) or 0.0) * part / _GIGA
    bandwidths = {
        item.level: item.bytes_per_s * part / _GIGA
        for item in roofline.bandwidths
        if item.access == "read"
    }
    low = min(row["intensity"] for row in rows) / 2
    high = max(row["intensity"] for row in rows) * 2
    roofs = list(_list_roofs(peak, bandwidths, low, high))
    ideal = results.ideal_ms or 0.0
    compute = sum(row["bound"] == "compute" for row in rows)
    return Chart(
        id=chart,
        title=f"Roofline with the {len(rows)} convolutions",
        text=(
            f"Scatter plot on logarithmic axes: {len(rows)} convolutions below the roofs of this "
            f"machine, a peak of {peak:,.0f} G operations/s. {compute} are bound by computing, "
            f"{len(rows) - compute} by memory; together they took {results.query_ms:,.1f} ms a "
            f"query, and an ideal machine of this roofline would take {ideal:,.1f}."
        ),
        spec=_make_spec(
            roofs,
            [low, high],
            [min(row["gops"] for row in rows) / 2, peak * 2],
            [name for name in _BOUNDS if any(row["bound"] == name for row in rows)],
        ),
        rows=rows,
        columns=_COLUMNS,
        notes=(
            f"of one kernel at a time on {results.cores:g} cores; a larger mark took more of the "
            "time; bytes are the least that a layer moves",
        ),
        wide=True,
    )


def _make_row(item: LayerResult, query_ms: float) -> Row:
    layer, bound = item.time.layer, item.bound
    reads = "x".join(map(str, layer.input_shape))
    writes = "x".join(map(str, layer.output_shape))
    return {
        "layer": layer.name,
        "shape": f"{layer.kernel}x{layer.kernel}/{layer.stride}, {reads}, {writes}",
        "intensity": item.intensity,
        "gops": (item.operations_per_s or 0.0) / _GIGA,
        "ms": item.query_ms,
        "percent": 100 * item.query_ms / query_ms,
        "of_peak": 100 * bound.peak_share if bound is not None else None,
        "bound": "compute" if bound is None or bound.is_compute else bound.level,
    }


def _list_roofs(
    peak: float, bandwidths: dict[str, float], low: float, high: float
) -> Iterator[dict[str, float | str]]:
    """Each roof is a line on logarithmic axes: from its left end to its right one."""
    ridges = [peak / rate for rate in bandwidths.values()]
    begin = min([*ridges, high])
    yield {"x": max(low, begin), "y": peak, "x2": high, "y2": peak,
           "name": f"peak {peak:,.0f} G operations/s"}  # fmt: skip
    for level, rate in bandwidths.items():
        ridge = min(high, peak / rate)
        if ridge > low:
            yield {"x": low, "y": rate * low, "x2": ridge, "y2": rate * ridge,
                   "name": f"{level} {rate:,.0f} GB/s"}  # fmt: skip


def _make_spec(
    roofs: Sequence[dict[str, float | str]],
    domain: list[float],
    heights: list[float],
    bounds: list[str],
) -> Spec:
    x = {"type": "log", "domain": domain, "nice": False}
    y = {"type": "log", "domain": heights, "nice": False}
    lines = {
        "data": {"values": roofs},
        "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.5, "tooltip": None},
        "encoding": {
            "x": quantitative("x", "operations a byte", scale=x),
            "x2": {"field": "x2"},
            "y": quantitative("y", "G operations/s", scale=y),
            "y2": {"field": "y2"},
        },
    }
    points = {
        "mark": {"type": "point", "filled": True, "opacity": 0.85, "stroke": "var(--card)",
                 "strokeWidth": 1},
        "encoding": {
            "x": quantitative("intensity", "operations a byte", scale=x),
            "y": quantitative("gops", "G operations/s", scale=y),
            "size": quantitative("percent", "", legend=None, scale={"range": [30, 260]}),
            "color": nominal("bound", "bound by", scale={
                "domain": bounds, "range": [_BOUNDS[bound][0] for bound in bounds],
            }),
            "shape": nominal("bound", "bound by", scale={
                "domain": bounds, "range": [_BOUNDS[bound][1] for bound in bounds],
            }),
            "tooltip": tooltips(_COLUMNS),
        },
    }  # fmt: skip
    peak, *slopes = roofs
    names = [_name_roofs([peak], "2", "right"), _name_roofs(slopes, "", "left")]
    return {"height": 360, "layer": [lines, *names, points]}


def _name_roofs(roofs: Sequence[dict[str, float | str]], end: str, align: str) -> Spec:
    """Names at one end of roofs, which stand to one side of it."""
    return {
        "data": {"values": roofs},
        "mark": {"type": "text", "align": align, "dy": -7, "dx": 4 if align == "left" else 0,
                 "color": "var(--ink)", "tooltip": None},
        "encoding": {
            "x": quantitative(f"x{end}", "operations a byte"),
            "y": quantitative(f"y{end}", "G operations/s"),
            "text": nominal("name"),
        },
    }  # fmt: skip
