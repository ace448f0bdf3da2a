"""What trials say of an entrant: its score with an interval, and whether it keeps to a limit.

Scores are compared as logarithms: what matters is a ratio, and noise is in proportion. A trial's
logarithm scatters for two reasons: within the trial, which its own interval shows, and from start
to start (where memory came to lie, what the host did at that time), which no interval from within a
trial can show. The second is estimated from the entrants that were measured in several starts,
pooled, and shrunk towards a prior as in G. K. Smyth 2004, "Linear models and empirical Bayes
methods", Stat. Appl. Genet. Mol. Biol. 3: 3; hence Student's t with the degrees of both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from resnet50_bench.search.race.costs import Trial
from resnet50_bench.stats.intervals import t_quantile

PRIOR_DEVIATION = 0.01
"""Standard deviation from start to start, as a share; see docs/tuning.md."""

DISTURBED_DEVIATION = 0.25
"""Of a trial during which other work had the cores: it says next to nothing, so that it drops
nobody out and nobody wins by it."""

PRIOR_DEGREES = 8.0
"""How many observed degrees of freedom the prior counts as much as."""

_Z95 = 1.959964
_ONE_SIDED = 1.644854


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of an entrant's score, as a logarithm.

    Attributes:
        mean: of the logarithm.
        deviation: standard error of that.
        starts: in how many it was measured.
    """

    mean: float
    deviation: float
    starts: int

    @property
    def score(self) -> float:
        """In the score's own unit."""
        return math.exp(self.mean)

    @property
    def low(self) -> float:
        """The bound that the logarithm is above with 95 %: what an entrant is chosen by."""
        return self.mean - _ONE_SIDED * self.deviation

    @property
    def high(self) -> float:
        """The bound that it is below with 95 %: what an entrant promises."""
        return self.mean + _ONE_SIDED * self.deviation

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the score, in its own unit."""
        return (
            math.exp(self.mean - _Z95 * self.deviation),
            math.exp(self.mean + _Z95 * self.deviation),
        )

    def exceeds(self, other: Estimate, quantile: float, within: float) -> bool:
        """Whether it may be better than the other by more than a share of `within`."""
        gap = self.mean - other.mean
        deviation = math.hypot(self.deviation, other.deviation)
        return gap + quantile * deviation > math.log1p(within)


def estimate_scores(trials: Mapping[int, Sequence[Trial]]) -> dict[int, Estimate]:
    """Return an estimate for each entrant that has a score."""
    scored = {number: _select_scored(items) for number, items in trials.items()}
    between = find_start_deviation(trials)
    return {number: _combine(items, between) for number, items in scored.items() if items}


def find_start_deviation(trials: Mapping[int, Sequence[Trial]]) -> float:
    """Return the standard deviation of a score from start to start, as a share."""
    squares, degrees = PRIOR_DEGREES * PRIOR_DEVIATION**2, PRIOR_DEGREES
    for items in trials.values():
        logs = [math.log(item.score) for item in _select_scored(items)]
        if len(logs) > 1:
            mean = math.fsum(logs) / len(logs)
            squares += math.fsum((value - mean) ** 2 for value in logs)
            degrees += len(logs) - 1
    return math.sqrt(squares / degrees)


def find_critical_value(
    trials: Mapping[int, Sequence[Trial]], entrants: int, confidence: float
) -> float:
    """Return the quantile that holds for all comparisons with the leader together (Bonferroni)."""
    degrees = PRIOR_DEGREES + sum(
        max(0, len(_select_scored(items)) - 1) for items in trials.values()
    )
    return t_quantile(degrees, 1 - 2 * (1 - confidence) / max(1, entrants - 1))


def _select_scored(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.problem is None and trial.score > 0]


def _combine(trials: Sequence[Trial], between: float) -> Estimate:
    """The mean of trials in as many starts, each weighted by how well it is known.

    Where they disagree by more than that allows, the error grows with the Birge ratio (R. T. Birge
    1932, Phys. Rev. 40: 207-227): one of them was disturbed, and nobody knows which.
    """
    logs = [math.log(trial.score) for trial in trials]
    weights = [1 / _find_variance(trial, between) for trial in trials]
    total = math.fsum(weights)
    mean = math.fsum(w * value for w, value in zip(weights, logs)) / total
    squares = math.fsum(w * (value - mean) ** 2 for w, value in zip(weights, logs))
    birge = math.sqrt(squares / (len(trials) - 1)) if len(trials) > 1 else 1.0
    return Estimate(mean, max(1.0, birge) * math.sqrt(1 / total), len(trials))


def _find_variance(trial: Trial, between: float) -> float:
    disturbed = DISTURBED_DEVIATION if trial.disturbed else 0.0
    return math.hypot(between, trial.half_width / _Z95, disturbed) ** 2


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on the time of a query, e.g. p99 of 20 ms.

    Attributes:
        percent: of the queries that have to keep to it.
        seconds: the bound.
    """

    percent: float
    seconds: float


class Feasibility(str, Enum):
    """Whether the limit is kept to, by a 95 % interval of the share of queries above it."""

    MET = "met"
    BROKEN = "broken"
    OPEN = "not shown"


def judge_limit(trials: Sequence[Trial], limit: Limit | None) -> Feasibility:
    """Say whether an entrant keeps to the limit: shown, refuted, or neither.

    The interval of the share is Clopper's and Pearson's (1934, Biometrika 26: 404-413), exact for
    queries that do not depend on each other.
    """
    if limit is None:
        return Feasibility.MET
    over, queries = sum(item.over for item in trials), sum(item.queries for item in trials)
    low, high = find_share_interval(over, queries)
    allowed = 1 - limit.percent / 100
    if low > allowed:
        return Feasibility.BROKEN
    return Feasibility.MET if high <= allowed else Feasibility.OPEN


def find_share_interval(count: int, total: int) -> tuple[float, float]:
    """Return the one-sided 95 % bounds of a share, each 0..1."""
    from scipy.special import betaincinv

    low = float(betaincinv(count, total - count + 1, 0.05)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 0.95)) if count < total else 1.0
    return low, high


def count_needed_queries(limit: Limit) -> int:
    """Return how many queries, all of them within the limit, show that it is kept to."""
    return math.ceil(math.log(0.05) / math.log(limit.percent / 100))
