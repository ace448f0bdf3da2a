"""How long queries took: the empirical distribution, with the percentiles of the result marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.report.html.charts.chart import Chart, Column, Spec, quantitative, tooltips
from resnet50_bench.results.kpi import list_durations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record

_MS = 1e6
_MOST = 240
"""Steps that are drawn: more than a screen can show of a curve that only rises."""

_COLUMNS = (
    Column("ms", "ms", 3),
    Column("percent", "% of queries at most so long", 2),
    Column("mark", "percentile"),
)


def plan_distribution(chart: str, record: Record, kpis: Kpis) -> Chart | None:
    """Return the distribution of the durations in the window; None of fewer than two queries."""
    durations, latency = list_durations(record, kpis), kpis.latency
    if latency is None or len(durations) < 2:
        return None
    marks = {
        value: f"p{percent:g}"
        for percent, value in sorted(latency.percentiles.items(), reverse=True)
    }
    rows = [
        {"ms": durations[place] / _MS, "percent": 100 * (place + 1) / len(durations), "mark": ""}
        for place in _choose_places(len(durations))
    ]
    # A percentile is a query's own duration; the last query that took so long ends its step.
    ranks = {value: durations.count(value) + durations.index(value) for value in marks}
    marked = [
        {"ms": value / _MS, "percent": 100 * ranks[value] / len(durations),
         "mark": f"{name} {value / _MS:,.2f} ms", "side": number % 2}
        for number, (value, name) in enumerate(sorted(marks.items()))
    ]  # fmt: skip
    told = ", ".join(str(row["mark"]) for row in marked)
    few = "" if len(rows) == len(durations) else f"; {len(rows)} of {len(durations)} are drawn"
    return Chart(
        id=chart,
        title="How long queries took",
        text=(
            f"Rising curve: the share of {len(durations):,} queries that took at most so long, "
            f"from {durations[0] / _MS:,.2f} to {durations[-1] / _MS:,.2f} ms; {told}."
        ),
        spec=_make_spec(),
        rows=sorted([*rows, *marked], key=lambda row: (row["ms"], row["percent"])),
        columns=_COLUMNS,
        notes=(f"empirical distribution of the queries that lie whole in the window{few}",),
    )


def _choose_places(count: int) -> Sequence[int]:
    """The first, the last, and evenly between."""
    if count <= _MOST:
        return range(count)
    return sorted({round(step * (count - 1) / (_MOST - 1)) for step in range(_MOST)})


def _make_spec() -> Spec:
    place = {
        "x": quantitative("ms", "ms a query", scale={"zero": False, "nice": False, "padding": 8}),
        "y": quantitative("percent", "% of queries", scale={"domain": [0, 100]}),
    }
    curve = {
        "mark": {"type": "line", "interpolate": "step-after", "color": "var(--series-1)",
                 "strokeWidth": 2, "tooltip": None},
        "encoding": place,
    }  # fmt: skip
    under_pointer = {
        "params": [{"name": "near", "select": {"type": "point", "on": "pointerover",
                                               "nearest": True, "clear": "pointerout"}}],
        "mark": {"type": "point", "filled": True, "color": "var(--series-1)", "size": 70},
        "encoding": {
            **place,
            "opacity": {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0},
            "tooltip": tooltips(_COLUMNS),
        },
    }  # fmt: skip
    percentiles = {
        "transform": [{"filter": "datum.mark !== ''"}],
        "encoding": place,
        "layer": [
            {"mark": {"type": "point", "filled": True, "size": 60, "color": "var(--series-2)",
                      "shape": "diamond", "tooltip": None}},
            *(_make_labels(side) for side in (0, 1)),
        ],
    }  # fmt: skip
    return {"height": 280, "layer": [curve, percentiles, under_pointer]}


def _make_labels(side: int) -> Spec:
    """Every other label stands before the curve: near its top they would lie on one another."""
    return {
        "transform": [{"filter": f"datum.side === {side}"}],
        "mark": {"type": "text", "align": "right" if side else "left", "dx": -8 if side else 8,
                 "dy": 0 if side else 8, "color": "var(--ink)", "fontSize": 11, "tooltip": None},
        "encoding": {"text": {"field": "mark", "type": "nominal"}},
    }  # fmt: skip
