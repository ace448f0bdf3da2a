"""How a run went: its rate over the window, and what others did on its cores meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.report.html.charts.chart import (
    SERIES,
    Chart,
    Column,
    Spec,
    nominal,
    quantitative,
    tooltips,
)
from resnet50_bench.results.kpi import list_rates
from resnet50_bench.verdict.conditions import find_cpu_share, find_worst, list_suspects, list_taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record
    from resnet50_bench.verdict.conditions import InstanceTaken

_MOST = 60
_PARTS = {
    "other processes": "processes",
    "the cores' other threads": "siblings",
    "interrupts": "interrupts",
    "stolen by the host": "steal",
}
"""What stands for each of `contention.shares.Shares`."""

_LEAST_SUSPECT = 0.01
"""Of one CPU, as in the verdict's own list."""


def plan_rates(chart: str, record: Record, kpis: Kpis) -> Chart | None:
    """Return the images per second over the window; None of fewer than two queries a lane."""
    slices = min(_MOST, kpis.queries // kpis.lanes)
    if slices < 2:
        return None
    length = kpis.window.seconds / slices
    rates = list_rates(record, kpis, slices)
    interval = kpis.throughput_interval
    rows = [
        {"begin": number * length, "end": (number + 1) * length,
         "middle": (number + 0.5) * length, "rate": rate}
        for number, rate in enumerate(rates)
    ]  # fmt: skip
    columns = (
        Column("begin", "from second", 2),
        Column("end", "to second", 2),
        Column("rate", "images/s", 2),
    )
    left_out = sum(item.queries for item in kpis.warm_ups)
    notes = [
        f"{slices} equal slices of the window; a query's images are divided over its duration",
        "the dashed line is the result",
        *([f"the band is the mean's 95 % interval: {interval.low:,.2f} .. {interval.high:,.2f}"]
          if interval is not None else []),
        *([f"{left_out} queries before it were still warm-up and are left out"]
          if left_out else []),
    ]  # fmt: skip
    return Chart(
        id=chart,
        title="The run over time",
        text=(
            f"Line of images per second over the {kpis.window.seconds:,.1f} s of the window: "
            f"between {min(rates):,.2f} and {max(rates):,.2f}, {kpis.images_per_s:,.2f} in all."
        ),
        spec=_make_rate_spec(kpis, columns),
        rows=rows,
        columns=columns,
        notes=notes,
    )


def _make_rate_spec(kpis: Kpis, columns: tuple[Column, ...]) -> Spec:
    place = {
        "x": quantitative("middle", "second of the window", scale={"nice": False, "zero": True}),
        "y": quantitative("rate", "images/s", scale={"zero": False}),
    }
    layers: list[Spec] = []
    interval = kpis.throughput_interval
    if interval is not None:
        layers.append({
            "data": {"values": [{"low": interval.low, "high": interval.high}]},
            "mark": {"type": "rect", "color": "var(--series-1)", "opacity": 0.15, "tooltip": None},
            "encoding": {"y": quantitative("low", "images/s"), "y2": {"field": "high"}},
        })  # fmt: skip
    layers += [
        {"data": {"values": [{"rate": kpis.images_per_s}]},
         "mark": {"type": "rule", "color": "var(--ink)", "strokeDash": [4, 3], "tooltip": None},
         "encoding": {"y": quantitative("rate", "images/s")}},
        {"mark": {"type": "line", "color": "var(--series-1)", "interpolate": "linear",
                  "tooltip": None},
         "encoding": place},
        {"mark": {"type": "point", "filled": True, "size": 36, "color": "var(--series-1)"},
         "encoding": {**place, "tooltip": tooltips(columns)}},
    ]  # fmt: skip
    return {"height": 220, "layer": layers}


def plan_noise(chart: str, record: Record, kpis: Kpis | None) -> Chart | None:
    """Return what the instance that lost most lost in each tenth; None where nothing was read."""
    worst = find_worst(list_taken(record, kpis))
    if worst is None:
        return None
    rows = [
        {"tenth": number, "part": name, "percent": 100 * getattr(shares, attribute)}
        for number, shares in enumerate(worst.taken.tenths, start=1)
        for name, attribute in _PARTS.items()
    ]
    columns = (
        Column("tenth", "tenth of the window"),
        Column("part", "had by"),
        Column("percent", "% of the cores' time", 2),
    )
    most = max(item.total for item in worst.taken.tenths)
    colours = {"domain": list(_PARTS), "range": [SERIES[1], SERIES[2], SERIES[3], SERIES[4]]}
    return Chart(
        id=chart,
        title="Others on the cores",
        text=(
            f"Stacked bars: what others had of the time of instance {worst.item.slot.instance}'s "
            f"CPUs, {worst.taken.window.total:.1%} over the window and at most {most:.1%} in a "
            "tenth of it."
        ),
        spec={
            "height": 160,
            "mark": {"type": "bar", "width": {"band": 0.8}},
            "encoding": {
                "x": nominal("tenth", "tenth of the window", axis={"labelAngle": 0}),
                "y": quantitative(
                    "percent", "% of the cores' time", scale={"domain": [0, max(5.0, 100 * most)]}
                ),
                "color": nominal("part", None, scale=colours, legend={"columns": 2}),
                "tooltip": tooltips(columns),
            },
        },
        rows=rows,
        columns=columns,
        notes=tuple(_tell_suspects(worst)),
    )


def _tell_suspects(worst: InstanceTaken) -> Iterator[str]:
    shares = [(find_cpu_share(worst, item), item) for item in list_suspects(worst)]
    named = [(share, item) for share, item in shares if share >= _LEAST_SUSPECT]
    for share, item in named:
        yield f"suspect: {item.name} (pid {item.pid}) used {share:.0%} of one CPU"
    if not named:
        yield "no process was seen on these CPUs that used 1 % of one"
