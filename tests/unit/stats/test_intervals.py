from __future__ import annotations

import math

import numpy as np
import pytest

from resnet50_bench.stats.intervals import (
    FEWEST,
    Dependence,
    average_batches,
    estimate_mean,
    fit_dependence,
    t_quantile,
    t_test,
)


def test_student_t_is_scipys():
    from scipy import stats

    assert t_quantile(7.5) == pytest.approx(stats.t.ppf(0.975, 7.5))
    assert t_quantile(3, 0.8) == pytest.approx(stats.t.ppf(0.9, 3))
    assert t_test(-2.5, 4) == pytest.approx(2 * stats.t.sf(2.5, 4))


def test_the_variance_of_a_mean_of_three():
    # Of three values: (3 + 2 * (2 * a + a**2)) / 9 of the variance 4.
    assert Dependence(0.5, 4.0).mean_variance(3) == pytest.approx(4 * (3 + 2 * 1.25) / 9)
    assert Dependence(0.0, 4.0).mean_variance(8) == pytest.approx(0.5)


def test_long_series_know_as_much_as_their_inefficiency_says():
    dependence = Dependence(0.9, 1.0)
    assert dependence.inefficiency == pytest.approx(19)
    assert dependence.mean_variance(10**6) * 10**6 == pytest.approx(19, rel=1e-3)


def test_batches_leave_out_the_first_values_that_are_over():
    assert average_batches(np.arange(7.0), 3).tolist() == [2.0, 5.0]
    assert average_batches(np.arange(3.0), 60).tolist() == [0.0, 1.0, 2.0]


def test_the_coefficient_is_corrected_for_the_length():
    # The squares are 10, the products of neighbours 1 - 1 + 0 + 2 = 2: raw 0.2, corrected 2 / 3.
    residuals = np.array([-1.0, -1.0, 1.0, 0.0, 1.0]) * math.sqrt(2)
    raw = float(residuals[1:] @ residuals[:-1]) / float(residuals @ residuals)
    assert fit_dependence(residuals).coefficient == pytest.approx(
        min(max((5 * raw + 1) / 2, -0.3), 0.97)
    )


def test_few_values_have_no_interval():
    assert estimate_mean([1.0] * (FEWEST - 1)) is None
    assert estimate_mean([1.0] * FEWEST) is not None


def test_a_constant_is_known_exactly():
    interval = estimate_mean([64.0] * 30)
    assert interval is not None
    assert (interval.low, interval.mean, interval.high) == (64.0, 64.0, 64.0)
    assert (interval.relative, interval.drift, interval.effective) == (0.0, 0.0, 30.0)


def test_a_line_without_noise_is_a_drift_and_its_mean_known():
    interval = estimate_mean(np.linspace(90, 110, 40))
    assert interval is not None
    assert interval.mean == pytest.approx(100)
    assert interval.drift == pytest.approx(20)
    assert interval.half_width() == pytest.approx(0, abs=1e-9)


def test_dependent_values_tell_less_than_independent_ones():
    random = np.random.default_rng(1)
    white = random.standard_normal(1000)
    dependent = np.convolve(white, 0.9 ** np.arange(50))[:1000]
    free, bound = estimate_mean(white), estimate_mean(dependent)
    assert free is not None
    assert bound is not None
    assert 700 < free.effective < 1500
    assert 20 < bound.effective < 130


def test_the_interval_scales_with_the_values():
    values = np.random.default_rng(2).standard_normal(100) + 50
    one, thousand = estimate_mean(values), estimate_mean(1000 * values)
    assert one is not None
    assert thousand is not None
    assert thousand.low == pytest.approx(1000 * one.low)
    assert thousand.relative == pytest.approx(one.relative)
