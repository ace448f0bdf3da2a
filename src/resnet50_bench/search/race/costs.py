"""What trials and runs take, start included: expected before they are made, from those that were.

A trial's cost is what passes on the clock: starting the instances, where none of its kind run,
warming up, and measuring.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

START_S = 8.0
"""Until an instance has loaded its engine, before one was timed; see `planning.plan.START_S`."""

OVERHEAD_S = 1.0
"""Of a trial, before one was timed."""

TRIAL_WARMUP_QUERIES = 1
"""Before a trial: the query that makes the kernels of a batch size."""

RUN_WARMUP_QUERIES = 5
RUN_QUERIES = 30
RUN_S = 20.0
"""What `r50 run` makes in throughput mode, see `config.plan_workload`."""

CONFIRM_QUERIES = 20
CONFIRM_S = 10.0
"""The run that confirms the winner: the 20 queries below which a verdict warns, and 10 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One configuration.

    Attributes:
        number: its place in the race.
        start: what has to be started for it; entrants of the same start are measured in the same
            instances, one after the other.
        lanes: queries made at once.
        query_s: seconds of one query, guessed.
        start_s: seconds of its start, guessed.
        base: the number of the entrant that it is a variant of.
    """

    number: int
    start: str
    lanes: int
    query_s: float
    start_s: float = START_S
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Amounts:
    """How long to measure: until both bounds are met.

    Attributes:
        seconds: at least.
        queries: of each lane, at least.
    """

    seconds: float
    queries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of measuring an entrant.

    Attributes:
        entrant: its number.
        start: number of the start it was measured in.
        score: the higher the better: images/s, or queries/s of one lane for a latency.
        half_width: of the score's 95 % interval by what the trial itself shows, as a share.
        query_s: mean seconds of a query.
        start_s: seconds until the instances had loaded; 0 in those that ran already.
        seconds: all it took, its start included.
        over: queries that took longer than the limit.
        queries: in all.
        attempts: how often it was made until it was not disturbed, or given up.
        disturbed: other work had the cores meanwhile: the score may be too low.
        problem: why it gave no score; None where it did.
    """

    entrant: int
    start: int
    score: float = 0.0
    half_width: float = 0.0
    query_s: float = 0.0
    start_s: float = 0.0
    seconds: float = 0.0
    over: int = 0
    queries: int = 0
    attempts: int = 1
    disturbed: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """Expected seconds.

    Attributes:
        start_s: of a start: until its first trial can begin, those that ran before ended.
        overhead_s: of a trial beside its start and its queries: asking for it, and writing.
        query_s: of a query of each entrant that was measured.
        scale: of the guesses for the others.
    """

    start_s: float
    overhead_s: float
    query_s: dict[int, float]
    scale: float

    def expect_query_s(self, entrant: Entrant) -> float:
        """Seconds of one query."""
        return self.query_s.get(entrant.number, entrant.query_s * self.scale)

    def expect_trial_s(self, entrant: Entrant, amounts: Amounts, *, fresh: bool) -> float:
        """Seconds of a trial."""
        query_s = self.expect_query_s(entrant)
        measuring_s = max(amounts.seconds + query_s / 2, amounts.queries * query_s)
        own_s = self.overhead_s + TRIAL_WARMUP_QUERIES * query_s + measuring_s
        return self.start_s * fresh + own_s

    def expect_confirmation_s(self, entrant: Entrant, seconds: float) -> float:
        """Seconds of the run that confirms an entrant, with its proof.

        Args:
            entrant: to confirm.
            seconds: that it measures, at least.
        """
        query_s = self.expect_query_s(entrant)
        measuring_s = max(seconds, CONFIRM_QUERIES * query_s)
        return 2 * self.start_s + RUN_WARMUP_QUERIES * query_s + measuring_s

    def expect_run_s(self, entrant: Entrant) -> float:
        """Seconds of a whole `r50 run`, with its proof: what a grid would spend on an entrant."""
        query_s = self.expect_query_s(entrant)
        measuring_s = max(RUN_S, RUN_QUERIES * query_s)
        return 2 * self.start_s + RUN_WARMUP_QUERIES * query_s + measuring_s

    def expect_grid_s(self, entrants: Sequence[Entrant]) -> float:
        """Seconds of a run of each."""
        return sum(self.expect_run_s(entrant) for entrant in entrants)


def plan_costs(entrants: Sequence[Entrant], trials: Sequence[Trial]) -> Costs:
    """Return what to expect, given what was seen."""
    scored = [trial for trial in trials if trial.query_s > 0]
    seen: dict[int, list[float]] = {}
    for trial in scored:
        seen.setdefault(trial.entrant, []).append(trial.query_s)
    query_s = {number: statistics.median(values) for number, values in seen.items()}
    ratios = [value / entrants[number].query_s for number, value in query_s.items()]
    start_s, overhead_s = _find_fixed_s(entrants, scored)
    return Costs(
        start_s=start_s,
        overhead_s=overhead_s,
        query_s=query_s,
        scale=statistics.median(ratios) if ratios else 1.0,
    )


def _find_fixed_s(entrants: Sequence[Entrant], trials: Sequence[Trial]) -> tuple[float, float]:
    """Seconds of a start and of a trial, beside the queries: medians.

    A start is more than loading: what ran before has to end, the feed is filled, and the first
    query of all takes longest. Trials in instances that ran already show what is no part of it.
    """
    warm = [_find_rest_s(item, entrants) for item in trials if item.start_s == 0]
    fresh = [(_find_rest_s(item, entrants), item.start_s) for item in trials if item.start_s > 0]
    if not fresh:
        return statistics.median(item.start_s for item in entrants), OVERHEAD_S
    beyond = [rest - start_s for rest, start_s in fresh]
    overhead_s = statistics.median(warm or beyond)
    return statistics.median(rest for rest, _ in fresh) - overhead_s, overhead_s


def _find_rest_s(trial: Trial, entrants: Sequence[Entrant]) -> float:
    queries = TRIAL_WARMUP_QUERIES + trial.queries / entrants[trial.entrant].lanes
    return max(trial.start_s, trial.seconds - queries * trial.query_s)
