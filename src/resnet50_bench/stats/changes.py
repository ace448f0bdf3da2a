"""Where a series of measurements changes: steps, or a drift, each with its size.

Values are logarithms, so that a change is a ratio. Candidates are the exact optimum of a cost of
squares and a penalty a step (PELT: R. Killick, P. Fearnhead, I. A. Eckley 2012, JASA 107:
1590-1598) as `ruptures` computes it. Whether a candidate is a change is decided by a t test against
its neighbours, at a level that counts every place where one could have been found (Bonferroni), and
that respects that neighbouring values resemble each other. The dependence is read from
differences one and two apart, which a few steps do not disturb.

A slow drift would pass for a stair of small steps. Where a level that bends into a line describes
the series better than the steps (by the Bayesian information criterion), it is told as a drift.

`benchmarks/changes.py` counts the false alarms, and how soon true changes are found.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.stats.effects import Effect
from resnet50_bench.stats.intervals import t_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FEWEST = 8
"""Of fewer values, nothing is said."""

LEAST_SEGMENT = 3
"""Values between two changes, at least: one odd value is no change."""

LEVEL = 0.005
"""Of the series in which nothing changes, so many are to give a false alarm, at most."""

CONFIDENCE = 0.95

FLOOR = 1e-3
"""The scatter of single values is taken to be this at least, as a part: clocks, warm-up and windows
alone differ by as much, and values that happen to agree would make any change significant."""

_TAME = 4.0
"""A value further from its neighbours' median than so many deviations is moved to there."""

_NEIGHBOURS = 3
"""To each side."""

_SLOPE_NEIGHBOURS = 20
"""To each side, of a difference, that tell the slope there."""

_MAD = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""

