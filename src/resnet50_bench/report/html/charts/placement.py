"""Who sat where: every hardware thread of the host as a cell, in the colour of its instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.report.html.charts.chart import (
    SERIES,
    Chart,
    Column,
    Row,
    Spec,
    nominal,
    tooltips,
)
from resnet50_bench.report.terminal.host import group_cores
from resnet50_bench.report.terminal.placement_map import describe_instances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.record import Record

_ACROSS = 16
_CELL_PX = 26
_IDLE = "idle"
_COLUMNS = (
    Column("cpu", "CPU"),
    Column("owner", "instance"),
    Column("socket", "socket"),
    Column("node", "memory node"),
    Column("core", "core of the node"),
    Column("thread", "thread of the core"),
)


def plan_placement(chart: str, record: Record) -> Chart:
    """Return the map of the host's usable hardware threads."""
    rows = list(_list_cells(record))
    busy = sum(row["owner"] != _IDLE for row in rows)
    return Chart(
        id=chart,
        title="Who sat where",
        text=(
            f"Map of {len(rows)} hardware threads of the host: {busy} run instances "
            f"({describe_instances(record.placement)}), {len(rows) - busy} are idle."
        ),
        spec=_make_spec(rows),
        rows=rows,
        columns=_COLUMNS,
        notes=("a cell is a hardware thread; the number in it is its instance's",),
    )


def _list_cells(record: Record) -> Iterator[Row]:
    owner = {cpu: slot.instance for slot in record.placement.slots for cpu in slot.cpus}
    before = 0
    for (socket, node, kind), cores in group_cores(record.host).items():
        threads = max(len(core.cpus) for core in cores)
        where = f"socket {socket}" + (f", node {node}" if node is not None else "")
        where += f", {kind.label}" if kind is not None else ""
        for number, core in enumerate(cores):
            for thread, cpu in enumerate(core.cpus):
                line = number // _ACROSS * threads + thread
                instance = owner.get(cpu)
                yield {
                    "cpu": cpu,
                    "owner": _IDLE if instance is None else str(instance),
                    "colour": _IDLE if instance is None else str(instance % len(SERIES)),
                    "socket": socket,
                    "node": "none" if node is None else node,
                    "core": number,
                    "thread": thread,
                    "across": number % _ACROSS,
                    # Only a group's first line is named; blanks tell the others apart.
                    "line": where if line == 0 else " " * (before + line),
                }
        before += threads * -(-len(cores) // _ACROSS)


def _make_spec(rows: Sequence[Row]) -> Spec:
    lines = list(dict.fromkeys(row["line"] for row in rows))
    place = {
        "x": nominal("across", None, axis=None, scale={"domain": list(range(_ACROSS))}),
        "y": nominal(
            "line", None, scale={"domain": lines},
            axis={"labelLimit": 150, "domain": False, "ticks": False, "grid": False},
        ),
    }  # fmt: skip
    names = [*map(str, range(len(SERIES))), _IDLE]
    colours = {"domain": names, "range": [*SERIES, "var(--idle)"]}
    cells = {
        "mark": {"type": "rect", "cornerRadius": 4, "stroke": "var(--card)", "strokeWidth": 3},
        "encoding": {
            "color": nominal("colour", None, scale=colours, legend=None),
            "tooltip": tooltips(_COLUMNS),
        },
    }
    numbers = {
        "transform": [{"filter": f"datum.owner !== '{_IDLE}'"}],
        "mark": {"type": "text", "fontSize": 11, "fontWeight": 600, "color": "var(--on-series)",
                 "tooltip": None},
        "encoding": {"text": nominal("owner")},
    }  # fmt: skip
    return {"height": len(lines) * _CELL_PX, "encoding": place, "layer": [cells, numbers]}
