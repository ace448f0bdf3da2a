from __future__ import annotations

import math
from dataclasses import replace

import pytest

from resnet50_bench.search.race.costs import Amounts, Entrant, Trial, plan_costs
from resnet50_bench.search.race.estimates import (
    Estimate,
    Feasibility,
    Limit,
    Scatter,
    count_needed_queries,
    estimate_scores,
    find_critical_value,
    find_scatter,
    find_share_interval,
    judge_limit,
    pool_estimates,
)
from resnet50_bench.search.race.score import find_half_width

P99 = Limit(99.0, 0.02)


def make_trial(score: float, half_width: float = 0.0, start: int = 1, **others) -> Trial:
    return Trial(entrant=0, start=start, score=score, half_width=half_width, **others)


def test_a_single_trial_is_as_uncertain_as_starts_and_trials_differ() -> None:
    estimate = estimate_scores({0: [make_trial(100.0)]})[0]
    assert estimate.score == pytest.approx(100.0)
    assert estimate.deviation == pytest.approx(0.01 * math.sqrt(2))
    assert estimate.interval == pytest.approx(
        (100 * math.exp(-0.0277181), 100 * math.exp(0.0277181)), rel=1e-6
    )


def test_a_trial_s_own_interval_adds_to_it() -> None:
    estimate = estimate_scores({0: [make_trial(100.0, 1.959964 * 0.01)]})[0]
    assert estimate.deviation == pytest.approx(0.01 * math.sqrt(3))


def test_trials_of_one_start_share_what_starts_differ_by() -> None:
    same = {0: [make_trial(100.0), make_trial(100.0)]}
    # The prior's 8 degrees and one observed square of 0: the deviation of trials shrinks too.
    within = math.sqrt(8 * 0.01**2 / 9)
    assert find_scatter(same) == Scatter(start=0.01, trial=pytest.approx(within))
    # So does that of this entrant, whose prior is what all trials show.
    own = within * math.sqrt(8 / 9)
    assert estimate_scores(same)[0].deviation == pytest.approx(math.hypot(0.01, own / 2**0.5))


def test_two_starts_halve_the_variance_when_they_agree() -> None:
    trials = {0: [make_trial(100.0), make_trial(100.0, start=2)]}
    between = math.sqrt(8 * 0.01**2 / 9)
    assert find_scatter(trials) == Scatter(start=pytest.approx(between), trial=0.01)
    deviation = estimate_scores(trials)[0].deviation
    assert deviation == pytest.approx(math.hypot(between, 0.01) / math.sqrt(2))


def test_what_trials_scatter_by_is_not_taken_for_a_difference_of_starts() -> None:
    logs = {1: (0.00, 0.06), 2: (0.02, 0.08)}
    trials = {0: [make_trial(math.exp(log), start=start) for start in logs for log in logs[start]]}
    # Within: squares of 2 x 0.0018 and 2 degrees. The means of starts, 0.03 and 0.05, have a square
    # of 0.0002, and trials alone explain (0.0008 + 0.0036) / 10 / 2 = 0.00022.
    expected = Scatter(
        start=pytest.approx(math.sqrt(0.0008 / 9)), trial=pytest.approx(0.0044**0.5 / 10**0.5)
    )
    assert find_scatter(trials) == expected
    far = {0: [replace(trial, score=trial.score * (1 + trial.start)) for trial in trials[0]]}
    assert find_scatter(far).start > 0.08
    assert find_scatter(far).trial == expected.trial


def test_starts_that_disagree_make_the_estimate_less_certain() -> None:
    agree = estimate_scores({0: [make_trial(100.0), make_trial(100.5, start=2)]})[0]
    disagree = estimate_scores({0: [make_trial(100.0), make_trial(88.0, start=2)]})[0]
    assert disagree.deviation > 3 * agree.deviation
    assert disagree.high > math.log(99.0)


def test_an_entrant_that_is_steadier_than_others_is_known_better() -> None:
    steady = [make_trial(100.0), make_trial(100.2), make_trial(99.8)]
    rough = [make_trial(100.0), make_trial(104.0), make_trial(96.0)]
    estimates = estimate_scores({0: steady, 1: rough})
    assert estimates[0].score == pytest.approx(estimates[1].score, rel=1e-3)
    assert estimates[0].deviation < 0.85 * estimates[1].deviation


def test_the_less_is_known_of_one_the_more_it_is_like_the_others() -> None:
    # All that they differ by is explained by their errors, so they truly differ by the least.
    known, lucky = Estimate(0.00, 0.01, 4), Estimate(0.02, 0.03, 1)
    pooled = pool_estimates({7: known, 9: lucky}, 0.01)
    # Weights 1 / (0.0001 + 0.0001) and 1 / (0.0009 + 0.0001): 5000 and 1000.
    centre = 0.02 * 1000 / 6000
    assert pooled[7].mean == pytest.approx(centre / 2)
    assert pooled[9].mean == pytest.approx(centre + 0.1 * (0.02 - centre))
    assert pooled[7].deviation == pytest.approx(0.01 / math.sqrt(2))
    assert pooled[9].deviation == pytest.approx(0.03 / math.sqrt(10))
    assert pooled[9].starts == 1


