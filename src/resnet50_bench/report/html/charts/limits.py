"""How much of the machine's limit each precision and engine gets, and what others published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.report.html.charts.chart import (
    SERIES,
    Chart,
    Column,
    Row,
    Spec,
    colour_precisions,
    nominal,
    quantitative,
    tooltips,
)
from resnet50_bench.report.html.configurations import Configuration, find_bests
from resnet50_bench.results.limit import DEFINITION

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from resnet50_bench.report.html.links import Links
    from resnet50_bench.report.reference import ReferenceRow

_BAR_PX = 30
_NAME_PX = 190


def plan_shares(configurations: Sequence[Configuration], links: Links) -> Chart | None:
    """Return the share of the limit of the fastest configuration of each precision and engine."""
    known = [item for item in configurations if item.limit_share is not None]
    bests = find_fastest(known, ("precision", "engine"))
    if not bests:
        return None
    columns = (
        Column("precision", "precision"),
        Column("engine", "engine"),
        Column("images_per_s", "images/s", 2),
        Column("percent", "% of the limit", 1),
    )
    rows = [
        {
            "name": f"{item.row.precision}, {item.row.engine}",
            "precision": item.row.precision,
            "engine": item.row.engine,
            "images_per_s": item.images_per_s,
            "percent": 100 * (item.limit_share or 0),
            "link": links.of(item.row),
        }
        for item in bests
    ]
    told = "; ".join(f"{row['name']} {row['percent']:.1f} %" for row in rows)
    return Chart(
        id="shares",
        title="Share of the machine's limit",
        text=f"Bars of how much of the limit the fastest configuration gets: {told}.",
        spec=_make_bars(rows, columns, colour_precisions(rows)),
        rows=rows,
        columns=columns,
        notes=(f"the limit: {DEFINITION}",),
    )


def plan_engines(configurations: Sequence[Configuration], links: Links) -> Chart | None:
    """Return the engines' fastest configurations side by side; None where there is one engine."""
    known = [item for item in configurations if item.images_per_s is not None]
    bests = find_fastest(known, ("precision", "engine"))
    engines = list(dict.fromkeys(item.row.engine for item in bests))
    if len(engines) < 2:
        return None
    columns = (
        Column("precision", "precision"),
        Column("engine", "engine"),
        Column("images_per_s", "images/s", 2),
        Column("low", "95 % from", 2),
        Column("high", "to", 2),
        Column("with", "configuration"),
    )
    rows = [_make_engine_row(item, links) for item in bests]
    told = "; ".join(
        f"{row['precision']} with {row['engine']} {row['images_per_s']:,.1f}" for row in rows
    )
    place = {
        "y": nominal("precision", None),
        "yOffset": nominal("engine"),
        "x": quantitative("images_per_s", "images/s"),
    }
    colours = {"domain": engines, "range": [SERIES[i % 6] for i in range(len(engines))]}
    bars = {
        "mark": {"type": "bar", "cornerRadiusEnd": 3},
        "encoding": {**place, "color": nominal("engine", "engine", scale=colours),
                     "tooltip": tooltips(columns)},
    }  # fmt: skip
    ends = {
        "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 2, "tooltip": None},
        "encoding": {**place, "x": quantitative("low", "images/s"), "x2": {"field": "high"}},
    }
    return Chart(
        id="engines",
        title="Engines side by side",
        text=f"Bars of images per second of each engine's fastest configuration: {told}.",
        spec={"height": max(2, len(rows)) * _BAR_PX, "layer": [bars, ends]},
        rows=rows,
        columns=columns,
        notes=("the dark line at a bar's end is its 95 % interval",),
    )


def _make_engine_row(item: Configuration, links: Links) -> Row:
    low, high = item.interval or (item.images_per_s, item.images_per_s)
    return {
        "precision": item.row.precision,
        "engine": item.row.engine,
        "images_per_s": item.images_per_s,
        "low": low,
        "high": high,
        "with": item.describe(),
        "link": links.of(item.row),
    }


