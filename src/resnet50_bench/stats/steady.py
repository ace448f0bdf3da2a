"""Where a series becomes steady: its warm-up, found as a change point at its begin.

The best single step of the first half is looked for by least squares: a head of one mean, the rest
of another. It counts as warm-up when it lies in the first third, when the two means differ by more
than the series' own dependence explains (the autoregression of `intervals`, fitted to the rest),
and when a step describes the series better than a straight line does: a drift has no end that
could be cut off. After a cut the same is asked of what is left, since a warm-up often dies away in
several steps. More than a third of a series is never taken for warm-up: a change in its middle is
none.

Change points by least squares: J. Bai 1994, Journal of Time Series Analysis 15: 453-472. That
warm-up has to be found, in either direction, and may never end: Barrett et al. 2017, "Virtual
machine warmup blows hot and cold", OOPSLA.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from resnet50_bench.stats.intervals import average_batches, fit_dependence, t_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FEWEST = 20
"""Of fewer values none is taken for warm-up: the rest would be too few to judge by."""

CHANGE_LEVEL = 1e-4
"""A step counts below this p. It is the largest of many steps, so the level of a single test would
be passed by chance in every other series."""

LEAST_STEP = 0.005
"""A step of less than this part of the mean is none that anyone would call warm-up."""

_MOST_VALUES = 1000
"""Longer series are looked at in batches: a warm-up of less than a thousandth sways nothing."""


def find_warm_up(values: Sequence[float] | Floats) -> int:
    """Return how many values at the begin are warm-up: 0 to a third of them.

    Args:
        values: durations or rates in order of time, positive.
    """
    import numpy as np

    series: Floats = np.asarray(values, float)
    if len(series) < FEWEST:
        return 0
    size = -(-len(series) // _MOST_VALUES)
    # Batches begin with the first value here: it is the begin that matters.
    batches = average_batches(series[::-1], _MOST_VALUES)[::-1]
    cut, last = 0, len(batches) // 3
    while cut < last:
        step = _find_step(batches[cut:], last - cut)
        if step == 0:
            break
        cut += step
    return cut * size


def _find_step(series: Floats, last: int) -> int:
    """Return where the series changes; 0 where it does not, or only behind `last`."""
    import numpy as np

    count = len(series)
    centred = series - series.mean()
    lengths = np.arange(1, count // 2 + 1)
    heads = np.cumsum(centred)[: len(lengths)]
    gains = heads**2 * count / (lengths * (count - lengths))
    length = 1 + int(gains.argmax())
    line = np.linspace(-1, 1, count)
    if length > last or gains[length - 1] <= float(line @ centred) ** 2 / float(line @ line):
        return 0
    return length if _is_step(series[:length], series[length:]) else 0


def _is_step(head: Floats, rest: Floats) -> bool:
    """Whether the means of two neighbouring parts differ by more than chance."""
    difference = float(head.mean() - rest.mean())
    if abs(difference) < LEAST_STEP * float(rest.mean()):
        return False
    left = rest - rest.mean()
    if not left.any():
        return True
    dependence = fit_dependence(left)
    variance = dependence.mean_variance(len(head)) + dependence.mean_variance(len(rest))
    p = t_test(difference / math.sqrt(variance), dependence.degrees(len(rest)))
    return p < CHANGE_LEVEL