def test_what_estimates_truly_differ_by_is_kept() -> None:
    far = {number: Estimate(0.3 * number, 0.01, 1) for number in range(3)}
    # Squares of 2 x 900 around the mean, 2 of them noise; the weights' share is 2 x 10000.
    own = (1800 - 2) / 20000
    pooled = pool_estimates(far, 0.01)
    assert pooled[2].mean == pytest.approx(0.3 + 0.3 * own / (own + 0.0001))
    assert pooled[1].mean == pytest.approx(0.3)
    assert pool_estimates({4: far[0]}, 0.01) == {4: far[0]}
    assert pool_estimates({}, 0.01) == {}


def test_a_failed_trial_has_no_estimate() -> None:
    assert estimate_scores({0: [make_trial(0.0, problem="lost")]}) == {}


def test_the_confidence_is_shared_by_all_comparisons() -> None:
    # Student's t with 8 degrees at 0.95 and at 0.995.
    assert find_critical_value({}, 2, 0.95) == pytest.approx(1.8595, abs=1e-4)
    assert find_critical_value({}, 11, 0.95) == pytest.approx(3.3554, abs=1e-4)


@pytest.mark.parametrize(
    ("over", "queries", "expected"),
    [
        (0, 0, Feasibility.OPEN),
        (0, 298, Feasibility.OPEN),
        (0, 299, Feasibility.MET),
        (1, 299, Feasibility.OPEN),
        (1, 473, Feasibility.MET),
        (1, 2, Feasibility.BROKEN),
        (3, 3, Feasibility.BROKEN),
        (1, 10, Feasibility.OPEN),
        (10, 100, Feasibility.BROKEN),
    ],
)
def test_a_limit_is_kept_broken_or_neither(over: int, queries: int, expected: Feasibility) -> None:
    trial = make_trial(1.0, over=over, queries=queries)
    assert judge_limit([trial], P99) is expected


def test_trials_are_counted_together() -> None:
    assert judge_limit([make_trial(1.0, queries=150)] * 2, P99) is Feasibility.MET
    assert judge_limit([], None) is Feasibility.MET


def test_the_bounds_of_a_share_are_exact() -> None:
    assert find_share_interval(0, 299) == (0.0, pytest.approx(1 - 0.05 ** (1 / 299)))
    assert find_share_interval(3, 3) == (pytest.approx(0.05 ** (1 / 3)), 1.0)


@pytest.mark.parametrize(("percent", "needed"), [(50.0, 5), (90.0, 29), (99.0, 299), (99.9, 2995)])
def test_so_many_queries_show_a_limit(percent: float, needed: int) -> None:
    assert count_needed_queries(Limit(percent, 1.0)) == needed


def test_two_queries_that_happen_to_be_alike_prove_little() -> None:
    # t with 5 degrees, the prior's deviation shrunk by one observed square of 0.
    assert find_half_width([100, 100]) == pytest.approx(
        2.570582 * math.sqrt(4 * 0.02**2 / 5) / math.sqrt(2), rel=1e-5
    )
    assert find_half_width([100, 140]) > 3 * find_half_width([100, 100])
    assert find_half_width([100] * 400) < 0.001


def test_costs_follow_what_was_seen() -> None:
    entrants = tuple(Entrant(number=number, start="a", lanes=1, query_s=1.0) for number in range(2))
    costs = plan_costs(entrants, ())
    assert costs.expect_trial_s(entrants[0], Amounts(1.5, 2), fresh=True) == 8.0 + 1.0 + 1.0 + 2.0
    seen = Trial(entrant=0, start=1, score=1.0, query_s=4.0, start_s=10.0, seconds=18.5, queries=1)
    costs = plan_costs(entrants, (seen,))
    assert costs.expect_query_s(entrants[1]) == 4.0
    assert costs.expect_trial_s(entrants[1], Amounts(1.5, 2), fresh=False) == 0.5 + 4.0 + 8.0
    assert costs.expect_run_s(entrants[0]) == 2 * 10.0 + 5 * 4.0 + 30 * 4.0
    assert costs.expect_confirmation_s(entrants[0], 10.0) == 2 * 10.0 + 5 * 4.0 + 20 * 4.0


def test_a_start_costs_more_than_loading() -> None:
    entrants = tuple(Entrant(number=number, start="a", lanes=1, query_s=1.0) for number in range(2))
    fresh = Trial(entrant=0, start=1, score=1.0, query_s=0.5, start_s=5.0, seconds=10.25, queries=3)
    warm = Trial(entrant=1, start=1, score=1.0, query_s=0.5, seconds=2.25, queries=3)
    costs = plan_costs(entrants, (fresh, warm))
    assert (costs.start_s, costs.overhead_s) == (8.0, 0.25)
    # With no trial in instances that run, what lies beyond loading is taken for the trial's.
    alone = plan_costs(entrants, (fresh,))
    assert (alone.start_s, alone.overhead_s) == (5.0, 3.25)
