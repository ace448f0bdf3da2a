from __future__ import annotations

import numpy as np
import pytest

from resnet50_bench.stats.steady import FEWEST, find_warm_up


def noise(count: int, seed: int = 1) -> np.ndarray:
    return 1 + 0.01 * np.random.default_rng(seed).standard_normal(count)


@pytest.mark.parametrize("factor", [1.2, 0.8], ids=["slow", "fast"])
@pytest.mark.parametrize("count", [30, 300, 1000])
def test_a_first_query_unlike_the_others(count, factor):
    values = noise(count)
    values[0] *= factor
    assert find_warm_up(values) == 1


def test_a_warm_up_in_two_steps_is_followed_to_its_end():
    values = noise(200)
    values[:10] += 0.3
    values[10:30] += 0.1
    assert find_warm_up(values) == 30


def test_a_warm_up_without_noise():
    assert find_warm_up([2.0] * 3 + [1.0] * 27) == 3


@pytest.mark.parametrize("count", [30, 100, 1000])
def test_a_steady_series_has_none(count):
    assert [find_warm_up(noise(count, seed)) for seed in range(10)] == [0] * 10


def test_a_step_nobody_would_call_warm_up_is_left():
    values = np.ones(100)
    values[:5] = 1.004
    assert find_warm_up(values) == 0


@pytest.mark.parametrize("slope", [0.05, -0.05])
def test_a_drift_has_no_end_to_cut_at(slope):
    assert find_warm_up(noise(300) + np.linspace(0, slope, 300)) == 0


def test_a_change_in_the_middle_is_no_warm_up():
    values = noise(300)
    values[:140] += 0.2
    assert find_warm_up(values) == 0


def test_few_values_have_none():
    assert find_warm_up([9.0] + [1.0] * (FEWEST - 2)) == 0


def test_long_series_are_looked_at_in_batches_from_their_begin():
    values = noise(100_050)
    values[:500] += 0.5
    # Of 101 values each.
    assert find_warm_up(values) == 505
