from __future__ import annotations

import random

import pytest

from resnet50_bench.stats import proportions


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
    found = proportions.wilson_interval(successes, trials)
    assert [round(bound, digits) for bound in found] == list(interval)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_interval_is_scipys(confidence):
    from scipy.stats import binomtest

    for successes, trials in [(0, 7), (1, 7), (7, 7), (38, 50), (38_230, 50_000)]:
        wanted = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        found = proportions.wilson_interval(successes, trials, confidence)
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
    assert proportions.sign_test(more, less) == pytest.approx(p, rel=1e-12)


def test_sign_test_is_scipys():
    from scipy.stats import binomtest

    for more, less in [(7, 3), (3, 7), (60, 40), (251, 250), (400, 300), (12_300, 12_000)]:
        wanted = binomtest(more, more + less).pvalue
        assert proportions.sign_test(more, less) == pytest.approx(wanted, rel=1e-9)


def test_pairs():
    pairs = proportions.Pairs(both=36, first=2, second=12, neither=0)
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
    found = proportions.paired_interval(proportions.Pairs(*pairs))
    assert [round(bound, 4) for bound in found] == list(interval)


def test_the_paired_interval_covers_the_truth():
    """About 95 of 100 experiments: 90 % right before, 88 % after, nearly always the same images."""

    rng = random.Random(5)
    chances = (0.87, 0.03, 0.01, 0.09)
    covered = 0
    for _ in range(400):
        drawn = rng.choices(range(4), chances, k=500)
        low, high = proportions.paired_interval(
            proportions.Pairs(*(drawn.count(cell) for cell in range(4)))
        )
        covered += low <= -0.02 <= high
    assert 370 <= covered <= 395
