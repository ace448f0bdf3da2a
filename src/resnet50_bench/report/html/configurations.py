"""Runs that ask for the same are rounds of one configuration: its figure, and which is the best."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.stats.intervals import estimate_rounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnet50_bench.report.html.rows import RunRow


@dataclass(frozen=True, slots=True)
class Configuration:
    """The valid runs of one configuration on one machine; at least one.

    Attributes:
        rows: of its rounds.
    """

    rows: tuple[RunRow, ...]

    @property
    def row(self) -> RunRow:
        """What all rounds have in common; the figures are those of the first."""
        return self.rows[0]

    @property
    def value(self) -> float | None:
        """Mean of the rounds: images/s, mean ms of a query, or the share of right answers."""
        return average([pick_figure(row) for row in self.rows])

    @property
    def images_per_s(self) -> float | None:
        """Mean of the rounds."""
        return average([row.images_per_s for row in self.rows])

    @property
    def mean_ms(self) -> float | None:
        """Mean time of a query, mean of the rounds."""
        return average([row.mean_ms for row in self.rows])

    @property
    def limit_share(self) -> float | None:
        """Of the machine's limit, mean of the rounds, 0..1."""
        return average([row.limit_share for row in self.rows])

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the images/s: by the spread of the rounds, or within the only one."""
        values = [row.images_per_s for row in self.rows if row.images_per_s is not None]
        if len(values) > 1:
            return estimate_rounds(values)
        row = self.row
        return (row.low, row.high) if row.low is not None and row.high is not None else None

    def describe(self) -> str:
        """In one line: what makes it this one."""
        row = self.row
        parts = [
            f"batches of {row.batch_size}",
            f"{_count(row.instances, 'instance')} of {_count(row.cores_per_instance, 'core')}",
            row.engine,
        ]
        return ", ".join([*parts, *([row.others] if row.others else [])])


def pick_figure(row: RunRow) -> float | None:
    """Return what a run is about: images/s, in latency mode the mean ms of a query, or top-1."""
    if row.mode == Mode.ACCURACY.value:
        return row.top1
    return row.mean_ms if row.mode == Mode.LATENCY.value else row.images_per_s


def group_runs(rows: Iterable[RunRow]) -> tuple[Configuration, ...]:
    """Return the configurations with a valid run that has a figure, in the order of the rows."""
    groups: dict[tuple[object, ...], list[RunRow]] = defaultdict(list)
    for row in rows:
        if row.valid and pick_figure(row) is not None:
            key = (row.machine, row.mode, row.engine, row.precision, row.batch_size,
                   row.cores_per_instance, row.instances, row.others)  # fmt: skip
            groups[key].append(row)
    return tuple(Configuration(tuple(group)) for group in groups.values())


def is_better(one: Configuration, other: Configuration) -> bool:
    """Whether one's figure is better than another's of the same mode; equal ones are not."""
    mine, others = one.value or 0.0, other.value or 0.0
    return mine < others if one.row.mode == Mode.LATENCY.value else mine > others


def find_bests(
    configurations: Iterable[Configuration], names: Sequence[str]
) -> tuple[Configuration, ...]:
    """Return the best of each group, in the order of their first members.

    Args:
        configurations: to choose from.
        names: the fields of a row that those have in common that are compared; modes never mix.
    """
    bests: dict[tuple[object, ...], Configuration] = {}
    for item in configurations:
        key = (item.row.mode, *(getattr(item.row, name) for name in names))
        best = bests.setdefault(key, item)
        if is_better(item, best):
            bests[key] = item
    return tuple(bests.values())


def find_front(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those that no other beats in both throughput and time of a query, the quickest first.

    Args:
        configurations: of one machine, each with both figures.
    """
    front: list[Configuration] = []
    for item in sorted(configurations, key=lambda item: (item.mean_ms, -(item.images_per_s or 0))):
        if not front or (item.images_per_s or 0) > (front[-1].images_per_s or 0):
            front.append(item)
    return front


def average(values: Sequence[float | None]) -> float | None:
    """Return the mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
