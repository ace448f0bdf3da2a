from __future__ import annotations

import pytest

from resnet50_bench.stats import samples


def one_to(count: int) -> list[int]:
    return list(range(1, count + 1))


class TestNearestRank:
    @pytest.mark.parametrize(
        ("ordered", "percent", "value"),
        [
            ([7], 50, 7),
            ([7], 99.9, 7),
            ([3, 9], 50, 3),
            ([3, 9], 50.1, 9),
            ([3, 9], 100, 9),
            # 0.05 * 5 = 0.25 -> 1st; 0.30 * 5 = 1.5 -> 2nd; 0.40 * 5 = 2 -> 2nd (Wikipedia's list)
            ([15, 20, 35, 40, 50], 5, 15),
            ([15, 20, 35, 40, 50], 30, 20),
            ([15, 20, 35, 40, 50], 40, 20),
            ([15, 20, 35, 40, 50], 50, 35),
            ([15, 20, 35, 40, 50], 100, 50),
            (one_to(100), 50, 50),
            (one_to(100), 90, 90),
            (one_to(100), 99, 99),
            (one_to(100), 99.9, 100),
            (one_to(101), 50, 51),
            (one_to(999), 99, 990),
            (one_to(1000), 99, 990),
            # 999.0000000000001 in binary: still the 999th.
            (one_to(1000), 99.9, 999),
            (one_to(1001), 99.9, 1000),
            (one_to(2000), 99.9, 1998),
        ],
    )
    def test_value(self, ordered, percent, value):
        assert samples.nearest_rank(ordered, percent) == value


@pytest.mark.parametrize(
    ("percent", "enough"), [(50, 2), (90, 10), (95, 20), (99, 100), (99.9, 1000), (75, 4)]
)
def test_percentile_is_supported_from_the_count_that_leaves_one_value_above(percent, enough):
    assert not samples.is_percentile_supported(enough - 1, percent)
    assert samples.is_percentile_supported(enough, percent)
    assert not samples.is_percentile_supported(0, percent)


@pytest.mark.parametrize(
    ("limit", "count"), [(0, 0), (9, 0), (10, 1), (11, 1), (20, 3), (29, 3), (30, 4), (99, 4)]
)
def test_count_at_or_below(limit, count):
    assert samples.count_at_or_below([10, 20, 20, 30], limit) == count


@pytest.mark.parametrize(
    ("begin", "end", "count", "slices"),
    [
        (0, 30, 3, [(0, 10), (10, 20), (20, 30)]),
        (5, 15, 3, [(5, 8), (8, 11), (11, 15)]),
        (7, 9, 1, [(7, 9)]),
        (0, 7, 4, [(0, 1), (1, 3), (3, 5), (5, 7)]),
        # Above 2**53, where floats would round.
        (
            10_000_000_000_000_001,
            10_000_000_000_000_005,
            2,
            [
                (10_000_000_000_000_001, 10_000_000_000_000_003),
                (10_000_000_000_000_003, 10_000_000_000_000_005),
            ],
        ),
    ],
)
def test_slices_touch_and_cover_the_whole(begin, end, count, slices):
    assert samples.plan_slices(begin, end, count) == slices


@pytest.mark.parametrize(
    ("values", "median", "low", "high", "variation"),
    [
        ([5, 5, 5], 5, 5, 5, 0.0),
        ([3, 1], 2, 1, 3, 0.7071067811865476),  # sqrt(2) / 2
        ([9, 1, 5], 5, 1, 9, 0.8),  # deviations 4, 0, 4: sqrt(32 / 2) / 5
        ([4, 1, 3, 2], 2.5, 1, 4, 0.5163977794943222),  # sqrt(5 / 3) / 2.5
        ([0, 0], 0, 0, 0, 0.0),
    ],
)
def test_spread(values, median, low, high, variation):
    spread = samples.describe_spread(values)
    assert (spread.median, spread.low, spread.high) == (median, low, high)
    assert spread.variation == pytest.approx(variation, rel=1e-12)
