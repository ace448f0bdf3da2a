from __future__ import annotations

import math

import pytest

from resnet50_bench.search.race.costs import Amounts, Entrant, Trial, plan_costs
from resnet50_bench.search.race.estimates import (
    Feasibility,
    Limit,
    count_needed_queries,
    estimate_scores,
    find_critical_value,
    find_share_interval,
    find_start_deviation,
    judge_limit,
)
from resnet50_bench.search.race.score import find_half_width

P99 = Limit(99.0, 0.02)


def make_trial(score: float, half_width: float = 0.0, **others) -> Trial:
    return Trial(entrant=0, start=1, score=score, half_width=half_width, **others)


def test_a_single_trial_is_as_uncertain_as_starts_differ() -> None:
    estimate = estimate_scores({0: [make_trial(100.0)]})[0]
    assert estimate.score == pytest.approx(100.0)
    assert estimate.deviation == pytest.approx(0.01)
    assert estimate.interval == pytest.approx(
        (100 * math.exp(-0.0195996), 100 * math.exp(0.0195996)), rel=1e-6
    )


def test_a_trial_s_own_interval_adds_to_it() -> None:
    estimate = estimate_scores({0: [make_trial(100.0, 1.959964 * 0.01)]})[0]
    assert estimate.deviation == pytest.approx(0.01 * math.sqrt(2))


def test_two_starts_halve_the_variance_when_they_agree() -> None:
    trials = {0: [make_trial(100.0), make_trial(100.0)]}
    # The prior's 8 degrees and one observed square of 0: the deviation shrinks too.
    between = math.sqrt(8 * 0.01**2 / 9)
    assert find_start_deviation(trials) == pytest.approx(between)
    assert estimate_scores(trials)[0].deviation == pytest.approx(between / math.sqrt(2))


def test_starts_that_disagree_make_the_estimate_less_certain() -> None:
    agree = estimate_scores({0: [make_trial(100.0), make_trial(100.5)]})[0]
    disagree = estimate_scores({0: [make_trial(100.0), make_trial(88.0)]})[0]
    assert disagree.deviation > 3 * agree.deviation
    assert disagree.high > math.log(99.0)


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
