"""Counts and shares: intervals, and tests of two that were counted on the same things."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


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
