"""The timed loop: nothing in it but the clock, the query and the stop rule."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Batch = TypeVar("_Batch")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class StopRule:
    """When to stop: both bounds are met.

    Attributes:
        steps: queries, at least; 1 or more.
        min_time_ns: nanoseconds since the first query began, at least.
    """

    steps: int
    min_time_ns: int


@dataclass(frozen=True, slots=True)
class Samples(Generic[_Answer]):
    """Every query's begin and end, nanoseconds of one monotonic clock, and the last answer."""

    start_ns: list[int]
    end_ns: list[int]
    last_answer: _Answer


def measure(
    query: Callable[[_Batch], _Answer],
    batch: Callable[[int], _Batch],
    rule: StopRule,
    clock: Callable[[], int] = time.monotonic_ns,
) -> Samples[_Answer]:
    """Run queries one after the other until the rule is met; a query that raises ends it.

    Args:
        query: answers one batch.
        batch: index of the query, from 0 -> its batch; must cost next to nothing.
        rule: when to stop.
        clock: nanoseconds, monotonic.
    """
    start_ns: list[int] = []
    end_ns: list[int] = []
    index = 0
    while True:
        images = batch(index)
        begin = clock()
        answer = query(images)
        end = clock()
        start_ns.append(begin)
        end_ns.append(end)
        index += 1
        if index >= rule.steps and end - start_ns[0] >= rule.min_time_ns:
            return Samples(start_ns, end_ns, answer)
