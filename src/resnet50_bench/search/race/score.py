"""The record of a trial -> what the race makes of it."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.results.kpi import Kpis, run_kpis
from resnet50_bench.search.race.costs import Trial
from resnet50_bench.stats.intervals import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.results.record import Record
    from resnet50_bench.search.race.estimates import Limit

QUERY_DEVIATION = 0.02
"""Of a query's time within a trial, as a share, before it is seen; see docs/tuning.md."""

QUERY_DEGREES = 4.0
"""How many observed degrees of freedom that counts as much as: a trial has two queries and more."""

_NS = 1e9


class Objective(str, Enum):
    """What the best is the best at."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"

    @property
    def unit(self) -> str:
        """Of the value that is shown."""
        return "images/s" if self is Objective.THROUGHPUT else "ms"

    def to_value(self, score: float) -> float:
        """Return what people call the score: images/s, or the p50 in ms."""
        return score if self is Objective.THROUGHPUT else 1000 / score


@dataclass(frozen=True, slots=True)
class Spent:
    """What a trial took, in seconds.

    Attributes:
        start_s: of its start; 0 in instances that ran already.
        seconds: in all.
    """

    start_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every entrant.

    Attributes:
        objective: what the score is.
        limit: on a query's time; None for none.
    """

    objective: Objective
    limit: Limit | None = None

    def describe(self) -> str:
        """In the words of the command line, e.g. `throughput with p99 <= 20 ms`."""
        if self.limit is None:
            return self.objective.value
        return f"{self.objective.value} with {describe_limit(self.limit)}"


def describe_limit(limit: Limit) -> str:
    """Return e.g. `p99 <= 20 ms`."""
    return f"p{limit.percent:g} <= {limit.seconds * 1000:g} ms"


def score_record(record: Record, question: Question, place: tuple[int, int], spent: Spent) -> Trial:
    """Return the trial that a record tells of.

    Args:
        record: of a trial in which every instance reported.
        question: what is asked.
        place: the numbers of the entrant and of the start.
        spent: what it took.
    """
    entrant, start = place
    kpis = run_kpis(record)
    if kpis is None or kpis.latency is None:
        return Trial(entrant=entrant, start=start, start_s=spent.start_s, seconds=spent.seconds,
                     problem="its instances share no time with a whole query")  # fmt: skip
    durations = list_durations(record)
    limit_ns = question.limit.seconds * _NS if question.limit is not None else math.inf
    return Trial(
        entrant=entrant,
        start=start,
        score=_find_score(kpis, durations, question.objective),
        half_width=find_half_width(durations),
        query_s=statistics.fmean(durations) / _NS,
        start_s=spent.start_s,
        seconds=spent.seconds,
        over=sum(duration > limit_ns for duration in durations),
        queries=len(durations),
    )


def list_durations(record: Record) -> list[int]:
    """Return the time of every query, in nanoseconds."""
    return [
        end - begin
        for item in record.instances
        for lane in item.lanes
        for begin, end in zip(lane.start_ns, lane.end_ns, strict=True)
    ]


def _find_score(kpis: Kpis, durations: Sequence[int], objective: Objective) -> float:
    if objective is Objective.THROUGHPUT:
        return kpis.images_per_s
    return _NS / statistics.median(durations)


def find_half_width(durations: Sequence[int]) -> float:
    """Return the half width of the 95 % interval of the mean (or median) time, as a share.

    A trial has from two queries to a few hundred: too few for batch means, so their deviation is
    shrunk towards a prior, which two queries that happen to be alike cannot overrule. What queries
    of one trial have in common is not in it: `estimates` adds what starts differ by.
    """
    count, mean = len(durations), statistics.fmean(durations)
    squares = math.fsum((value / mean - 1) ** 2 for value in durations)
    degrees = QUERY_DEGREES + count - 1
    deviation = math.sqrt((QUERY_DEGREES * QUERY_DEVIATION**2 + squares) / degrees)
    return t_quantile(degrees) * deviation / math.sqrt(count)
