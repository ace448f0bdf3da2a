"""The race as a pure function of measurements, and whole races over grids made here."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet50_bench.search.race.costs import Entrant, Trial
from resnet50_bench.search.race.decision import (
    TRIALS_A_START,
    Finish,
    Measure,
    Place,
    Race,
    Reason,
    Rules,
    find_standing,
    plan_budget_s,
    plan_step,
)
from resnet50_bench.search.race.estimates import Feasibility, Limit
from resnet50_bench.search.race.loop import run_race
from resnet50_bench.search.race.recorded import Noise, RecordedGrid, RecordedRow, RecordedTrack

QUIET = Noise(start=0.0, trial=0.0, query=0.0, slowed=0.0, slowest=0.0)
USUAL = Noise(start=0.01, trial=0.01, query=0.02, slowed=0.0, slowest=0.0)
LIMIT = Limit(99.0, 0.020)


def make_entrants(*starts: str, base: dict[int, int] | None = None) -> tuple[Entrant, ...]:
    bases = base or {}
    return tuple(
        Entrant(number=number, start=start, lanes=1, query_s=0.1, base=bases.get(number))
        for number, start in enumerate(starts)
    )


def make_trial(entrant: int, score: float, start: int = 1, **changes) -> Trial:
    return replace(
        Trial(entrant=entrant, start=start, score=score, half_width=0.005, query_s=0.1,
              start_s=8.0 if entrant == 0 else 0.0, seconds=10.0 if entrant == 0 else 2.0,
              queries=15),
        **changes,
    )  # fmt: skip


def make_grid(rates: list[float], starts: int = 2, noise: Noise = USUAL) -> RecordedGrid:
    rows = tuple(
        RecordedRow(configuration=f"row {number}", start=f"start {number % starts}", lanes=1,
                    cores=2, batch_size=8, images_per_s=((rate,),))
        for number, rate in enumerate(rates)
    )  # fmt: skip
    return RecordedGrid(name="test", provenance="made here", synthetic=True, start_s=8.0,
                        overhead_s=0.5, noise=noise, rows=rows)  # fmt: skip


def place(race: Race, rules: Rules, number: int) -> Place:
    return find_standing(race, rules).rows[number].place


def test_everyone_gets_a_trial_and_a_start_serves_all_that_share_it() -> None:
    grid = make_grid([30.0] * 6, starts=2)
    track = RecordedTrack(grid, 0)
    trials: list[Trial] = []
    fresh = []
    race = Race(grid.plan_entrants(), (), 0.0)
    for _ in range(6):
        step = plan_step(race, Rules(budget_s=1e6))
        assert isinstance(step, Measure)
        fresh.append(step.fresh)
        start = sum(fresh)
        trials.append(track.measure(step, start))
        race = Race(race.entrants, tuple(trials), track.spent_s(), start)
    assert sorted(trial.entrant for trial in trials) == [0, 1, 2, 3, 4, 5]
    assert fresh == [True, False, False, True, False, False]


def test_the_same_measurements_give_the_same_step() -> None:
    entrants = make_entrants("a", "a", "b")
    race = Race(entrants, (make_trial(0, 30.0), make_trial(1, 29.0)), 12.0, 1)
    assert plan_step(race, Rules(seed=3)) == plan_step(race, Rules(seed=3))


def test_contenders_take_turns_in_a_start_and_then_get_another() -> None:
    grid = make_grid([30.0, 30.1], starts=1, noise=QUIET)
    track = RecordedTrack(grid, 0)
    trials: list[Trial] = []
    steps: list[Measure] = []
    for _ in range(2 * TRIALS_A_START + 1):
        race = Race(grid.plan_entrants(), tuple(trials), track.spent_s(), 1 if trials else None)
        step = plan_step(race, Rules(budget_s=1e6, within=0.001))
        assert isinstance(step, Measure)
        steps.append(step)
        trials.append(track.measure(step, 1))
    turns = [{first.number, second.number} for first, second in zip(steps[:-1:2], steps[1::2])]
    assert turns == [{0, 1}] * TRIALS_A_START
    assert [step.fresh for step in steps] == [True, *[False] * (2 * TRIALS_A_START - 1), True]
    assert {step.amounts.seconds for step in steps} == {Rules().trial_s}


def test_the_last_start_is_used_up_and_no_other_follows() -> None:
    trials = [make_trial(0, 30.0, start=start) for start in range(1, 6)]
    trials += [make_trial(1, 30.0, start=start) for start in range(1, 6)]
    race = Race(make_entrants("a", "a"), tuple(trials), 100.0, 5)
    rules = Rules(budget_s=1e6, within=0.0001)
    step = plan_step(race, rules)
    assert isinstance(step, Measure)
    assert not step.fresh
    assert plan_step(replace(race, open_start=None), rules) == Finish(Reason.STARTS)


def test_nobody_wins_by_a_single_trial_that_dropped_the_others() -> None:
    trials = (make_trial(0, 40.0), make_trial(1, 30.0))
    race = Race(make_entrants("a", "a"), trials, 12.0, 1)
    assert place(race, Rules(), 1) is Place.SLOWER
    step = plan_step(race, Rules(budget_s=1e6))
    assert isinstance(step, Measure)
    assert step.number == 0
    again = replace(race, trials=(*trials, make_trial(0, 40.0, start_s=0.0, seconds=2.0)))
    assert plan_step(again, Rules(budget_s=1e6)) == Finish(Reason.DECIDED)


def test_one_that_is_shown_to_be_slower_drops_out_and_one_that_is_not_stays() -> None:
    race = Race(make_entrants("a", "a", "a"),
                (make_trial(0, 30.0), make_trial(1, 24.0), make_trial(2, 29.8)), 12.0, 1)  # fmt: skip
    assert place(race, Rules(), 0) is Place.CONTENDER
    assert place(race, Rules(), 1) is Place.SLOWER
    assert place(race, Rules(), 2) is Place.CONTENDER


def test_a_lucky_trial_does_not_lead_before_what_was_often_measured() -> None:
    often = [make_trial(0, 30.0, start=start) for start in range(1, 5)]
    others = [make_trial(number, 29.8) for number in (2, 3)]
    trials = (*often, *others, make_trial(1, 30.05))
    standing = find_standing(Race(make_entrants(*"aaaa"), trials, 60.0, 4), Rules())
    assert [row.place for row in standing.rows] == [Place.CONTENDER] * 4
    estimates = [row.estimate for row in standing.rows]
    assert estimates[1] is not None
    assert estimates[0] is not None
    assert estimates[1].mean > estimates[0].mean
    assert standing.leader == 0


def test_a_disturbed_trial_drops_nobody() -> None:
    trials = (make_trial(0, 30.0), make_trial(1, 27.0))
    race = Race(make_entrants("a", "a"), trials, 12.0, 1)
    assert place(race, Rules(), 1) is Place.SLOWER
    disturbed = (trials[0], replace(trials[1], disturbed=True))
    assert place(replace(race, trials=disturbed), Rules(), 1) is Place.CONTENDER


def test_a_race_of_one_is_decided_by_its_first_trial() -> None:
    race = Race(make_entrants("a"), (make_trial(0, 30.0),), 12.0, 1)
    assert plan_step(race, Rules()) == Finish(Reason.DECIDED)


def test_a_variant_is_tried_only_while_its_base_is_in_contention() -> None:
    entrants = make_entrants("a", "a", "b", "b", base={2: 0, 3: 1})
    race = Race(entrants, (make_trial(0, 30.0), make_trial(1, 20.0)), 12.0, 1)
    step = plan_step(race, Rules(budget_s=1e6))
    assert isinstance(step, Measure)
    assert step.number == 2
    assert place(race, Rules(), 2) is Place.WAITING
    assert place(race, Rules(), 3) is Place.BASE


def test_nothing_is_started_that_does_not_fit_the_budget() -> None:
    race = Race(make_entrants("a", "b"), (make_trial(0, 30.0),), 30.0, None)
    assert isinstance(plan_step(race, Rules(budget_s=1000.0)), Measure)
    assert plan_step(race, Rules(budget_s=35.0)) == Finish(Reason.BUDGET)


def test_the_usual_budget_is_a_share_of_the_grid_by_what_is_known_of_it() -> None:
    entrants = make_entrants("a", "b")
    unknown = plan_budget_s(Race(entrants, (), 0.0), Rules())
    slow = plan_budget_s(
        Race(entrants, (make_trial(0, 3.0, query_s=10.0, seconds=168.0),), 0.0), Rules()
    )
    assert slow > 5 * unknown
    # Of each: two starts of 8 s, 5 queries of warm-up and 20 s.
    many = plan_budget_s(Race(make_entrants(*"a" * 40), (), 0.0), Rules())
    assert many == pytest.approx(0.19 * 40 * (16 + 0.5 + 20))
    # No less than a start and a first trial each, and the run that confirms.
    assert unknown == pytest.approx(2 * 8 + 2 * (1.0 + 0.1 + 0.8) + (16 + 0.5 + 10))


def test_failed_entrants_leave_the_race_to_the_others() -> None:
    race = Race(make_entrants("a", "b"),
                (make_trial(0, 0.0, problem="lost"), make_trial(1, 10.0)), 9.0)  # fmt: skip
    assert place(race, Rules(), 0) is Place.FAILED
    assert find_standing(race, Rules()).leader == 1
    assert plan_step(race, Rules()) == Finish(Reason.DECIDED)


def test_a_race_nobody_finishes_has_no_winner() -> None:
    class Broken(RecordedTrack):
        def measure(self, step, start):
            return replace(super().measure(step, start), problem="lost while loading")

    grid = make_grid([30.0, 20.0])
    outcome = run_race(grid.plan_entrants(), Rules(), Broken(grid, 0))
    assert outcome.winner is None
    assert outcome.finish == Finish(Reason.NOBODY)
    assert len(outcome.race.trials) == 2


def test_a_winner_that_cannot_be_confirmed_gives_way_to_the_next() -> None:
    grid = make_grid([30.0, 26.0, 20.0], noise=QUIET)
    outcome = run_race(grid.plan_entrants(), Rules(budget_s=1e6), RecordedTrack(grid, 0, [0]))
    assert outcome.winner == 1
    assert outcome.standing.rows[0].place is Place.FAILED
    assert outcome.race.trials[-1].problem is None or outcome.race.trials[-1].entrant == 0


@pytest.mark.parametrize("seed", range(10))
def test_the_best_is_found_in_a_fifth_of_the_time(seed: int) -> None:
    rates = [30 * math.exp(-0.004 * step**1.5) for step in range(24)]
    grid = make_grid(rates, starts=4)
    track = RecordedTrack(grid, seed)
    outcome = run_race(grid.plan_entrants(), Rules(seed=seed), track)
    assert outcome.winner is not None
    assert rates[outcome.winner] >= 0.98 * grid.best
    assert track.spent_s() <= 0.20 * grid.grid_s


def test_without_noise_and_with_time_the_very_best_is_found() -> None:
    grid = make_grid([30.0, 30.5, 31.0, 29.0], noise=QUIET)
    rules = Rules(budget_s=1e6, within=0.001)
    assert run_race(grid.plan_entrants(), rules, RecordedTrack(grid, 1)).winner == 2


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=8), st.integers(0, 99))
def test_every_race_ends_with_somebody_near_the_best(rates: list[float], seed: int) -> None:
    grid = make_grid(rates, noise=QUIET)
    outcome = run_race(grid.plan_entrants(), Rules(budget_s=1e7, seed=seed), RecordedTrack(grid, 0))
    assert outcome.winner is not None
    assert rates[outcome.winner] >= 0.97 * max(rates)
    assert max(trial.entrant for trial in outcome.race.trials) == len(rates) - 1


class Service(RecordedTrack):
    """Queries above the limit, by entrant: a share of each trial's."""

    def __init__(self, grid: RecordedGrid, shares: list[float]) -> None:
        super().__init__(grid, 0)
        self._shares = shares

    def measure(self, step: Measure, start: int) -> Trial:
        trial = super().measure(step, start)
        return replace(trial, over=round(trial.queries * self._shares[step.number]))


