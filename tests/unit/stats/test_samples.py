from __future__ import annotations

import pytest

from resnet50_bench.stats import samples as stats


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
        assert stats.nearest_rank(ordered, percent) == value


@pytest.mark.parametrize(
    ("percent", "enough"), [(50, 2), (90, 10), (95, 20), (99, 100), (99.9, 1000), (75, 4)]
)
def test_percentile_is_supported_from_the_count_that_leaves_one_value_above(percent, enough):
    assert not stats.is_percentile_supported(enough - 1, percent)
    assert stats.is_percentile_supported(enough, percent)
    assert not stats.is_percentile_supported(0, percent)


@pytest.mark.parametrize(
    ("limit", "count"), [(0, 0), (9, 0), (10, 1), (11, 1), (20, 3), (29, 3), (30, 4), (99, 4)]
)
def test_count_at_or_below(limit, count):
    assert stats.count_at_or_below([10, 20, 20, 30], limit) == count


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
    assert stats.plan_slices(begin, end, count) == slices


@pytest.mark.parametrize(
    ("interval", "bounds", "share"),
    [
        ((10, 20), (0, 100), 1.0),
        ((10, 20), (10, 20), 1.0),
        ((10, 20), (15, 100), 0.5),
        ((10, 20), (0, 12), 0.2),
        ((10, 20), (12, 15), 0.3),
        ((10, 20), (20, 30), 0.0),
        ((10, 20), (0, 10), 0.0),
        ((10, 20), (40, 50), 0.0),
        # Without length it lies where it ends: in the interval it closes, not in the one it opens.
        ((10, 10), (10, 20), 0.0),
        ((10, 10), (0, 10), 1.0),
        ((10, 10), (0, 20), 1.0),
        ((10, 10), (20, 30), 0.0),
    ],
)
def test_overlap_share(interval, bounds, share):
    assert stats.overlap_share(*interval, *bounds) == share


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
    spread = stats.describe_spread(values)
    assert (spread.median, spread.low, spread.high) == (median, low, high)
    assert spread.variation == pytest.approx(variation, rel=1e-12)


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    [
        # z^2 = 3.841459. No success: 0 .. z^2 / (n + z^2); all: the mirror image.
        (0, 10, (0.0, 0.277533)),
        (10, 10, (0.722467, 1.0)),
        (0, 1, (0.0, 0.793451)),
        # (5 + 1.920729) / 13.841459 = 0.5, and 1.959964 * sqrt(2.5 + 0.960365) / 13.841459.
        (5, 10, (0.236593, 0.763407)),
        # Newcombe 1998, Statistics in Medicine 17: 857-872, table I, method 3.
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_interval(successes, trials, interval):
    digits = max(len(str(bound)) for bound in interval) - 2
    found = stats.wilson_interval(successes, trials)
    assert [round(bound, digits) for bound in found] == list(interval)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_interval_is_scipys(confidence):
    from scipy.stats import binomtest

    for successes, trials in [(0, 7), (1, 7), (7, 7), (38, 50), (38_230, 50_000)]:
        wanted = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        found = stats.wilson_interval(successes, trials, confidence)
        assert found == pytest.approx(tuple(wanted), abs=1e-12)


@pytest.mark.parametrize(
    ("more", "less", "p"),
    [
        (0, 0, 1.0),
        (4, 4, 1.0),
        (1, 0, 1.0),  # 2 / 2
        (2, 1, 1.0),  # 2 * (3 + 1) / 8
        (5, 0, 0.0625),  # 2 / 32
        (0, 5, 0.0625),
        (8, 2, 0.109375),  # 2 * (45 + 10 + 1) / 1024
        (10, 0, 0.001953125),  # 2 / 1024
        (25_000, 0, 0.0),
    ],
)
def test_sign_test(more, less, p):
    assert stats.sign_test(more, less) == pytest.approx(p, rel=1e-12)


def test_sign_test_is_scipys():
    from scipy.stats import binomtest

    for more, less in [(7, 3), (3, 7), (60, 40), (251, 250), (400, 300), (12_300, 12_000)]:
        wanted = binomtest(more, more + less).pvalue
        assert stats.sign_test(more, less) == pytest.approx(wanted, rel=1e-9)


def test_pairs():
    pairs = stats.Pairs(both=36, first=2, second=12, neither=0)
    assert (pairs.count, pairs.gain) == (50, 0.2)


@pytest.mark.parametrize(
    ("pairs", "interval"),
    [
        # Newcombe 1998, a dataset of its table of examples: e, f, g, h = 36, 12, 2, 0 gives 0.0569 .. 0.3404.
        ((36, 2, 12, 0), (0.0569, 0.3404)),
        # The same with the two exchanged.
        ((36, 12, 2, 0), (-0.3404, -0.0569)),
        # Nothing flips: phi = (95 * 5 - 50) / (95 * 5) = 17/19; Wilson's interval of 95 of 100
        # reaches 0.061825 down and 0.028457 up: sqrt(0.003822 - 0.003148 + 0.000810).
        ((95, 0, 0, 5), (-0.0385, 0.0385)),
        # Always right, then never: Wilson's interval of 30 of 30 reaches down by 0.113516, that of
        # 0 of 30 up by as much; phi = 0, so sqrt(2) x 0.113516 = 0.160536.
        ((0, 30, 0, 0), (-1.0, -0.8395)),
        # Against each other: phi = -1, not corrected. Wilson's interval of 5 of 10 is 0.2634 to
        # either side, so the distances add up: 0.5268.
        ((0, 5, 5, 0), (-0.5268, 0.5268)),
    ],
)
def test_paired_interval(pairs, interval):
    found = stats.paired_interval(stats.Pairs(*pairs))
    assert [round(bound, 4) for bound in found] == list(interval)


def test_the_paired_interval_covers_the_truth():
    """About 95 of 100 experiments: 90 % right before, 88 % after, nearly always the same images."""
    import random

    rng = random.Random(5)
    chances = (0.87, 0.03, 0.01, 0.09)
    covered = 0
    for _ in range(400):
        drawn = rng.choices(range(4), chances, k=500)
        low, high = stats.paired_interval(stats.Pairs(*(drawn.count(cell) for cell in range(4))))
        covered += low <= -0.02 <= high
    assert 370 <= covered <= 395
