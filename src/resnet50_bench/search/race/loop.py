"""The race itself: ask what is next, have it measured, until it is decided and confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from resnet50_bench.search.race.costs import Entrant, Trial
from resnet50_bench.search.race.decision import (
    Finish,
    Measure,
    Place,
    Race,
    Rules,
    Standing,
    find_standing,
    plan_step,
)
from resnet50_bench.search.race.estimates import Feasibility


class Track(Protocol):
    """Where entrants are measured: on this machine, or from a recorded grid."""

    def measure(self, step: Measure, start: int) -> Trial:
        """Make one trial.

        Args:
            step: what to measure, and whether in instances started anew.
            start: the number of that start, or of the one whose instances run.
        """

    def confirm(self, entrant: Entrant) -> str | None:
        """Make a whole run of the winner; return what is wrong with it, None for nothing."""

    def spent_s(self) -> float:
        """Seconds since the race began."""

    def show(self, race: Race, step: Measure | Finish) -> None:
        """Told before each step."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a race ended.

    Attributes:
        race: with all its trials.
        standing: at its end.
        finish: why it ended.
        winner: the number of the entrant that was confirmed; None when there is none.
    """

    race: Race
    standing: Standing
    finish: Finish
    winner: int | None


def run_race(entrants: Sequence[Entrant], rules: Rules, track: Track) -> Outcome:
    """Race the entrants; a winner that cannot be confirmed drops out, and the race goes on.

    Raises:
        Interrupted: from the track.
    """
    race = Race(tuple(entrants), (), track.spent_s())
    while True:
        race, finish = _run_to_finish(race, rules, track)
        standing = find_standing(race, rules)
        winner = find_winner(standing)
        if winner is None:
            return Outcome(race, standing, finish, None)
        problem = track.confirm(race.entrants[winner])
        race = replace(race, spent_s=track.spent_s())
        if problem is None:
            return Outcome(race, standing, finish, winner)
        failed = Trial(entrant=winner, start=_count_starts(race) + 1, problem=problem)
        race = replace(race, trials=(*race.trials, failed))


def find_winner(standing: Standing) -> int | None:
    """Return the leader, if it is shown to keep to the limit."""
    if standing.leader is None:
        return None
    row = standing.rows[standing.leader]
    is_allowed = row.place is Place.CONTENDER and row.feasibility is Feasibility.MET
    return row.number if is_allowed else None


def _run_to_finish(race: Race, rules: Rules, track: Track) -> tuple[Race, Finish]:
    while True:
        step = plan_step(race, rules)
        track.show(race, step)
        if isinstance(step, Finish):
            return replace(race, open_start=None), step
        start = _count_starts(race) + 1 if step.fresh else race.open_start
        assert start is not None
        trial = track.measure(step, start)
        # Instances that failed are ended: whoever is next starts its own.
        race = Race(
            race.entrants,
            (*race.trials, trial),
            track.spent_s(),
            start if trial.problem is None else None,
        )


def _count_starts(race: Race) -> int:
    return max((trial.start for trial in race.trials), default=0)
