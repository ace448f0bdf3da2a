from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.records import make_record

from resnet50_bench.report.html.configurations import find_bests, find_front, group_runs
from resnet50_bench.report.html.rows import describe_run


@pytest.fixture(scope="module")
def row():
    return describe_run(Path("runs/one"), make_record())


def test_rounds_of_the_same_are_one_configuration(row):
    rows = [replace(row, images_per_s=value) for value in (100.0, 110.0, 120.0)]
    (found,) = group_runs([*rows, replace(row, valid=False, images_per_s=999.0)])
    assert (len(found.rows), found.value) == (3, 110.0)
    low, high = found.interval  # 110 -+ 4.303 * 10 / sqrt(3)
    assert (round(low, 2), round(high, 2)) == (85.16, 134.84)


def test_a_single_round_has_the_interval_within_it(row):
    (found,) = group_runs([replace(row, low=90.0, high=95.0)])
    assert found.interval == (90.0, 95.0)


def test_what_may_change_the_speed_makes_another_configuration(row):
    others = [{"batch_size": 64}, {"engine": "null"}, {"machine": "other"}, {"others": "smt=True"}]
    assert len(group_runs([row, *(replace(row, **other) for other in others)])) == 5


def test_the_best_has_the_highest_throughput_or_the_lowest_latency(row):
    rows = [
        replace(row, batch_size=size, images_per_s=10.0 * size, mean_ms=1.0 * size, mode=mode)
        for size in (1, 2, 4)
        for mode in ("throughput", "latency")
    ]
    bests = find_bests(group_runs(rows), ("precision",))
    assert {item.row.mode: item.row.batch_size for item in bests} == {"throughput": 4, "latency": 1}


def test_the_front_holds_what_no_other_beats_in_both(row):
    points = {1: (10.0, 5.0), 2: (30.0, 6.0), 3: (20.0, 7.0), 4: (31.0, 9.0), 5: (31.0, 10.0)}
    rows = [
        replace(row, batch_size=size, images_per_s=rate, mean_ms=ms)
        for size, (rate, ms) in points.items()
    ]
    assert [item.row.batch_size for item in find_front(group_runs(rows))] == [1, 2, 4]
