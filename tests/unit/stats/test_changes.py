"""Where a series changes, and where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from resnet50_bench.stats.changes import FEWEST, LEVEL, find_changes

pytest.importorskip("ruptures")


def noise(seed: int, count: int = 60, scatter: float = 0.01) -> np.ndarray:
    return 4 + np.random.default_rng(seed).normal(scale=scatter, size=count)


def step(values: np.ndarray, place: int, change: float) -> np.ndarray:
    return values + math.log1p(change) * (np.arange(len(values)) >= place)


def test_a_step_is_found_with_its_place_and_an_interval_that_holds_its_size():
    (found,) = find_changes(step(noise(1), 40, -0.03))
    assert (found.place, found.drifts) == (40, False)
    assert found.effect.low < -0.03 < found.effect.high < 0


def test_several_steps_are_told_apart():
    found = find_changes(step(step(noise(2, 90), 30, -0.05), 60, 0.08))
    assert [item.place for item in found] == [30, 60]
    assert [item.effect.change > 0 for item in found] == [False, True]


def test_a_drift_is_no_stair():
    (found,) = find_changes(noise(3, 100) + np.linspace(0, -0.06, 100))
    assert found.drifts
    assert found.effect.change == pytest.approx(math.expm1(-0.06), abs=0.01)


def test_a_drift_begins_where_it_begins():
    (found,) = find_changes(noise(4, 100, 0.003) + np.clip(np.arange(100) - 50, 0, None) * -0.002)
    assert found.drifts
    assert abs(found.place - 50) <= 6


@pytest.mark.parametrize("slope", [-0.0005, -0.002, -0.01])
def test_a_slope_is_not_taken_for_dependence(slope):
    for values in (np.arange(20) * 10 * slope, noise(7, 60, 0.002) + slope * np.arange(60)):
        (found,) = find_changes(values)
        assert found.drifts


def test_a_step_is_no_drift():
    assert not any(find_changes(step(noise(seed), 30, -0.05))[0].drifts for seed in range(20))


def test_noise_alone_gives_hardly_any_alarm():
    alarms = sum(bool(find_changes(noise(seed, 40))) for seed in range(200))
    assert alarms <= 3 * LEVEL * 200


def test_neighbours_that_resemble_each_other_are_no_change():
    def resemble(seed: int) -> np.ndarray:
        news, values = np.random.default_rng(seed).normal(size=60), np.zeros(60)
        for place in range(1, 60):
            values[place] = 0.6 * values[place - 1] + news[place]
        return 0.01 * values

    assert sum(bool(find_changes(resemble(seed))) for seed in range(100)) <= 8


def test_one_odd_run_is_no_change():
    values = noise(5)
    values[30] -= 0.5
    assert find_changes(values) == ()


def test_values_that_agree_by_chance_do_not_make_a_hair_significant():
    assert find_changes([4.0] * 20 + [4.0 - 1e-4] * 20) == ()
    (found,) = find_changes([4.0] * 20 + [3.95] * 20)
    assert found.place == 20


def test_of_few_runs_nothing_is_said():
    assert find_changes(step(noise(6, FEWEST - 1), 4, -0.5)) == ()
