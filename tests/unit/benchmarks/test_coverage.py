"""The interval of a throughput holds the truth as often as it says, in a small seeded simulation.

`benchmarks/coverage.py` does the same with 400 series of each kind.
"""

from __future__ import annotations

import pytest
from benchmarks import coverage

SERIES = 180


@pytest.mark.parametrize("name", [name for name, kind in coverage.KINDS.items() if kind.promised])
def test_the_interval_covers(name):
    total = coverage.add_up(coverage.simulate(name, SERIES, seed=7))
    # 1.96 standard deviations of 180 trials are 3 %.
    assert 0.92 <= total.covered / total.series <= 0.98


def test_a_warm_up_is_found_and_left_out():
    total = coverage.add_up(coverage.simulate("warming up", 60, seed=7))
    assert total.cut > 40
    assert total.covered >= 54


def test_a_plain_standard_error_would_not_pass(monkeypatch):
    monkeypatch.setattr("resnet50_bench.stats.intervals._HIGHEST", 0.0)
    total = coverage.add_up(coverage.simulate("AR(1) 0.9", 60, seed=7))
    assert total.covered < 45
