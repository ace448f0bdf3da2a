from __future__ import annotations

import pytest
from tests.records import MS, make_instance, make_queries, make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.report.terminal.shape import count_in_bins, describe_shape, draw_bars
from resnet50_bench.results.kpi import run_kpis


def describe(record):
    kpis = run_kpis(record)
    assert kpis is not None
    return dict(describe_shape(record, kpis))


def test_bars_are_eighths_of_the_largest():
    assert draw_bars([0, 1, 2, 3, 4, 5, 6, 7, 8], 0) == " ▁▂▃▄▅▆▇█"


def test_the_smallest_value_above_the_floor_can_be_seen():
    assert draw_bars([0, 1, 1000], 0) == " ▁█"


@pytest.mark.parametrize("bins", [1, 2, 3, 7, 50])
def test_every_value_lies_in_one_bin(bins):
    values = [3, 3, 4, 9, 10, 10, 17, 53]
    assert sum(count_in_bins(values, bins)) == len(values)


def test_the_ends_of_the_range_are_in_the_first_and_the_last_bin():
    assert count_in_bins([0, 1, 9, 10], 2) == [2, 2]


def test_a_run_that_slows_down_is_seen_to_do_so():
    quick = make_queries(0, 30, 10 * MS)
    slow = make_queries(quick[-1][1], 30, 20 * MS)
    record = make_record(RunConfig(instances=1), instances=[make_instance(queries=[*quick, *slow])])
    rows = describe(record)
    bars, words = rows["Over time"].split("  ")
    assert bars[0] == "█"
    assert bars[-1] == "▁"
    assert words == "1600.00 .. 3200.00 images/s"
    histogram, words = rows["Durations"].rsplit("  ", 1)
    assert histogram.count("█") == 2
    assert words == "10.00 .. 20.00 ms, at most 30 in a bar"


def test_queries_of_one_length_have_no_histogram():
    assert list(describe(make_record())) == ["Over time"]
