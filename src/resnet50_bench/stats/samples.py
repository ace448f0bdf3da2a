"""Times and rates: percentiles by nearest rank, slices of a window, spread."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """How much something varied.

    Attributes:
        median, low, high: of the values.
        variation: standard deviation / mean (n - 1 in the deviation).
    """

    median: float
    low: float
    high: float
    variation: float


def nearest_rank(ordered: Sequence[int], percent: float) -> int:
    """Return the percentile by nearest rank: the smallest value with >= percent % at or below it.

    It is always a value that was measured. (NIST/SEMATECH e-Handbook, 7.2.6.2, calls for
    interpolation instead; MLPerf's LoadGen indexes ordered latencies as here.)

    Args:
        ordered: ascending, not empty.
        percent: above 0, at most 100.
    """
    # Rounded first: 99.9 / 100 * 1000 is 999.0000000000001 in binary.
    rank = math.ceil(round(percent * len(ordered) / 100, 9))
    return ordered[rank - 1]


def is_percentile_supported(count: int, percent: float) -> bool:
    """Whether at least one of `count` values is expected above the percentile.

    With fewer, the percentile would be the maximum under another name.
    """
    return round(count * (100 - percent) / 100, 9) >= 1


def count_at_or_below(ordered: Sequence[int], limit: int) -> int:
    """Return how many values are <= limit."""
    return bisect_right(ordered, limit)


def interpolate(times: Sequence[int], values: Sequence[int], at: int) -> float:
    """Return a counter's value at a moment, growing evenly between two readings.

    Before the first reading and behind the last it stands.

    Args:
        times: of the readings, ascending, not empty.
        values: as many.
        at: the moment.
    """
    after = bisect_right(times, at)
    if after == 0:
        return values[0]
    if after == len(times):
        return values[-1]
    part = (at - times[after - 1]) / (times[after] - times[after - 1])
    return values[after - 1] + part * (values[after] - values[after - 1])


def plan_slices(begin: int, end: int, count: int) -> list[tuple[int, int]]:
    """Divide `begin`..`end` into `count` intervals that differ by at most one unit."""
    edges = [begin + (end - begin) * index // count for index in range(count + 1)]
    return list(itertools.pairwise(edges))


def describe_spread(values: Sequence[float]) -> Spread:
    """Return median, range and variation of the values, at least two of them."""
    ordered = sorted(values)
    count = len(ordered)
    middle = count // 2
    median = ordered[middle] if count % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    mean = math.fsum(ordered) / count
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (count - 1))
    return Spread(median, ordered[0], ordered[-1], deviation / mean if mean else 0.0)
