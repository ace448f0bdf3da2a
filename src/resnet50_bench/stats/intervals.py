"""The mean of a series of dependent values, with an interval that respects their dependence.

Neighbouring queries resemble each other: a core that is slow now is slow for a while. The usual
standard error counts every value as news and comes out too small. Here the values are averaged in
at most `BATCHES` batches (batch means), a first-order autoregression is fitted to these, and the
variance of their mean follows from it. The autoregression's coefficient, which is estimated too low
from few values, is corrected (Kendall 1954; Marriott and Pope 1954, Biometrika 41: 390-403); the
t-quantile has the degrees of freedom of a variance that was estimated in this way.

A drift would pass for dependence of the longest kind. Where a straight line through the series is
significant beside its dependence, it is taken off before the dependence is judged. What is then
estimated is the mean over the time that was measured, not what a longer measurement would show.

`benchmarks/coverage.py` counts how often the interval holds the truth.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

BATCHES = 60
"""As many as show the dependence between batches, few enough that it is small: at batches of 20 a
coefficient of 0.9 from value to value has become 0.3."""

FEWEST = 10
"""Of fewer values the dependence cannot be told."""

DRIFT_LEVEL = 0.001
"""A line is taken for a drift below this p: a false one would make the interval too narrow."""

_LINE_DEGREES = 3.0
"""At least, of the test for a line. What a smooth but bent drift leaves beside a line has the
longest dependence there is, and with one degree of freedom nothing would ever be significant."""

_LOWEST, _HIGHEST = -0.3, 0.97
"""Bounds of the coefficient: below, the interval would lean on a regularity that few values cannot
show; above, the series is shorter than its memory."""


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean and how well it is known.

    Attributes:
        mean: of all values.
        error: its standard error, dependence included.
        degrees: of freedom of the standard error, at least 1.
        effective: how many independent values would have told as much.
        drift: by how much a line through the values rises from their begin to their end; 0 where
            none is significant.
    """

    mean: float
    error: float
    degrees: float
    effective: float
    drift: float = 0.0

    def half_width(self, confidence: float = 0.95) -> float:
        """How far the interval reaches to each side of the mean."""
        return t_quantile(self.degrees, confidence) * self.error if self.error else 0.0

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.mean - self.half_width()

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.mean + self.half_width()

    @property
    def relative(self) -> float:
        """The half width of the 95 % interval as a part of the mean."""
        return self.half_width() / abs(self.mean) if self.mean else math.inf


@dataclass(frozen=True, slots=True)
class Dependence:
    """A first-order autoregression: each value is `coefficient` times the last one, and news.

    Attributes:
        coefficient: between -1 and 1.
        variance: of the values themselves.
    """

    coefficient: float
    variance: float

    @property
    def inefficiency(self) -> float:
        """How many values in a long series tell as much as one independent value."""
        return (1 + self.coefficient) / (1 - self.coefficient)

    def mean_variance(self, count: int) -> float:
        """Return the variance of the mean of so many neighbours."""
        a = self.coefficient
        near_ends = 2 * a * (1 - a**count) / (count * (1 - a) ** 2)
        return self.variance * (self.inefficiency - near_ends) / count

    def degrees(self, count: int) -> float:
        """Return the degrees of freedom of a `mean_variance` that was fitted to so many values.

        By the delta method: an AR(1)'s spectral density at 0 has a relative variance of
        2 / count for the news and 4 * inefficiency / count for the coefficient.
        """
        return max(1.0, count / (1 + 2 * self.inefficiency))


def t_quantile(degrees: float, confidence: float = 0.95) -> float:
    """Return the two-sided quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + confidence / 2))


def t_test(statistic: float, degrees: float) -> float:
    """Return the two-sided p of a t statistic."""
    from scipy.special import stdtr

    return 2 * float(stdtr(degrees, -abs(statistic)))


def estimate_rounds(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of independent rounds, by their spread (Student's t).

    Args:
        values: of each round, two or more.
    """
    mean = statistics.fmean(values)
    half = t_quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def estimate_mean(values: Sequence[float] | Floats) -> MeanInterval | None:
    """Return the mean of a series in order of time; None of fewer than `FEWEST` values."""
    import numpy as np

    series: Floats = np.asarray(values, float)
    if len(series) < FEWEST:
        return None
    batches = average_batches(series, BATCHES)
    count = len(batches)
    centred = batches - batches.mean()
    if not centred.any():
        return MeanInterval(float(series.mean()), 0.0, count - 1.0, float(len(series)))
    line = np.linspace(-1, 1, count)
    slope, dependence = _find_line(centred, line)
    if slope == 0.0:
        dependence = fit_dependence(centred)
    variance = dependence.mean_variance(count)
    return MeanInterval(
        mean=float(series.mean()),
        error=math.sqrt(variance),
        degrees=dependence.degrees(count),
        effective=_count_independent(series - slope * np.linspace(-1, 1, len(series)), variance),
        drift=2 * slope,
    )


def _count_independent(steady: Floats, variance: float) -> float:
    """How many values like these, but independent, would give their mean this variance."""
    return float(steady.var(ddof=1)) / variance if variance else float(len(steady))


def average_batches(series: Floats, most: int) -> Floats:
    """Return the means of at most so many equal batches; the first values that are over are left
    out.
    """
    size = -(-len(series) // most)
    count = len(series) // size
    batched: Floats = series[len(series) - count * size :].reshape(count, size).mean(axis=1)
    return batched


def fit_dependence(residuals: Floats, fitted: int = 1) -> Dependence:
    """Fit an autoregression to what is left of a series.

    Args:
        residuals: not all 0.
        fitted: what was taken off: 1 the mean, 2 a line.
    """
    count = len(residuals)
    squares = float(residuals @ residuals)
    raw = float(residuals[1:] @ residuals[:-1]) / squares
    # The expectation of `raw` is a - (fitted + (2 + fitted) * a) / count, solved for a.
    corrected = (count * raw + fitted) / (count - 2 - fitted)
    coefficient = min(max(corrected, _LOWEST), _HIGHEST)
    unit = Dependence(coefficient, 1.0)
    # What the fitted mean, and the line, took of the squares, by the dependence itself.
    lost = fitted * count * unit.mean_variance(count)
    return Dependence(coefficient, squares / max(count - lost, 1.0))


def _find_line(centred: Floats, line: Floats) -> tuple[float, Dependence]:
    """Return the slope of the series along `line`, 0 where it is not significant, and the
    dependence of what a line leaves.
    """
    import numpy as np

    squares = float(line @ line)
    slope = float(line @ centred) / squares
    residuals = centred - slope * line
    if float(residuals @ residuals) <= 1e-20 * float(centred @ centred):
        return slope, Dependence(0.0, 0.0)
    dependence = fit_dependence(residuals, fitted=2)
    lags = np.arange(1, len(line))
    products = np.array([line[lag:] @ line[:-lag] for lag in lags])
    spread = squares + 2 * float(products @ dependence.coefficient**lags)
    error = math.sqrt(dependence.variance * spread) / squares
    p = t_test(slope / error, max(_LINE_DEGREES, dependence.degrees(len(line))))
    return (slope if p < DRIFT_LEVEL else 0.0), dependence
