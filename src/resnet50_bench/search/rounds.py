"""Which point of a sweep is next, and how long what is left will take.

Every round measures each candidate once, in an order of its own: the rounds are interleaved, so
that a machine that grows slower, or a neighbour that comes and goes, favours no corner of the grid.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import ExitCode
from resnet50_bench.search.identity import hash_config
from resnet50_bench.search.points import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resnet50_bench.search.grid import Candidate
    from resnet50_bench.search.points import PointResult


def plan_rounds(candidates: Sequence[Candidate], rounds: int, seed: int) -> tuple[Point, ...]:
    """Return every point of every round, in the order in which they are measured.

    Args:
        candidates: at least one.
        rounds: how often each is measured.
        seed: the same seed gives the same order.
    """
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    sequence: list[Candidate] = []
    for _ in range(rounds):
        sequence += order.sample(candidates, len(candidates))
    return tuple(
        Point(number=number, settings=item.settings, config=item.config)
        for number, item in enumerate(sequence, 1)
    )


def drop_measured(points: Sequence[Point], measured: Mapping[str, int]) -> tuple[Point, ...]:
    """Return the points that are still to be measured: of each candidate the last ones.

    Args:
        points: of all rounds.
        measured: how many valid runs there are of each candidate, by `hash_config`.
    """
    passed: Counter[str] = Counter()
    left = []
    for point in points:
        key = hash_config(point.config)
        passed[key] += 1
        if passed[key] > measured.get(key, 0):
            left.append(point)
    return tuple(left)


@dataclass(frozen=True, slots=True)
class Spent:
    """How long a run took, from its begin to its end.

    Attributes:
        key: of its candidate, by `hash_config`.
        seconds: of the clock.
    """

    key: str
    seconds: float


def estimate_s(key: str, planned_s: Mapping[str, float], spent: Sequence[Spent]) -> float:
    """Return how long a run of a candidate will take.

    What its own runs took, else what was planned, as much longer or shorter as those took that
    were measured.

    Args:
        key: of the candidate.
        planned_s: of each candidate, by a cautious guess of its speed; above 0.
        spent: by the runs so far.
    """
    own = [item.seconds for item in spent if item.key == key]
    if own:
        return statistics.median(own)
    ratios = [item.seconds / planned_s[item.key] for item in spent if item.key in planned_s]
    return planned_s[key] * (statistics.median(ratios) if ratios else 1.0)


def estimate_all_s(
    points: Sequence[Point], planned_s: Mapping[str, float], spent: Sequence[Spent]
) -> float:
    """Return how long these points will take, one after the other."""
    keys = Counter(hash_config(point.config) for point in points)
    return sum(count * estimate_s(key, planned_s, spent) for key, count in keys.items())


class Agenda:
    """The points that are left, and the next of them.

    Attributes:
        left: in their order.
        broken: the candidates, by `hash_config`, that gave no result once: they are not tried again
            in later rounds.

    Args:
        points: to measure.
        estimate: how long a point will take, in seconds.
        left_s: how much time is left; None where it is not bounded.

    """

    def __init__(
        self,
        points: Sequence[Point],
        estimate: Callable[[Point], float],
        left_s: Callable[[], float] | None = None,
    ) -> None:
        self.left = list(points)
        self.broken: set[str] = set()
        self._estimate = estimate
        self._left_s = left_s

    def choose(self, results: Sequence[PointResult]) -> Point | None:
        """Return the first point that can be afforded; None when there is none."""
        if results and results[-1].exit_code > ExitCode.INVALID_RESULT:
            key = hash_config(results[-1].point.config)
            self.broken.add(key)
            self.left = [point for point in self.left if hash_config(point.config) != key]
        affordable = float("inf") if self._left_s is None else self._left_s()
        for point in self.left:
            if self._estimate(point) <= affordable:
                self.left.remove(point)
                return point
        return None