def race_for_service(shares: list[float], rates: list[float]):
    grid = make_grid(rates, noise=QUIET)
    rules = Rules(budget_s=1e6, limit=LIMIT)
    return run_race(grid.plan_entrants(), rules, Service(grid, shares))


def test_the_fastest_that_keeps_to_the_limit_wins() -> None:
    outcome = race_for_service([1.0, 0.05, 0.0, 0.0], [90.0, 60.0, 40.0, 20.0])
    assert outcome.winner == 2
    rows = outcome.standing.rows
    assert rows[0].place is Place.LIMIT
    assert rows[2].feasibility is Feasibility.MET
    assert sum(trial.queries for trial in outcome.race.trials if trial.entrant == 2) >= 299
    # What breaks the limit with every query needs no second trial to be seen to.
    assert [trial.entrant for trial in outcome.race.trials].count(0) == 1


def test_nobody_keeps_to_the_limit() -> None:
    outcome = race_for_service([1.0, 0.5], [90.0, 60.0])
    assert outcome.winner is None
    assert outcome.finish == Finish(Reason.NOBODY)
    assert {row.place for row in outcome.standing.rows} == {Place.LIMIT}


def test_what_is_on_the_limit_is_not_shown_to_keep_to_it_and_does_not_win() -> None:
    outcome = race_for_service([0.01], [90.0])
    assert outcome.winner is None
    assert outcome.finish == Finish(Reason.STARTS)
    assert outcome.standing.rows[0].feasibility is Feasibility.OPEN


def test_nobody_drops_out_for_one_that_may_not_win() -> None:
    trials = (make_trial(0, 90.0, queries=5), make_trial(1, 30.0, queries=400))
    race = Race(make_entrants("a", "a"), trials, 12.0, 1)
    standing = find_standing(race, Rules(limit=LIMIT))
    assert [row.feasibility for row in standing.rows] == [Feasibility.OPEN, Feasibility.MET]
    assert [row.place for row in standing.rows] == [Place.CONTENDER, Place.CONTENDER]
    assert standing.leader == 1
