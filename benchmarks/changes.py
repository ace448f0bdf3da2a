"""How often `r50 watch` is wrong, and how soon it is right: `python benchmarks/changes.py`.

Seeded series of runs that scatter by 1 %, independent or each like the last one (AR(1)):

(a) in which nothing changes: how many give a false alarm in one look at the whole series; and in a
    look after every run from the eighth to the 120th, as a cron job has, also of the size that
    ends in exit code 1;
(b) with a step of -3 % after half of them: how many are found, at the right run give or take two;
(c) with a drift of -5 % from the first to the last: how many are found, and are told as a drift;
(d) with a step of -3 % after 30 runs: how many runs later it is found.

It ends with exit code 1 when one look at independent values is wrong more often than the level of
the test allows, five in a thousand more granted for the luck of the seeds, or when a step in a
hundred such runs is missed. It takes about two minutes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resnet50_bench.stats.changes import FEWEST, LEVEL, find_changes

SCATTER = 0.01
STEP = -0.03
DRIFT = -0.05
LENGTHS = (10, 20, 40, 100, 300)
DEPENDENCES = (0.0, 0.3, 0.6)
LOOKS = 120
BEFORE = 30
LUCK = 0.005


@dataclass(frozen=True)
class Shares:
    """Of the series of one kind, so many of each hundred."""

    false: float
    steps: float
    placed: float
    drifts: float
    as_drift: float


def make_noise(seed: int, count: int, dependence: float) -> np.ndarray:
    """Logarithms of speeds: an AR(1) with a deviation of `SCATTER`."""
    news = np.random.default_rng(seed).normal(size=count)
    values = np.empty(count)
    values[0] = news[0]
    for place in range(1, count):
        values[place] = dependence * values[place - 1] + np.sqrt(1 - dependence**2) * news[place]
    return 4 + SCATTER * values


def add_step(values: np.ndarray, place: int) -> np.ndarray:
    return values + STEP * (np.arange(len(values)) >= place)


def add_drift(values: np.ndarray) -> np.ndarray:
    return values + DRIFT * np.linspace(0, 1, len(values))


def count_shares(length: int, dependence: float, series: int) -> Shares:
    noise = [make_noise(seed, length, dependence) for seed in range(series)]
    steps = [find_changes(add_step(values, length // 2)) for values in noise]
    drifts = [find_changes(add_drift(values)) for values in noise]
    return Shares(
        false=share([bool(find_changes(values)) for values in noise]),
        steps=share([bool(found) for found in steps]),
        placed=share(
            [
                len(found) == 1 and not found[0].drifts and abs(found[0].place - length // 2) <= 2
                for found in steps
            ]
        ),
        drifts=share([bool(found) for found in drifts]),
        as_drift=share([len(found) == 1 and found[0].drifts for found in drifts]),
    )


def count_ever(dependence: float, series: int) -> tuple[float, float]:
    """Series in which a look after some run shows a change; and a slowdown as large as `STEP`."""
    lowest = []
    for seed in range(series):
        values = make_noise(seed, LOOKS, dependence)
        looks = (find_changes(values[:count]) for count in range(FEWEST, LOOKS + 1))
        seen = [[item.effect.log_ratio for item in found] for found in looks]
        lowest.append((any(seen), any(sum(found) <= STEP for found in seen)))
    return share([shown for shown, _ in lowest]), share([alarm for _, alarm in lowest])


def find_delays(dependence: float, series: int) -> list[float]:
    """Runs from the step until it is found; infinite where that takes more than `LOOKS`."""
    delays = []
    for seed in range(series):
        values = add_step(make_noise(seed, BEFORE + LOOKS, dependence), BEFORE)
        found = (count for count in range(1, LOOKS + 1) if find_changes(values[: BEFORE + count]))
        delays.append(float(next(found, np.inf)))
    return delays


def share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=400, help="of each kind")
    series = parser.parse_args().series
    print(f"{series} series of each kind; runs scatter by {SCATTER:.0%}")
    print("runs  AR(1)   false   step found  placed   drift found  as drift")
    good = True
    for length in LENGTHS:
        for dependence in DEPENDENCES:
            found = count_shares(length, dependence, series)
            print(
                f"{length:4}  {dependence:5.1f}  {found.false:6.1%}  {found.steps:10.1%}  "
                f"{found.placed:6.1%}  {found.drifts:12.1%}  {found.as_drift:8.1%}",
                flush=True,
            )
            if dependence == 0:
                good &= found.false <= LEVEL + LUCK
                good &= length < 100 or found.steps == 1
    few = max(series // 4, 1)
    for dependence in DEPENDENCES:
        delays = find_delays(dependence, few)
        shown, alarmed = count_ever(dependence, few)
        print(
            f"AR(1) {dependence}: of {few} series of {LOOKS} runs, looked at after each, "
            f"{shown:.1%} ever show a change, {alarmed:.1%} a slowdown of {-STEP:.0%}; "
            f"a step after {BEFORE} runs is found after "
            f"{statistics.median(delays):g} more (at most {max(delays):g})",
            flush=True,
        )
    sys.exit(not good)


if __name__ == "__main__":
    main()
