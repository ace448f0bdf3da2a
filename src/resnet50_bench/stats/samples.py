"""Pure maths on plain numbers: percentiles, rates, spread, and what counts tell."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass
from statistics import NormalDist
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


def plan_slices(begin: int, end: int, count: int) -> list[tuple[int, int]]:
    """Divide `begin`..`end` into `count` intervals that differ by at most one unit."""
    edges = [begin + (end - begin) * index // count for index in range(count + 1)]
    return list(itertools.pairwise(edges))


def overlap_share(start: int, end: int, low: int, high: int) -> float:
    """Return the share, 0..1, of the interval `start`..`end` that lies inside `low`..`high`."""
    if end <= start:
        return 1.0 if low < end <= high else 0.0
    return max(0, min(end, high) - max(start, low)) / (end - start)


def describe_spread(values: Sequence[float]) -> Spread:
    """Return median, range and variation of the values, at least two of them."""
    ordered = sorted(values)
    count = len(ordered)
    middle = count // 2
    median = ordered[middle] if count % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    mean = math.fsum(ordered) / count
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (count - 1))
    return Spread(median, ordered[0], ordered[-1], deviation / mean if mean else 0.0)


def wilson_interval(
    successes: float, trials: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the score interval of a proportion: low and high, each 0..1.

    E. B. Wilson 1927, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22: 209-212, without continuity correction. It never leaves 0..1 and has
    a width at 0 and at `trials` successes, where the normal approximation has none; recommended
    for that by Brown, Cai and DasGupta 2001, Statistical Science 16: 101-133.

    Args:
        successes: 0..trials; not whole where images count in part.
        trials: above 0.
        confidence: between 0 and 1.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    # At the ends the exact bound is the end itself; rounding would miss it by an ulp.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def sign_test(more: int, less: int) -> float:
    """Return the two-sided p-value of `more` changes one way and `less` the other.

    The probability that fair coins fall at least this unevenly: McNemar's test in its exact form,
    with the discordant pairs as the coins. A. Agresti, Categorical Data Analysis, 3rd ed. 2013,
    section 11.1.1. 1 where nothing changed.
    """
    count, most = more + less, max(more, less)
    if more == less:
        return 1.0
    term = math.comb(count, most) / (1 << count)
    tail = 0.0
    # Above the middle every term is smaller than the one before it.
    for heads in range(most, count + 1):
        tail += term
        term *= (count - heads) / (heads + 1)
        if term < tail * 1e-17:
            break
    return min(1.0, 2 * tail)


@dataclass(frozen=True, slots=True)
class Pairs:
    """How the same images were judged twice.

    Attributes:
        both: right both times.
        first: right the first time only.
        second: right the second time only.
        neither: never right.
    """

    both: int
    first: int
    second: int
    neither: int

    @property
    def count(self) -> int:
        """All pairs."""
        return self.both + self.first + self.second + self.neither

    @property
    def gain(self) -> float:
        """The second share of right answers less the first, -1..1."""
        return (self.second - self.first) / self.count


def paired_interval(pairs: Pairs, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of `pairs.gain`: low and high, each -1..1.

    R. G. Newcombe 1998, "Improved confidence intervals for the difference between binomial
    proportions based on paired data", Statistics in Medicine 17: 2635-2650, method 10: Wilson's
    intervals of both shares, combined with the correlation phi, which is corrected for continuity
    where it is positive.

    Args:
        pairs: at least one.
        confidence: between 0 and 1.
    """
    count = pairs.count
    before, after = pairs.both + pairs.first, pairs.both + pairs.second
    below_before, above_before = _wilson_distances(before, count, confidence)
    below_after, above_after = _wilson_distances(after, count, confidence)
    phi = _corrected_phi(pairs)
    down = below_after**2 - 2 * phi * below_after * above_before + above_before**2
    up = above_after**2 - 2 * phi * above_after * below_before + below_before**2
    # Never negative but for rounding, as |phi| <= 1.
    return pairs.gain - math.sqrt(max(0.0, down)), pairs.gain + math.sqrt(max(0.0, up))


def _wilson_distances(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    low, high = wilson_interval(successes, trials, confidence)
    return successes / trials - low, high - successes / trials


def _corrected_phi(pairs: Pairs) -> float:
    """The correlation of the two judgements; 0 where one of them never varies."""
    before, after = pairs.both + pairs.first, pairs.both + pairs.second
    product = before * (pairs.count - before) * after * (pairs.count - after)
    if product == 0:
        return 0.0
    association = pairs.both * pairs.neither - pairs.first * pairs.second
    if association > 0:
        return max(0.0, association - pairs.count / 2) / math.sqrt(product)
    return association / math.sqrt(product)
