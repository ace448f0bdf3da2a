"""What trials say of an entrant: its score with an interval, and whether it keeps to a limit.

Scores are compared as logarithms: what matters is a ratio, and noise is in proportion. A trial's
logarithm scatters for three reasons: its queries do, which its own interval shows; trials of one
start differ (what the host does at that time); and starts do (where memory came to lie). The second
and third are estimated from all entrants that were measured more than once, pooled, and shrunk
towards a prior; and what trials of one entrant scatter by is shrunk towards that, as in G. K. Smyth
2004, "Linear models and empirical Bayes methods", Stat. Appl.
Genet. Mol. Biol. 3: 3; hence Student's t with the degrees of both.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from resnet50_bench.search.race.costs import Trial
from resnet50_bench.stats.intervals import t_quantile

PRIOR_DEVIATION = 0.01
"""Standard deviation from start to start, and from trial to trial within one, as a share; see
docs/tuning.md."""

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


@dataclass(frozen=True, slots=True)
class Scatter:
    """Standard deviations of a score's logarithm.

    Attributes:
        start: from start to start.
        trial: from trial to trial within a start.
    """

    start: float
    trial: float


def estimate_scores(trials: Mapping[int, Sequence[Trial]]) -> dict[int, Estimate]:
    """Return an estimate for each entrant that has a score."""
    scored = {number: _select_scored(items) for number, items in trials.items()}
    scatter = find_scatter(trials)
    return {number: _combine(items, scatter) for number, items in scored.items() if items}


def find_scatter(trials: Mapping[int, Sequence[Trial]]) -> Scatter:
    """Return what scores scatter by: the components of variance of a nested design.

    The means of starts scatter by the variance of starts, and that of trials over their number (S.
    R. Searle, G. Casella and C. E. McCulloch 1992, Variance Components, ch. 3).
    """
    rows = [_list_starts(_select_scored(items)) for items in trials.values()]
    starts = [start for row in rows for start in row]
    trial = _shrink(sum(map(_add_squares, starts)), sum(len(start) - 1 for start in starts))
    squares, degrees = 0.0, 0
    for row in (row for row in rows if len(row) > 1):
        shown = trial**2 * statistics.fmean(1 / len(start) for start in row)
        squares += _add_squares([statistics.fmean(start) for start in row])
        squares -= shown * (len(row) - 1)
        degrees += len(row) - 1
    return Scatter(start=_shrink(max(0.0, squares), degrees), trial=trial)


def _list_starts(trials: Sequence[Trial]) -> list[list[float]]:
    """The logarithms of the scores of each start."""
    return [[math.log(trial.score) for trial in items] for items in _group_starts(trials)]


def _group_starts(trials: Sequence[Trial]) -> list[list[Trial]]:
    groups: dict[int, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.start, []).append(trial)
    return list(groups.values())


def _add_squares(values: Sequence[float]) -> float:
    mean = statistics.fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _shrink(squares: float, degrees: int, prior: float = PRIOR_DEVIATION) -> float:
    """The deviation that squares show, and the prior."""
    squares += PRIOR_DEGREES * prior**2
    return math.sqrt(squares / (PRIOR_DEGREES + degrees))


def _moderate(trials: Sequence[Trial], scatter: float) -> float:
    """What trials of one entrant scatter by: some are steadier than others."""
    starts = _list_starts(trials)
    squares = sum(map(_add_squares, starts))
    return _shrink(squares, sum(len(start) - 1 for start in starts), scatter)


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


def _combine(trials: Sequence[Trial], scatter: Scatter) -> Estimate:
    """The mean of starts, and theirs of trials, each weighted by how well it is known.

    Where starts disagree by more than that allows, the error grows with the Birge ratio (R. T.
    Birge 1932, Phys. Rev. 40: 207-227): one of them was disturbed, and nobody knows which.
    """
    within = _moderate(trials, scatter.trial)
    starts = []
    for items in _group_starts(trials):
        mean, variance = _weigh([_read_trial(item, within) for item in items])
        starts.append((mean, variance + scatter.start**2))
    mean, variance = _weigh(starts)
    squares = math.fsum((value - mean) ** 2 / own for value, own in starts)
    birge = math.sqrt(squares / (len(starts) - 1)) if len(starts) > 1 else 1.0
    return Estimate(mean, max(1.0, birge) * math.sqrt(variance), len(starts))


def pool_estimates(estimates: Mapping[int, Estimate], least: float) -> dict[int, Estimate]:
    """Return estimates that know of each other: the less is known of one, the more it is like all.

    Of many that were measured a few times, the highest was lucky (B. Efron 2011, JASA 106:
    1602-1614). So each is drawn towards their mean, as in B. Efron and C. Morris 1975, JASA 70:
    311-319; what they truly differ by is estimated as in R. DerSimonian and N. Laird 1986, Control.
    Clin. Trials 7: 177-188.

    Args:
        estimates: of those that may be the best.
        least: standard deviation that they truly differ by at least.
    """
    if len(estimates) < 2:
        return dict(estimates)
    values = [(item.mean, item.deviation**2) for item in estimates.values()]
    mean, error = _weigh(values)
    squares = math.fsum((value - mean) ** 2 / variance for value, variance in values)
    share = 1 / error - error * math.fsum(1 / variance**2 for _, variance in values)
    own = max(least**2, (squares - (len(values) - 1)) / share)
    centre, _ = _weigh([(value, variance + own) for value, variance in values])
    return {number: _draw(item, centre, own) for number, item in estimates.items()}


def _draw(estimate: Estimate, centre: float, variance: float) -> Estimate:
    kept = variance / (variance + estimate.deviation**2)
    mean = centre + kept * (estimate.mean - centre)
    return Estimate(mean, math.sqrt(kept) * estimate.deviation, estimate.starts)


def _weigh(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean of values with their variances, and the variance of that."""
    total = math.fsum(1 / variance for _, variance in values)
    return math.fsum(value / variance for value, variance in values) / total, 1 / total


def _read_trial(trial: Trial, scatter: float) -> tuple[float, float]:
    """The logarithm of its score, and the variance of that within a start."""
    disturbed = DISTURBED_DEVIATION if trial.disturbed else 0.0
    return math.log(trial.score), math.hypot(scatter, trial.half_width / _Z95, disturbed) ** 2


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