def plan_published(
    rows: Sequence[ReferenceRow], links: Sequence[str | None], notes: Sequence[str]
) -> Chart:
    """Return published figures and this machine's, each as a share of its CPUs' limit.

    Args:
        rows: of both.
        links: to this machine's records; None of a published one.
        notes: where the figures are from, and how the limits are computed.
    """
    machines = {row.cpu for row, link in zip(rows, links, strict=True) if link is not None}
    columns = (
        Column("source", "from"),
        Column("cpu", "CPU"),
        Column("cores", "cores"),
        Column("precision", "precision"),
        Column("images_per_s", "images/s", 1),
        Column("limit", "limit, images/s", 1),
        Column("percent", "% of the limit", 1),
        Column("limit_is", "the limit is"),
    )
    table = [
        {
            "name": f"{row.precision}: {_name_source(row, link, machines)}",
            "whose": "published" if link is None else "this machine",
            "source": row.source,
            "cpu": row.cpu,
            "cores": row.cores,
            "precision": row.precision,
            "images_per_s": row.images_per_s,
            "limit": row.limit_images_per_s,
            "percent": 100 * row.share if row.share is not None else None,
            "limit_is": row.limit_is,
            "link": link,
        }
        for row, link in zip(rows, links, strict=True)
    ]
    own = [row for row in table if row["link"] is not None and row["percent"] is not None]
    told = "; ".join(f"{row['precision']} {row['percent']:.1f} %" for row in own) or "none"
    colour = nominal(
        "whose",
        None,
        scale={"domain": ["published", "this machine"],
               "range": ["var(--faint)", "var(--series-1)"]},
    )  # fmt: skip
    drawn = [row for row in table if row["percent"] is not None]
    return Chart(
        id="published",
        title="Published figures beside this machine's",
        text=(
            f"Bars of {len(table) - len(own)} published throughputs as shares of their CPUs' "
            f"computed limits, and of this machine's as shares of its measured limit: {told}."
        ),
        spec=_make_bars(drawn, columns, colour),
        rows=table,
        columns=columns,
        notes=notes,
        wide=True,
    )


def _name_source(row: ReferenceRow, link: str | None, machines: Collection[str]) -> str:
    if link is None:
        return row.source
    return "this machine" if len(machines) == 1 else row.cpu


def find_fastest(
    configurations: Sequence[Configuration], names: Sequence[str]
) -> tuple[Configuration, ...]:
    """Return those of the highest throughput of each group, whatever they were asked to measure.

    Args:
        configurations: each with a throughput; those in throughput mode are taken where there are.
        names: the fields of a row that those have in common that are compared.
    """
    speeds = [item for item in configurations if item.row.mode == Mode.THROUGHPUT.value]
    return find_bests(speeds or configurations, names)


def _make_bars(rows: Sequence[Row], columns: Sequence[Column], colour: Spec) -> Spec:
    """Bars in percent, each with its number behind it."""
    top = max((row["percent"] for row in rows), default=100)
    place = {
        "y": nominal("name", None, axis={"labelLimit": _NAME_PX}),
        "x": quantitative(
            "percent", "% of the limit", scale={"domain": [0, max(100, top)]}, axis={"tickCount": 6}
        ),
    }
    bars = {
        "mark": {"type": "bar", "cornerRadiusEnd": 3, "height": {"band": 0.7}},
        "encoding": {"color": colour, "tooltip": tooltips(columns)},
    }
    numbers = {
        "mark": {"type": "text", "align": "left", "dx": 4, "color": "var(--ink)", "tooltip": None},
        "encoding": {"text": {"field": "percent", "type": "quantitative", "format": ".1f"}},
    }
    known = [{"filter": "isValid(datum.percent)"}]
    return {"height": max(2, len(rows)) * _BAR_PX, "transform": known, "encoding": place,
            "layer": [bars, numbers]}  # fmt: skip
