"""How much larger one group of measurements is than another, how sure that is, and how many more
measurements would tell.

Everything is computed on logarithms, so that an effect is a ratio: the measurements are positive,
and their scatter grows with them.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.stats.intervals import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

POWER = 0.8
"""Of the comparisons that are planned, so many find a true effect of the size they are planned for
(J. Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, section 2.4)."""

MOST_RUNS = 1000
"""More are not planned."""

_CAUTION = 0.9
"""The scatter that is planned with is exceeded by the true one in one plan of ten: the upper
confidence limit of the pilot's, after R. H. Browne 1995, Statistics in Medicine 14: 1933-1940."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The second group against the first, as a difference of logarithms.

    Attributes:
        log_ratio: of the second to the first.
        error: its standard error.
        degrees: of freedom of the error.
        confidence: of the interval.
        scatter: standard deviation of one measurement; of one pair's difference where paired.
        pairs: how many pairs were compared; None for groups that are not paired.
    """

    log_ratio: float
    error: float
    degrees: float
    confidence: float
    scatter: float
    pairs: int | None = None

    @property
    def half_width(self) -> float:
        """Of the interval, as a logarithm."""
        return t_quantile(self.degrees, self.confidence) * self.error

    @property
    def change(self) -> float:
        """By which part the second is larger: 0.03 is 3 % more."""
        return math.expm1(self.log_ratio)

    @property
    def low(self) -> float:
        """Lower end of the interval of `change`."""
        return math.expm1(self.log_ratio - self.half_width)

    @property
    def high(self) -> float:
        """Upper end of the interval of `change`."""
        # What two measurements that lie far apart do not exclude is beyond all numbers.
        return math.expm1(min(self.log_ratio + self.half_width, 700.0))


def compare_pairs(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> Effect:
    """Compare measurements that were made in turns, each with its neighbour.

    Args:
        first: positive; two at least.
        second: those made beside them, pair by pair.
        confidence: of the interval.
    """
    differences = [math.log(b / a) for a, b in zip(first, second, strict=True)]
    scatter = statistics.stdev(differences)
    return Effect(
        log_ratio=statistics.fmean(differences),
        error=scatter / math.sqrt(len(differences)),
        degrees=len(differences) - 1,
        confidence=confidence,
        scatter=scatter,
        pairs=len(differences),
    )


def compare_groups(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> Effect:
    """Compare two groups whose measurements scatter alike (Student's t with a pooled variance).

    Args:
        first: positive.
        second: positive; three together at least.
        confidence: of the interval.
    """
    logs = [[math.log(value) for value in group] for group in (first, second)]
    means = [statistics.fmean(group) for group in logs]
    degrees = len(first) + len(second) - 2
    squares = sum(
        (value - mean) ** 2 for group, mean in zip(logs, means, strict=True) for value in group
    )
    scatter = math.sqrt(squares / degrees)
    return Effect(
        log_ratio=means[1] - means[0],
        error=scatter * math.sqrt(1 / len(first) + 1 / len(second)),
        degrees=degrees,
        confidence=confidence,
        scatter=scatter,
    )


def plan_runs(effect: Effect, size: float, power: float = POWER) -> int | None:
    """Return how many measurements of each side find a true effect of this size.

    Args:
        effect: seen in a pilot: its scatter, how well that is known, whether it was paired.
        size: of the effect to find, as a part: 0.03 is 3 %.
        power: the share of such comparisons that find it.

    Returns:
        The number on each side, those of the pilot included; None if it is above `MOST_RUNS`.
    """
    from scipy.special import chdtri

    limit = float(chdtri(effect.degrees, _CAUTION))
    scatter = effect.scatter * math.sqrt(effect.degrees / limit)
    low, high = 1, 2
    while high <= MOST_RUNS and _find_power(effect, scatter, size, high) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _find_power(effect, scatter, size, middle) < power:
            low = middle
        else:
            high = middle
    return high if high <= MOST_RUNS else None


def _find_power(effect: Effect, scatter: float, size: float, count: int) -> float:
    """How often so many measurements of each side find an effect."""
    from scipy.special import nctdtr

    paired = effect.pairs is not None
    degrees = count - 1 if paired else 2 * count - 2
    error = scatter * math.sqrt((1 if paired else 2) / count)
    if error == 0:
        return 1.0
    shift = math.log1p(size) / error
    return 1 - float(nctdtr(degrees, shift, t_quantile(degrees, effect.confidence)))
