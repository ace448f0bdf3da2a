"""How often the 95 % interval of a throughput holds the truth: `python benchmarks/coverage.py`.

400 simulated series of each kind, as long as the runs are: 30 to 1000 queries, in six lengths.
The truth of each series is known, since it was made; a share of 93 to 97 % is what 400 series of
an exact 95 % interval show by luck. Every series goes through the same steps as a run's: what is
found to be warm-up is left out, and the interval is that of the rest.

What is estimated is the mean of the steady part. Of a drift it is the mean of the drifting rate
over the time measured, without its noise; of a warm-up, the level that it dies away to.

Ends in 1 when a kind that is promised is outside of 93 to 97 %. `--series` and `--seed` change the
number and the luck.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnet50_bench.stats.intervals import estimate_mean
from resnet50_bench.stats.steady import find_warm_up

Floats = npt.NDArray[np.float64]
Random = np.random.Generator

LENGTHS = (30, 60, 120, 250, 500, 1000)
SERIES = 400
PROMISED = (0.93, 0.97)

NOISE = 0.01
"""Standard deviation of a query's rate; of the mean, which is 1."""

BURN_IN = 200


def make_white(count: int, random: Random) -> Floats:
    return 1 + NOISE * random.standard_normal(count)


def make_dependent(count: int, random: Random, coefficient: float = 0.9) -> Floats:
    """An AR(1) of the standard deviation `NOISE`."""
    news = NOISE * np.sqrt(1 - coefficient**2) * random.standard_normal(count + BURN_IN)
    values = np.empty(count + BURN_IN)
    last = 0.0
    for place, value in enumerate(news):
        last = values[place] = coefficient * last + value
    return 1 + values[BURN_IN:]


def make_drift(count: int, random: Random) -> Floats:
    """It falls by 3 % from begin to end, as a CPU that heats up; around its mean of 1."""
    return make_white(count, random) + np.linspace(0.015, -0.015, count)


def make_bimodal(count: int, random: Random) -> Floats:
    """Each query is in one of two modes, 10 % apart; three in ten in the slow one."""
    return make_white(count, random) + np.where(random.random(count) < 0.3, -0.07, 0.03)


def make_dwelling(count: int, random: Random) -> Floats:
    """Two modes 10 % apart that stay for ten queries on average."""
    changes = np.cumsum(random.random(count) < 0.1) + random.integers(2)
    return make_white(count, random) + np.where(changes % 2 == 0, 0.05, -0.05)


def make_warming(count: int, random: Random) -> Floats:
    """It begins 20 % slow and comes within 1 % of its level after seven queries."""
    return make_white(count, random) - 0.2 * np.exp(-np.arange(count) / 2.3)


@dataclass(frozen=True, slots=True)
class Kind:
    """Series of one kind.

    Attributes:
        make: count and luck -> a series whose steady mean is 1.
        promised: its coverage is held to `PROMISED`.
    """

    make: Callable[[int, Random], Floats]
    promised: bool = True


KINDS = {
    "white": Kind(make_white),
    "AR(1) 0.9": Kind(make_dependent),
    "drift": Kind(make_drift),
    "bimodal": Kind(make_bimodal),
    "bimodal, dwelling": Kind(make_dwelling, promised=False),
    "warming up": Kind(make_warming, promised=False),
}


@dataclass(slots=True)
class Count:
    """What became of the series of one kind and length."""

    series: int = 0
    covered: int = 0
    cut: int = 0
    width: float = 0.0

    def add(self, other: Count) -> None:
        """Add up."""
        self.series += other.series
        self.covered += other.covered
        self.cut += other.cut
        self.width += other.width

    def describe(self) -> str:
        """Coverage, in percent."""
        return f"{self.covered / self.series:6.1%}"


def judge(series: Floats, truth: float = 1.0) -> Count:
    """Estimate one series as a run's is."""
    cut = find_warm_up(1 / series)
    interval = estimate_mean(series[cut:])
    assert interval is not None
    covered = interval.low <= truth <= interval.high
    return Count(1, int(covered), int(cut > 0), interval.half_width())


def find_truth(name: str, count: int, cut: int) -> float:
    """The mean of what is left; a drift without its begin has another mean."""
    if name != "drift":
        return 1.0
    return 1 + float(np.linspace(0.015, -0.015, count)[cut:].mean())


def simulate(name: str, series: int, seed: int) -> dict[int, Count]:
    """Return the counts of a kind by length; the lengths take turns."""
    random = np.random.default_rng([seed, list(KINDS).index(name)])
    counts = {length: Count() for length in LENGTHS}
    for number in range(series):
        length = LENGTHS[number % len(LENGTHS)]
        values = KINDS[name].make(length, random)
        truth = find_truth(name, length, find_warm_up(1 / values))
        counts[length].add(judge(values, truth))
    return counts


def add_up(counts: dict[int, Count]) -> Count:
    total = Count()
    for count in counts.values():
        total.add(count)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=SERIES, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    head = "".join(f"{length:>8}" for length in LENGTHS)
    print(f"{'':18} {'all':>6} {head}   +-      cut")
    failed = []
    for name, kind in KINDS.items():
        counts = simulate(name, arguments.series, arguments.seed)
        total = add_up(counts)
        lengths = "".join(f"{counts[length].describe():>8}" for length in LENGTHS)
        width, cut = total.width / total.series, total.cut / total.series
        print(f"{name:18} {total.describe()} {lengths}   {width:5.2%} {cut:5.1%}")
        if kind.promised and not PROMISED[0] <= total.covered / total.series <= PROMISED[1]:
            failed.append(name)
    if failed:
        print(f"outside of 93 .. 97 %: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
