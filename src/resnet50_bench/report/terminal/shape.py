"""How a run went, as small pictures of text: its rate over time, and how long queries took."""

from __future__ import annotations

import bisect
import itertools
from typing import TYPE_CHECKING

from resnet50_bench.results.kpi import list_durations, list_rates
from resnet50_bench.stats.samples import plan_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record

_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_CELLS = 50
_LEAST_RANGE = 0.1
"""Of the largest value: what differs by less is drawn as nearly level, not as a mountain range."""


def describe_shape(record: Record, kpis: Kpis) -> Iterator[tuple[str, str]]:
    """Return the rate over the window as a sparkline, and a histogram of the queries' durations.

    Nothing of fewer than two queries a lane: there is no shape.
    """
    cells = min(_CELLS, kpis.queries // kpis.lanes)
    if cells > 1:
        rates = list_rates(record, kpis, cells)
        low, high = min(rates), max(rates)
        # The lowest has an eighth, the highest all eight.
        floor = min(low - (high - low) / (len(_BARS) - 1), high * (1 - _LEAST_RANGE))
        yield "Over time", f"{draw_bars(rates, floor)}  {low:.2f} .. {high:.2f} images/s"
    durations = list_durations(record, kpis)
    if len(durations) > 1 and durations[0] < durations[-1]:
        counts = count_in_bins(durations, min(_CELLS, len(durations)))
        ends = f"{durations[0] / 1e6:.2f} .. {durations[-1] / 1e6:.2f} ms"
        yield "Durations", f"{draw_bars(counts, 0)}  {ends}, at most {max(counts)} in a bar"


def draw_bars(values: Sequence[float], floor: float) -> str:
    """Draw each value as a bar of one cell, in eighths; the largest is full.

    Args:
        values: none below the floor.
        floor: what an empty cell stands for; a value above it shows at least an eighth.
    """
    high = max(values)
    return "".join(_draw_bar((value - floor) / (high - floor) if value > floor else 0.0)
                   for value in values)  # fmt: skip


def _draw_bar(share: float) -> str:
    return _BARS[max(0, round(share * len(_BARS)) - 1)] if share else " "


def count_in_bins(ordered: Sequence[int], bins: int) -> list[int]:
    """Return how many values lie in each of so many equal parts of their range.

    Args:
        ordered: ascending, not all the same.
        bins: at least one.
    """
    edges = [end for _, end in plan_slices(ordered[0], ordered[-1], bins)]
    places = [0, *(bisect.bisect_right(ordered, edge) for edge in edges)]
    return [after - before for before, after in itertools.pairwise(places)]
