"""What a comparison calls different is, and what it plans it finds, in a small seeded simulation.

`benchmarks/comparison.py` does the same with 400 comparisons of each kind.
"""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import comparison

KINDS = {**comparison.SYNTHETIC, **comparison.read_recorded()}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("runs", [3, 10])
def test_the_same_is_seldom_called_different(name, runs):
    random = np.random.default_rng([5, runs])
    assert comparison.count_errors(KINDS[name], runs, 200, random) <= 0.08


@pytest.mark.parametrize("name", comparison.SYNTHETIC)
def test_a_planned_comparison_finds_what_it_was_planned_for(name):
    found, _ = comparison.count_found(KINDS[name], 60, np.random.default_rng(6))
    assert found >= 0.75


def test_less_scatter_than_there_is_would_be_found_out():
    """The simulation is able to fail: intervals half as wide call the same different."""

    def narrow(count: int, random: np.random.Generator) -> np.ndarray:
        return comparison.make_quiet(count, random)

    random = np.random.default_rng(7)
    errors = 0
    for _ in range(100):
        first, second = comparison.make_blocks(narrow, 5, random)
        effect = comparison.compare(first, second, paired=False)
        errors += abs(effect.log_ratio) > effect.half_width / 2
    assert errors > 15
