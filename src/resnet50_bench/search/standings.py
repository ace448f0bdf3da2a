"""What a sweep found: each candidate's figure over its rounds, the best of each batch size, the
best of each precision.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.search.identity import hash_config
from resnet50_bench.stats.intervals import estimate_rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from resnet50_bench.config import Precision
    from resnet50_bench.search.attempts import Attempt, Figures
    from resnet50_bench.search.grid import Candidate


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over several rounds.

    Attributes:
        mean: of the rounds.
        interval: 95 % interval of the mean, by the spread of the rounds (Student's t): what varies
            from one start to the next is in it. Of a single round, that within the run; None where
            that cannot be told.
    """

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a candidate.

    Attributes:
        candidate: which.
        attempts: its runs.
        figures: of the valid ones, at least one.
    """

    candidate: Candidate
    attempts: tuple[Attempt, ...]
    figures: tuple[Figures, ...]

    @property
    def precision(self) -> Precision:
        """That was measured."""
        return self.candidate.config.precision

    @property
    def batch_size(self) -> int:
        """Images per query."""
        return self.figures[0].batch_size

    @property
    def value(self) -> float:
        """The mean over the rounds of what the sweep is about."""
        return statistics.fmean(list_values(self))


def list_values(standing: Standing) -> list[float]:
    """Return what each round measured: images/s, or in latency mode the mean ms of a query."""
    if standing.candidate.config.mode is Mode.LATENCY:
        return [item.latency_ms for item in standing.figures if item.latency_ms is not None]
    return [item.images_per_s for item in standing.figures]


def estimate(standing: Standing) -> Estimate:
    """Return what is known of a candidate's figure."""
    values = list_values(standing)
    mean = statistics.fmean(values)
    if len(values) < 2:
        is_latency = standing.candidate.config.mode is Mode.LATENCY
        return Estimate(mean, None if is_latency else standing.figures[0].throughput_interval)
    return Estimate(mean, estimate_rounds(values))


def find_standings(
    candidates: Sequence[Candidate], attempts: Sequence[Attempt]
) -> tuple[Standing, ...]:
    """Return the candidates that were measured, in their order."""
    by_key: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_key[attempt.key].append(attempt)
    standings = []
    for candidate in candidates:
        own = by_key[hash_config(candidate.config)]
        figures = tuple(item.figures for item in own if item.figures is not None)
        if figures:
            standings.append(Standing(candidate=candidate, attempts=tuple(own), figures=figures))
    return tuple(item for item in standings if list_values(item))


def find_bests(
    standings: Sequence[Standing], group: Callable[[Standing], Hashable]
) -> tuple[Standing, ...]:
    """Return the best of each group: the highest throughput, or the lowest latency.

    Args:
        standings: all of one mode.
        group: what those have in common that are compared.
    """
    bests: dict[Hashable, Standing] = {}
    for item in standings:
        best = bests.setdefault(group(item), item)
        if is_better(item, best):
            bests[group(item)] = item
    return tuple(bests.values())


def is_better(one: Standing, other: Standing) -> bool:
    """Whether one's figure is better; equal ones are not."""
    if one.candidate.config.mode is Mode.LATENCY:
        return one.value < other.value
    return one.value > other.value


def find_best_sizes(standings: Sequence[Standing]) -> tuple[Standing, ...]:
    """Return the best of each precision and batch size, in the order of these."""
    bests = find_bests(standings, lambda item: (item.precision, item.batch_size))
    order = list(dict.fromkeys(item.precision for item in standings))
    return tuple(sorted(bests, key=lambda item: (order.index(item.precision), item.batch_size)))


def find_best_precisions(standings: Sequence[Standing]) -> tuple[Standing, ...]:
    """Return the best of each precision, in the order of the candidates."""
    return find_bests(standings, lambda item: item.precision)


def find_exit_code(candidates: Sequence[Candidate], attempts: Sequence[Attempt]) -> int:
    """Return the sweep's exit code: the worst of the candidates without a single valid run."""
    by_key: dict[str, list[int]] = defaultdict(list)
    for attempt in attempts:
        by_key[attempt.key].append(attempt.exit_code)
    codes = [by_key[hash_config(item.config)] for item in candidates]
    return max((max(own) for own in codes if own and min(own) > 0), default=0)
