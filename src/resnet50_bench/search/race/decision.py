"""Measurements -> what to measure next, or the end of the race: a pure function, `plan_step`.

Every entrant gets a short trial; those that cannot be the best any more drop out; the others are
measured again, the most promising first: as often in instances that run as pays, then in instances
started anew. Intervals decide: an entrant is dropped when it is shown not to be better than the
leader by more than the rules' `within`. This is successive elimination (E. Even-Dar, S. Mannor and
Y. Mansour 2006, "Action elimination and stopping conditions for the multi-armed bandit and
reinforcement learning problems", JMLR 7: 1079-1105) with the shared confidence of F-Race's post-hoc
comparisons (M. Birattari et al. 2002, GECCO), over estimates that know that two trials in one start
share its luck (`estimates`).

What is assumed of the entrants' order, and nothing else: one with a `base` (the same
configuration, another allocator) is tried only while its base is in contention.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from resnet50_bench.search.race.costs import (
    CONFIRM_S,
    Amounts,
    Costs,
    Entrant,
    Trial,
    plan_costs,
)
from resnet50_bench.search.race.estimates import (
    Estimate,
    Feasibility,
    Limit,
    count_needed_queries,
    estimate_scores,
    find_critical_value,
    judge_limit,
    pool_estimates,
)

GRID_SHARE = 0.19
"""A fifth, less what the time of a grid and of the last steps may be off by."""

_FIRST_QUERIES = 2
_QUERIES = 3
"""Of each lane, at least, in its first trial and in later ones."""

TRIALS_A_START = 4
"""Of an entrant. What pays is the root of a start's cost in trials (about 8 s to 1.5 s), times what
trials scatter by over what starts do (W. G. Cochran 1977, Sampling Techniques, 3rd ed., ch. 10.6):
2 where they scatter alike, 5 where trials scatter twice as much. Recorded starts differ by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a race is decided.

    Attributes:
        limit: that an entrant has to keep to; None where every one will do.
        within: a difference from the best that nobody asks for, as a share, e.g. 0.02.
        confidence: with which nothing better than that has been dropped.
        budget_s: seconds the race may take, the confirming run included; None for `GRID_SHARE` of
            what a run of each entrant would take, by what is known of that so far, and for no less
            than a first trial of each.
        trial_s: seconds of a trial. Short ones, many: what a trial is off by beyond its queries'
            scatter is the same for longer ones (docs/tuning.md).
        starts: that an entrant is measured in, at most.
        confirm_s: seconds that the run of the winner measures, at least.
        seed: of the order of the starts.
    """

    limit: Limit | None = None
    within: float = 0.02
    confidence: float = 0.95
    budget_s: float | None = None
    trial_s: float = 0.75
    starts: int = 5
    confirm_s: float = CONFIRM_S
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Race:
    """All that a decision is made of.

    Attributes:
        entrants: whose `number` is their place here.
        trials: so far.
        spent_s: seconds since the race began.
        open_start: the number of the start whose instances still run; None where none do.
    """

    entrants: tuple[Entrant, ...]
    trials: tuple[Trial, ...]
    spent_s: float
    open_start: int | None = None


class Place(str, Enum):
    """Where an entrant stands."""

    WAITING = "not tried yet"
    CONTENDER = "in contention"
    SLOWER = "slower"
    LIMIT = "over the limit"
    FAILED = "failed"
    BASE = "its base is out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entrant's place.

    Attributes:
        number: of the entrant.
        place: where it stands.
        estimate: of its score; None before it was measured.
        feasibility: whether it keeps to the limit; MET where there is none.
        pooled: the estimate of a contender, with what the others say; see `pool_estimates`.
    """

    number: int
    place: Place
    estimate: Estimate | None
    feasibility: Feasibility
    pooled: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where all entrants stand.

    Attributes:
        rows: in the order of the entrants.
        leader: the contender with the highest pooled score, of those shown to keep to the limit if
            there are any; None before there is one.
    """

    rows: tuple[Row, ...]
    leader: int | None

    def select(self, *places: Place) -> tuple[Row, ...]:
        """Return the rows of these places."""
        return tuple(row for row in self.rows if row.place in places)


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure an entrant next.

    Attributes:
        number: of the entrant.
        amounts: how long.
        fresh: in instances started anew; else in those that run.
        cost_s: seconds it should take.
    """

    number: int
    amounts: Amounts
    fresh: bool
    cost_s: float


class Reason(str, Enum):
    """Why a race ends."""

    DECIDED = "the others are shown not to be better by more than the difference asked for"
    STARTS = "the contenders could not be told apart in as many starts as are made"
    BUDGET = "the time is used up"
    NOBODY = "no configuration is left"
    STOPPED = "it was stopped"


@dataclass(frozen=True, slots=True)
class Finish:
    """The race is over.

    Attributes:
        reason: why.
    """

    reason: Reason


