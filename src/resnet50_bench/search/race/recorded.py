"""A race over recorded measurements: what it would have found, and how long it would have taken.

A row that was recorded more than once is measured again as in the bootstrap (B. Efron 1979, Ann.
Statist. 7: 1-26): around the mean of its trials, off by what one of them was off by. So rows that
scatter more than others do here too, and a trial that went badly wrong may come up again.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Sequence

import msgspec

from resnet50_bench.search.race.costs import (
    CONFIRM_QUERIES,
    CONFIRM_S,
    RUN_QUERIES,
    RUN_S,
    RUN_WARMUP_QUERIES,
    TRIAL_WARMUP_QUERIES,
    Amounts,
    Entrant,
    Trial,
)
from resnet50_bench.search.race.decision import Finish, Measure, Race
from resnet50_bench.search.race.score import find_half_width

_IMAGES_PER_CORE_S = 15.0

RECORDED = Amounts(1.5, 3)
"""How long a recorded trial measured."""


class RecordedRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One configuration of a grid.

    Attributes:
        configuration: in words.
        start: the key of what is started for it.
        lanes: queries made at once.
        cores: of a lane.
        batch_size: images per query.
        images_per_s: of each start, what its trials measured; of a synthetic row one true value.
        base: the row that it is a variant of.
    """

    configuration: str
    start: str
    lanes: int
    cores: int
    batch_size: int
    images_per_s: tuple[tuple[float, ...], ...]
    base: int | None = None

    @property
    def rate(self) -> float:
        """Images/s: the mean of what was measured."""
        return statistics.fmean(rate for start in self.images_per_s for rate in start)

    @property
    def query_s(self) -> float:
        """Seconds of a query."""
        return self.lanes * self.batch_size / self.rate


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How measurements scatter, as shares of what is measured.

    Attributes:
        start: standard deviation from start to start.
        trial: standard deviation from trial to trial within a start, beside that; rows that were
            recorded more than once have their own.
        query: standard deviation of a query's time within a trial.
        slowed: the share of trials that something slows down without being noticed.
        slowest: by how much, at most.
    """

    start: float
    trial: float
    query: float
    slowed: float
    slowest: float


class RecordedGrid(msgspec.Struct, frozen=True, kw_only=True):
    """A grid of measurements.

    Attributes:
        name: of the grid.
        provenance: where the figures come from, in plain words.
        synthetic: they were computed by a model and not measured.
        start_s: seconds of a start: until instances are ready for a first trial, those before
            them ended.
        overhead_s: seconds of a trial beside its start, its warm-up and its queries: filling the
            feed, planning, writing the record.
        noise: with which they are measured again.
        rows: the configurations.
    """

    name: str
    provenance: str
    synthetic: bool
    start_s: float
    overhead_s: float
    noise: Noise
    rows: tuple[RecordedRow, ...]

    @property
    def grid_s(self) -> float:
        """Seconds of a whole `r50 run` of each row, with its start and its proof."""
        return sum(self.run_s(row, RUN_QUERIES, RUN_S) for row in self.rows)

    @property
    def best(self) -> float:
        """Images/s of the best row."""
        return max(row.rate for row in self.rows)

    def list_deviations(self) -> list[list[float]]:
        """Return what the trials of each row were off by, as logarithms; nothing of a single one.

        What starts and the queries of a trial explain is left out: they are drawn apart.
        """
        rows = center_rounds([row.images_per_s for row in self.rows])
        return [self._scale(list(itertools.chain(*starts)), row)
                for starts, row in zip(rows, self.rows)]  # fmt: skip

    def _scale(self, values: list[float], row: RecordedRow) -> list[float]:
        """Values less their mean, as wide as their variance less that of starts and queries."""
        if len(values) < 2:
            return []
        mean, variance = statistics.fmean(values), statistics.variance(values)
        queries = row.lanes * max(RECORDED.queries, math.ceil(RECORDED.seconds / row.query_s))
        own = max(0.0, variance - self.noise.start**2 - self.noise.query**2 / queries)
        if own == 0:
            return [0.0] * len(values)
        # The mean is theirs: they lie closer to it than to the true one.
        scale = math.sqrt(own / statistics.pvariance(values))
        return [scale * (value - mean) for value in values]

    def run_s(self, row: RecordedRow, queries: int, seconds: float) -> float:
        """Seconds of a run of one row: two starts, for the measurement and for its proof."""
        measuring_s = max(seconds, queries * row.query_s)
        return 2 * self.start_s + RUN_WARMUP_QUERIES * row.query_s + measuring_s

    def plan_entrants(self) -> tuple[Entrant, ...]:
        """Return an entrant for each row, whose time is guessed as that of a real one is."""
        return tuple(
            Entrant(number=number, start=row.start, lanes=row.lanes,
                    query_s=row.batch_size / (_IMAGES_PER_CORE_S * row.cores), base=row.base)
            for number, row in enumerate(self.rows)
        )  # fmt: skip


def center_rounds(rows: Sequence[Sequence[Sequence[float]]]) -> list[list[list[float]]]:
    """Return rates of rows, starts and trials as logarithms, less what a round has in common.

    A race compares configurations, and whatever changes the machine's speed for minutes changes
    that of all.
    """
    logs = [[[math.log(rate) for rate in start] for start in row] for row in rows]
    centres = [statistics.fmean(itertools.chain(*starts)) for starts in zip(*logs)]
    return [[[value - centre for value in start] for start, centre in zip(row, centres)]
            for row in logs]  # fmt: skip


class RecordedTrack:
    """See `loop.Track`: measures the rows of a grid again, with noise from a seed.

    Attributes:
        refused: rows whose confirming run is INVALID.
    """

    def __init__(self, grid: RecordedGrid, seed: int, refused: Sequence[int] = ()) -> None:
        self.refused = frozenset(refused)
        self._grid = grid
        self._random = random.Random(seed)  # noqa: S311 - noise, not a secret
        self._spent_s = 0.0
        self._luck: dict[tuple[int, int], float] = {}
        self._deviations = grid.list_deviations()

    def spent_s(self) -> float:
        """Seconds that all of it would have taken."""
        return self._spent_s

    def show(self, race: Race, step: Measure | Finish) -> None:
        """Nobody looks."""

    def measure(self, step: Measure, start: int) -> Trial:
        """Make a trial."""
        grid, row = self._grid, self._grid.rows[step.number]
        start_s = grid.start_s * math.exp(self._random.gauss(0, 0.1)) if step.fresh else 0.0
        luck = self._find_luck(start, step.number) + self._draw_trial(step.number)
        if self._random.random() < grid.noise.slowed:
            luck += self._random.uniform(0, grid.noise.slowest)
        durations = self._draw_queries(row.query_s * math.exp(luck), step)
        mean_s = math.fsum(durations) / len(durations)
        spent_s = (TRIAL_WARMUP_QUERIES + len(durations) / row.lanes) * mean_s
        seconds = start_s + grid.overhead_s + spent_s
        self._spent_s += seconds
        return Trial(
            entrant=step.number,
            start=start,
            score=row.lanes * row.batch_size / mean_s,
            half_width=find_half_width([round(duration * 1e9) for duration in durations]),
            query_s=mean_s,
            start_s=start_s,
            seconds=seconds,
            queries=len(durations),
        )

    def confirm(self, entrant: Entrant) -> str | None:
        """Make the run of the winner."""
        row = self._grid.rows[entrant.number]
        self._spent_s += self._grid.run_s(row, CONFIRM_QUERIES, CONFIRM_S)
        return "MISLABELED" if entrant.number in self.refused else None

    def _find_luck(self, start: int, number: int) -> float:
        """What one start has for one configuration, as a logarithm of its time."""
        key = (start, number)
        if key not in self._luck:
            self._luck[key] = self._random.gauss(0, self._grid.noise.start)
        return self._luck[key]

    def _draw_trial(self, number: int) -> float:
        """What one trial is off by, as a logarithm of its time."""
        if self._deviations[number]:
            return -self._random.choice(self._deviations[number])
        return self._random.gauss(0, self._grid.noise.trial)

    def _draw_queries(self, query_s: float, step: Measure) -> list[float]:
        """The times of all lanes' queries until both bounds are met."""
        lanes = self._grid.rows[step.number].lanes
        count = max(step.amounts.queries, math.ceil(step.amounts.seconds / query_s))
        deviation = self._grid.noise.query
        return [query_s * math.exp(self._random.gauss(0, deviation)) for _ in range(count * lanes)]
