"""Robust z-scores."""

from __future__ import annotations

import random

import pytest

from resnet50_bench.stats.outliers import BOUND, FEWEST, score


def test_the_score_is_the_modified_z_score():
    """Median 3, absolute deviations 2 1 0 1 97: their median is 1; of five values 1.206 more."""
    assert score([1, 2, 3, 4, 100], 0.0) == pytest.approx(
        [value / (1.4826 * 1.206) for value in (-2, -1, 0, 1, 97)]
    )


def test_values_that_are_equal_do_not_make_a_hair_an_outlier():
    assert score([1.0] * 9 + [0.999], 0.005)[-1] == pytest.approx(-0.2)


def test_of_few_values_none_stands_apart():
    assert score([1.0] * (FEWEST - 2) + [100.0], 0.01) == [0.0] * (FEWEST - 1)


@pytest.mark.parametrize(("count", "share"), [(5, 0.03), (10, 0.012), (50, 0.004)])
def test_hardly_any_value_of_noise_stands_apart(count, share):
    luck = random.Random(1)
    groups = [[luck.gauss(0, 1) for _ in range(count)] for _ in range(2000 // count)]
    apart = sum(value < -BOUND for group in groups for value in score(group, 0.1))
    assert apart / 2000 < share