def plan_step(race: Race, rules: Rules) -> Measure | Finish:
    """Return what to do next; the same measurements always give the same answer."""
    standing = find_standing(race, rules)
    waiting = standing.select(Place.WAITING)
    contenders = standing.select(Place.CONTENDER)
    if not waiting and not contenders:
        return Finish(Reason.NOBODY)
    if not waiting and _is_decided(standing, race):
        return Finish(Reason.DECIDED)
    open_rows = [*waiting, *(row for row in contenders if not _is_spent(row, race, rules))]
    if not open_rows:
        return Finish(Reason.STARTS)
    return _plan_measure(race, rules, standing, open_rows)


def _is_decided(standing: Standing, race: Race) -> bool:
    """Whether one is left, and not by the word of a single trial, which may have been lucky."""
    contenders = standing.select(Place.CONTENDER)
    if len(contenders) != 1 or contenders[0].feasibility is not Feasibility.MET:
        return False
    trials = count_trials(race.trials)[contenders[0].number]
    return trials > 1 or not standing.select(Place.SLOWER)


def _is_spent(row: Row, race: Race, rules: Rules) -> bool:
    """Whether it was measured in as many starts as are made, each of them used up."""
    trials = Counter(trial.start for trial in race.trials if trial.entrant == row.number)
    used = [start for start, count in trials.items()
            if start != race.open_start or count >= TRIALS_A_START]  # fmt: skip
    return len(used) >= rules.starts


def find_standing(race: Race, rules: Rules) -> Standing:
    """Return where every entrant stands."""
    by_entrant = group_trials(race.trials)
    estimates = estimate_scores(by_entrant)
    rows = [_plan_row(item, by_entrant, estimates, rules) for item in race.entrants]
    best = _find_leader(rows, lambda row: row.estimate.mean if row.estimate else -math.inf)
    # Nobody drops out for one that may not be allowed to win.
    if best is not None and best.feasibility is Feasibility.MET:
        quantile = find_critical_value(by_entrant, len(race.entrants), rules.confidence)
        rows = [_drop_slower(row, best, quantile, rules.within) for row in rows]
    rows = _pool(rows, rules.within / 2)
    rows = [_drop_with_base(row, rows, race.entrants[row.number].base) for row in rows]
    leader = _find_leader(rows, lambda row: row.pooled.mean if row.pooled else -math.inf)
    return Standing(tuple(rows), leader.number if leader is not None else None)


def _find_leader(rows: Sequence[Row], score: Callable[[Row], float]) -> Row | None:
    """The highest score, among those that are shown to keep to the limit if there are any."""
    contenders = [row for row in rows if row.place is Place.CONTENDER]
    met = [row for row in contenders if row.feasibility is Feasibility.MET]
    return max(met or contenders, key=score, default=None)


def _pool(rows: Sequence[Row], least: float) -> list[Row]:
    """The same rows, the contenders with their pooled estimates.

    They are taken to differ by `least`, even where noise hides it: else all would be the same.
    """
    estimates = {row.number: row.estimate for row in rows
                 if row.place is Place.CONTENDER and row.estimate is not None}  # fmt: skip
    pooled = pool_estimates(estimates, least)
    return [replace(row, pooled=pooled.get(row.number)) for row in rows]


def group_trials(trials: Sequence[Trial]) -> dict[int, tuple[Trial, ...]]:
    """Return the trials of each entrant that has any."""
    grouped: dict[int, tuple[Trial, ...]] = {}
    for trial in trials:
        grouped[trial.entrant] = (*grouped.get(trial.entrant, ()), trial)
    return grouped


def count_trials(trials: Sequence[Trial]) -> dict[int, int]:
    """Return how many trials each entrant has had."""
    return {number: len(items) for number, items in group_trials(trials).items()}


def _plan_row(
    entrant: Entrant,
    trials: Mapping[int, tuple[Trial, ...]],
    estimates: Mapping[int, Estimate],
    rules: Rules,
) -> Row:
    own = trials.get(entrant.number, ())
    feasibility = judge_limit(own, rules.limit)
    place = Place.CONTENDER
    if not own:
        place = Place.WAITING
    elif any(trial.problem is not None for trial in own):
        place = Place.FAILED
    elif feasibility is Feasibility.BROKEN:
        place = Place.LIMIT
    estimate = estimates.get(entrant.number)
    return Row(number=entrant.number, place=place, estimate=estimate, feasibility=feasibility)


def _drop_slower(row: Row, best: Row, quantile: float, within: float) -> Row:
    """A contender that is shown not to be better than the best by more than `within`."""
    if row.place is not Place.CONTENDER or row.number == best.number:
        return row
    assert row.estimate is not None
    assert best.estimate is not None
    if row.estimate.exceeds(best.estimate, quantile, within):
        return row
    return replace(row, place=Place.SLOWER)


