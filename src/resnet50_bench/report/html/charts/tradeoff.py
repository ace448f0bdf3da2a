"""Throughput against the time of a query: what can be had for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.report.html.charts.chart import (
    Chart,
    Column,
    Row,
    Spec,
    colour_precisions,
    quantitative,
    shape_precisions,
    tooltips,
)
from resnet50_bench.report.html.configurations import find_front

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.report.html.configurations import Configuration
    from resnet50_bench.report.html.links import Links

_MOST = 300
_FEWEST = 3

_COLUMNS = (
    Column("precision", "precision"),
    Column("engine", "engine"),
    Column("batch_size", "batch size"),
    Column("cores", "cores per instance"),
    Column("mean_ms", "mean ms a query", 3),
    Column("images_per_s", "images/s", 2),
    Column("front", "on the front"),
    Column("others", "with"),
)


def plan_tradeoff(configurations: Sequence[Configuration], links: Links) -> Chart | None:
    """Return throughput by the time of a query, with the Pareto front; None of too few.

    Args:
        configurations: of one machine.
        links: where a record is found.
    """
    known = [
        item
        for item in configurations
        if item.images_per_s and item.mean_ms and item.row.mode != Mode.ACCURACY.value
    ]
    if len(known) < _FEWEST:
        return None
    front = find_front(known)
    shown = _thin(known, front)
    rows = [_make_row(item, links, is_front=item in front) for item in shown]
    quick, fast = front[0], front[-1]
    left_out = f"; {len(rows)} of {len(known)} are drawn: the front and the best beside it"
    return Chart(
        id="tradeoff",
        title="Throughput against latency",
        text=(
            f"Scatter plot of {len(known)} configurations, with a line through the {len(front)} of "
            f"the Pareto front: from {quick.mean_ms or 0:,.2f} ms a query at "
            f"{quick.images_per_s or 0:,.1f} images/s to {fast.images_per_s or 0:,.1f} images/s at "
            f"{fast.mean_ms or 0:,.2f} ms."
        ),
        spec=_make_spec(rows),
        rows=rows,
        columns=_COLUMNS,
        notes=(
            "the line joins the configurations that no other beats in both"
            + left_out * (len(rows) < len(known)),
        ),
        wide=True,
    )


def _thin(known: Sequence[Configuration], front: Sequence[Configuration]) -> list[Configuration]:
    """The front, and of the rest the fastest: as many as can be told apart."""
    if len(known) <= _MOST:
        return list(known)
    others = sorted(known, key=lambda item: -(item.images_per_s or 0))
    chosen = {id(item) for item in [*front, *others[:_MOST]]}
    return [item for item in known if id(item) in chosen]


def _make_row(item: Configuration, links: Links, *, is_front: bool) -> Row:
    row = item.row
    return {
        "precision": row.precision,
        "engine": row.engine,
        "batch_size": row.batch_size,
        "cores": row.cores_per_instance,
        "mean_ms": item.mean_ms,
        "images_per_s": item.images_per_s,
        "front": "yes" if is_front else "no",
        "others": row.others,
        "link": links.of(row),
    }


def _make_spec(rows: Sequence[Row]) -> Spec:
    place = {
        "x": quantitative(
            "mean_ms", "mean time of a query, ms", scale={"type": "log", "nice": False,
                                                          "padding": 20}
        ),
        "y": quantitative("images_per_s", "images/s"),
    }  # fmt: skip
    line = {
        "transform": [{"filter": "datum.front === 'yes'"}],
        "mark": {"type": "line", "interpolate": "step-after", "color": "var(--ink)",
                 "strokeDash": [4, 3], "tooltip": None},
        "encoding": {**place, "order": {"field": "mean_ms", "type": "quantitative"}},
    }  # fmt: skip
    points = {
        "mark": {"type": "point", "filled": True, "size": 80, "stroke": "var(--card)",
                 "strokeWidth": 1},
        "encoding": {
            **place,
            "color": colour_precisions(rows),
            "shape": shape_precisions(rows),
            "opacity": {"condition": {"test": "datum.front === 'yes'", "value": 1}, "value": 0.55},
            "tooltip": tooltips(_COLUMNS),
        },
    }  # fmt: skip
    return {"height": 320, "layer": [line, points]}
