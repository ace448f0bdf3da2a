"""A sweep as a map: batch size by cores per instance, one map for each precision and engine."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.report.html.charts.chart import Chart, Column, Row, Spec, nominal, tooltips
from resnet50_bench.report.html.configurations import find_bests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.report.html.configurations import Configuration
    from resnet50_bench.report.html.links import Links

_MOST = 12
_MOST_WITH_TEXT = 14
_CELL_PX = 30


def plan_grids(configurations: Sequence[Configuration], links: Links) -> list[Chart]:
    """Return a map for each group in which batch size and cores vary; the largest first."""
    groups: dict[tuple[str, ...], list[Configuration]] = defaultdict(list)
    for item in configurations:
        row = item.row
        if row.mode != Mode.ACCURACY.value:
            groups[row.machine, row.mode, row.engine, row.precision].append(item)
    several = len({key[0] for key in groups}) > 1
    engines = len({key[2] for key in groups}) > 1
    charts = []
    for number, (key, members) in enumerate(groups.items()):
        cells = find_bests(members, ("batch_size", "cores_per_instance"))
        if len(cells) > 1:
            machine, mode, engine, precision = key
            parts = [precision, mode, engine * engines, machine * several]
            title = ", ".join(part for part in parts if part)
            charts.append(_plan_grid(f"grid-{number}", title, mode, cells, links))
    charts.sort(key=lambda chart: -len(chart.rows))
    return charts[:_MOST]


def _plan_grid(
    chart: str, title: str, mode: str, cells: Sequence[Configuration], links: Links
) -> Chart:
    is_latency = mode == Mode.LATENCY.value
    unit = "ms a query" if is_latency else "images/s"
    best = find_bests(cells, ())[0]
    rows = list(_list_rows(cells, best, links))
    columns = (
        Column("batch_size", "batch size"),
        Column("cores", "cores per instance"),
        Column("value", unit, 2),
        Column("rounds", "rounds"),
        Column("low", "95 % from, images/s", 2),
        Column("high", "to", 2),
        Column("others", "with"),
    )
    cores = best.row.cores_per_instance
    where = f"batches of {best.row.batch_size} on {cores} core{'s' * (cores > 1)} an instance"
    return Chart(
        id=chart,
        title=title,
        text=(
            f"Heat map of {len(rows)} combinations of batch size and cores per instance. The best "
            f"is {best.value or 0:,.2f} {unit} with {where}; the worst "
            f"{_find_worst(cells, is_latency=is_latency):,.2f}."
        ),
        spec=_make_spec(rows, columns, is_latency=is_latency),
        rows=rows,
        columns=columns,
        notes=(f"{unit}; the framed cell is the best",),
    )


def _find_worst(cells: Sequence[Configuration], *, is_latency: bool) -> float:
    values = [item.value or 0.0 for item in cells]
    return max(values) if is_latency else min(values)


def _list_rows(cells: Sequence[Configuration], best: Configuration, links: Links) -> Iterator[Row]:
    for item in sorted(cells, key=lambda item: (item.row.batch_size, item.row.cores_per_instance)):
        low, high = item.interval or (None, None)
        value = item.value or 0.0
        yield {
            "batch_size": item.row.batch_size,
            "cores": item.row.cores_per_instance,
            "value": value,
            "label": f"{value:.1f}" if value < 1000 else f"{value:.0f}",
            "rounds": len(item.rows),
            "low": low,
            "high": high,
            "others": item.row.others,
            "best": item is best,
            "link": links.of(item.row),
        }


def _make_spec(rows: Sequence[Row], columns: Sequence[Column], *, is_latency: bool) -> Spec:
    columns_there = len({row["cores"] for row in rows})
    lines = len({row["batch_size"] for row in rows})
    values = [row["value"] for row in rows]
    middle = (min(values) + max(values)) / 2
    # The scheme is dark where its amount is small, or large where it is turned round.
    is_dark = f"datum.value {'>' if is_latency else '<'} {middle}"
    place = {
        "x": nominal("cores", "cores per instance", sort="ascending", axis={"labelAngle": 0}),
        "y": nominal("batch_size", "batch size", sort="descending"),
    }
    cell = {
        "mark": {"type": "rect", "cornerRadius": 3},
        "encoding": {
            "color": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "legend": None,
                "scale": {"scheme": "viridis", "reverse": is_latency, "zero": False},
            },
            "stroke": {
                "condition": {"test": "datum.best", "value": "var(--ink)"},
                "value": "var(--card)",
            },
            "strokeWidth": {"condition": {"test": "datum.best", "value": 3}, "value": 1},
            "tooltip": tooltips(columns),
        },
    }
    number = {
        "mark": {"type": "text", "fontSize": 11, "tooltip": None},
        "encoding": {
            "text": {"field": "label", "type": "nominal"},
            "color": {"condition": {"test": is_dark, "value": "#fff"}, "value": "#111"},
        },
    }
    layers = [cell, number] if columns_there <= _MOST_WITH_TEXT else [cell]
    return {"height": max(2, lines) * _CELL_PX, "encoding": place, "layer": layers}