_MOST_DEPENDENCE = 0.9


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a series.

    Attributes:
        place: of the first value after a step, or the first of a drift.
        effect: the level after a step against the level before; of a drift, its last value's
            level against that before it.
        drifts: it is a drift, which goes on to the end.
    """

    place: int
    effect: Effect
    drifts: bool = False


@dataclass(frozen=True, slots=True)
class _Bend:
    """A level up to a place, and a line from there."""

    place: int
    squares: float
    rise: float
    error_factor: float


def find_changes(values: Sequence[float]) -> tuple[Change, ...]:
    """Return the changes of a series in order of time; none where there is no telling.

    Args:
        values: logarithms of what was measured, in order of time.

    Raises:
        ImportError: `ruptures` is not installed.
    """
    import numpy as np

    series = _tame(np.asarray(values, float))
    if len(series) < FEWEST:
        return ()
    inefficiency = _find_inefficiency(series)
    places = _prune(series, _propose(series, inefficiency), inefficiency)
    if not places:
        return ()
    drift = _find_drift(series, places, inefficiency)
    if drift is not None:
        return (drift,)
    return tuple(
        Change(place, _compare(series, places, number, inefficiency))
        for number, place in enumerate(places)
    )


def _tame(series: Floats) -> Floats:
    """Move values that stand alone to where their neighbours bound them; steps pass untouched."""
    import numpy as np

    if len(series) < FEWEST:
        return series
    medians = _slide_median(series, _NEIGHBOURS)
    bound = _TAME * max(FLOOR, _estimate_scatter(series))
    tamed: Floats = np.clip(series, medians - bound, medians + bound)
    return tamed


def _slide_median(series: Floats, neighbours: int) -> Floats:
    """The median of each value and so many to each side."""
    import numpy as np

    padded = np.pad(series, neighbours, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * neighbours + 1)
    medians: Floats = np.median(windows, axis=1)
    return medians


def _estimate_scatter(series: Floats) -> float:
    """The standard deviation of a value, by the differences of neighbours."""
    import numpy as np

    differences = np.diff(series)
    return float(_MAD * np.median(np.abs(differences)) / math.sqrt(2))


def _find_inefficiency(series: Floats) -> float:
    """How many values tell as much as one independent value.

    Of a first-order autoregression with coefficient a, differences one apart have the variance
    2 s^2 (1 - a), and two apart 2 s^2 (1 - a^2): their ratio is 1 + a. What a slope adds to all of
    them is taken off.
    """
    import numpy as np

    def spread(lag: int) -> float:
        differences = series[lag:] - series[:-lag]
        differences = differences - _slide_median(differences, _SLOPE_NEIGHBOURS)
        bound = 3 * _MAD * float(np.median(np.abs(differences)))
        return float(np.mean(np.clip(differences, -bound, bound) ** 2))

    near = max(spread(1), 2 * FLOOR**2)
    coefficient = min(max(spread(2) / near - 1, 0.0), _MOST_DEPENDENCE)
    return (1 + coefficient) / (1 - coefficient)


def _propose(series: Floats, inefficiency: float) -> list[int]:
    """Every place that could be a step, cheaply: most are refused later."""
    import ruptures

    variance = max(FLOOR, _estimate_scatter(series)) ** 2 * inefficiency
    search = ruptures.KernelCPD(kernel="linear", min_size=LEAST_SEGMENT).fit(series)
    found = search.predict(pen=2 * variance * math.log(len(series)))
    return [int(place) for place in found[:-1]]


def _prune(series: Floats, places: list[int], inefficiency: float) -> list[int]:
    """Leave out the least certain step until all are significant."""
    while places:
        doubts = [
            _find_p(_compare(series, places, number, inefficiency)) for number in range(len(places))
        ]
        worst = max(range(len(places)), key=doubts.__getitem__)
        if doubts[worst] <= LEVEL / len(series):
            return places
        places = [place for number, place in enumerate(places) if number != worst]
    return []


def _find_p(effect: Effect) -> float:
    return t_test(effect.log_ratio / effect.error, effect.degrees)


def _find_scatter(squares: float, count: int, fitted: int) -> float:
    return max(FLOOR, math.sqrt(squares / max(count - fitted, 1)))


def _compare(series: Floats, places: list[int], number: int, inefficiency: float) -> Effect:
    """The level after a step against that before it; the scatter is that within all segments."""
    edges = [0, *places, len(series)]
    squares = _sum_squares(series, places)
    scatter = _find_scatter(squares, len(series), len(places) + 1)
    before = series[edges[number] : edges[number + 1]]
    after = series[edges[number + 1] : edges[number + 2]]
    error = scatter * math.sqrt(inefficiency * (1 / len(before) + 1 / len(after)))
    return Effect(
        log_ratio=float(after.mean() - before.mean()),
        error=error,
        degrees=max(1.0, (len(series) - len(places) - 1) / inefficiency),
        confidence=CONFIDENCE,
        scatter=scatter,
    )


def _sum_squares(series: Floats, places: list[int]) -> float:
    edges = [0, *places, len(series)]
    return sum(
        float(((part := series[begin:end]) - part.mean()) @ (part - part.mean()))
        for begin, end in itertools.pairwise(edges)
    )


def _find_drift(series: Floats, places: list[int], inefficiency: float) -> Change | None:
    """A bend that describes the series better than the steps do; None where the steps are better.

    A step costs two numbers, its place and its height; a bend its place and its slope.
    """
    count = len(series)
    bend = min((_fit_bend(series, place) for place in range(count - FEWEST + 1)), key=_squares_of)
    least = count * FLOOR**2
    gain = (
        count
        * math.log(max(_sum_squares(series, places), least) / max(bend.squares, least))
        / inefficiency
    )
    if gain <= 2 * (1 - len(places)) * math.log(count):
        return None
    scatter = _find_scatter(bend.squares, count, 3)
    effect = Effect(
        log_ratio=bend.rise,
        error=scatter * bend.error_factor * math.sqrt(inefficiency),
        degrees=max(1.0, (count - 3) / inefficiency),
        confidence=CONFIDENCE,
        scatter=scatter,
    )
    return Change(bend.place, effect, drifts=True)


def _squares_of(bend: _Bend) -> float:
    return bend.squares


def _fit_bend(series: Floats, place: int) -> _Bend:
    """Fit a level and a line that leaves it at a place."""
    import numpy as np

    line = np.clip(np.arange(len(series)) - place, 0, None) / (len(series) - 1 - place)
    centred = line - line.mean()
    weight = float(centred @ centred)
    rise = float(centred @ series) / weight
    rest = series - series.mean() - rise * centred
    return _Bend(place, float(rest @ rest), rise, 1 / math.sqrt(weight))