def _drop_with_base(row: Row, rows: Sequence[Row], base: int | None) -> Row:
    if row.place is not Place.WAITING or base is None:
        return row
    if rows[base].place in {Place.WAITING, Place.CONTENDER}:
        return row
    return replace(row, place=Place.BASE)


@dataclass(slots=True)
class _Choice:
    """What `_plan_measure` chooses from.

    Attributes:
        race, rules: of the decision.
        costs: what trials take.
        here: trials of each entrant in the start that runs.
        ranks: place of a start in the seeded order, by its key.
    """

    race: Race
    rules: Rules
    costs: Costs
    here: Counter[int]
    ranks: dict[str, int]


def _plan_measure(
    race: Race, rules: Rules, standing: Standing, rows: Sequence[Row]
) -> Measure | Finish:
    costs = plan_costs(race.entrants, race.trials)
    here = Counter(trial.entrant for trial in race.trials if trial.start == race.open_start)
    choice = _Choice(race, rules, costs, here, _shuffle_starts(race, rules))
    left_s = plan_budget_s(race, rules) - race.spent_s - _reserve_s(race, rules, standing)
    # Where the most promising does not fit any more, a cheaper one may.
    for row in sorted(rows, key=lambda row: _rank(row, rows, choice)):
        step = _plan_trial(row, choice)
        if step.cost_s <= left_s:
            return step
    return Finish(Reason.BUDGET)


def plan_budget_s(race: Race, rules: Rules) -> float:
    """Return the seconds that the race may take in all."""
    if rules.budget_s is not None:
        return rules.budget_s
    costs = plan_costs(race.entrants, race.trials)
    return max(GRID_SHARE * costs.expect_grid_s(race.entrants), _expect_round_s(race, rules, costs))


def _expect_round_s(race: Race, rules: Rules, costs: Costs) -> float:
    """What a first trial of each entrant takes, and the run that confirms the dearest of them."""
    amounts = Amounts(rules.trial_s, _FIRST_QUERIES)
    starts = len({entrant.start for entrant in race.entrants})
    trials_s = sum(costs.expect_trial_s(item, amounts, fresh=False) for item in race.entrants)
    confirm_s = max(costs.expect_confirmation_s(item, rules.confirm_s) for item in race.entrants)
    return starts * costs.start_s + trials_s + confirm_s


def _reserve_s(race: Race, rules: Rules, standing: Standing) -> float:
    """What confirming the leader would take; before there is one, whoever is cheapest."""
    costs = plan_costs(race.entrants, race.trials)
    leaders = race.entrants if standing.leader is None else [race.entrants[standing.leader]]
    return min(costs.expect_confirmation_s(item, rules.confirm_s) for item in leaders)


def _rank(row: Row, rows: Sequence[Row], choice: _Choice) -> tuple[float, ...]:
    """Low comes first: never tried, in a start that runs, the most promising start and entrant.

    What promises most is the highest upper bound (S. Kalyanakrishnan et al. 2012, "PAC subset
    selection in stochastic multi-armed bandits", ICML): it is high, or it is little known. Those in
    one start take turns, so that what disturbs the machine for seconds does not hit one alone.
    """
    entrant = choice.race.entrants[row.number]
    tried = row.place is not Place.WAITING
    is_variant = entrant.base is not None and not tried
    warm = not _is_fresh(entrant, choice)
    same = [item for item in rows if choice.race.entrants[item.number].start == entrant.start]
    promise = max((item.pooled.high for item in same if item.pooled is not None), default=0.0)
    own = row.pooled.high if row.pooled is not None else 0.0
    return (float(tried), float(is_variant), float(not warm), -promise * tried,
            choice.ranks[entrant.start], choice.here[row.number], -own, entrant.number)  # fmt: skip


def _shuffle_starts(race: Race, rules: Rules) -> dict[str, int]:
    keys = sorted({entrant.start for entrant in race.entrants})
    random.Random(rules.seed).shuffle(keys)  # noqa: S311 - an order, not a secret
    return {key: rank for rank, key in enumerate(keys)}


def _is_fresh(entrant: Entrant, choice: _Choice) -> bool:
    """Whether it needs a start: none of its kind runs, or that one is used up."""
    running = next(iter(choice.here), None)
    if running is None or choice.race.entrants[running].start != entrant.start:
        return True
    return choice.here[entrant.number] >= TRIALS_A_START


def _plan_trial(row: Row, choice: _Choice) -> Measure:
    entrant, rules = choice.race.entrants[row.number], choice.rules
    is_first = row.place is Place.WAITING
    queries = _FIRST_QUERIES if is_first else _QUERIES
    if rules.limit is not None and not is_first:
        queries = max(queries, count_needed_queries(rules.limit) // entrant.lanes + 1)
    amounts = Amounts(seconds=rules.trial_s, queries=queries)
    fresh = _is_fresh(entrant, choice)
    cost_s = choice.costs.expect_trial_s(entrant, amounts, fresh=fresh)
    return Measure(row.number, amounts, fresh, cost_s)
