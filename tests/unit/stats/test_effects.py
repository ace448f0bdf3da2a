from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from resnet50_bench.stats.effects import compare_groups, compare_pairs, plan_runs

FIRST = [100.0, 101.0, 99.0, 100.5, 98.0]
SECOND = [103.0, 104.5, 101.0, 104.0, 102.0]


def test_pairs_are_scipys_paired_t_test_on_logarithms():
    from scipy.stats import ttest_rel

    effect = compare_pairs(FIRST, SECOND)
    expected = ttest_rel(np.log(SECOND), np.log(FIRST)).confidence_interval(0.95)
    assert effect.low == pytest.approx(math.expm1(expected.low))
    assert effect.high == pytest.approx(math.expm1(expected.high))
    assert (effect.degrees, effect.pairs) == (4, 5)


def test_groups_are_scipys_t_test_on_logarithms():
    from scipy.stats import ttest_ind

    effect = compare_groups(FIRST, SECOND[:3])
    expected = ttest_ind(np.log(SECOND[:3]), np.log(FIRST)).confidence_interval(0.95)
    assert effect.low == pytest.approx(math.expm1(expected.low))
    assert effect.high == pytest.approx(math.expm1(expected.high))
    assert (effect.degrees, effect.pairs) == (6, None)


def test_the_effect_is_a_ratio():
    effect = compare_pairs([100.0, 200.0], [110.0, 220.0])
    assert effect.change == pytest.approx(0.1)
    assert effect.scatter == pytest.approx(0, abs=1e-12)
    assert compare_groups([50.0, 50.0], [100.0, 100.0]).change == pytest.approx(1.0)


def test_one_run_can_be_compared_with_several():
    effect = compare_groups([100.0, 102.0], [110.0])
    assert effect.degrees == 1
    assert effect.low < 0 < effect.high


def test_planned_runs_have_the_power_they_are_planned_for():
    # A scatter that is known: 2 * (1.96 + 0.84)**2 * (0.02 / log(1.03))**2 = 7.2, and by t a bit more.
    known = replace(compare_groups(FIRST, SECOND), scatter=0.02, degrees=1e9)
    assert plan_runs(known, 0.03) == 9
    assert plan_runs(replace(known, pairs=5), 0.03) == 6


def test_a_small_pilot_is_planned_with_caution():
    known = replace(compare_groups(FIRST, SECOND), scatter=0.02, degrees=1e9)
    # Below its tenth percentile, 3.49, a chi-square of 8 degrees says the scatter is 1.51 times it.
    assert plan_runs(replace(known, degrees=8), 0.03) == 18


def test_what_a_thousand_runs_would_not_show_has_no_plan():
    effect = replace(compare_groups(FIRST, SECOND), scatter=0.5)
    assert plan_runs(effect, 0.01) is None
    assert plan_runs(replace(effect, scatter=0.0), 0.01) == 2
