"""The series of a history: what changed, since when, by how much, and what changed with it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.errors import RequestError
from resnet50_bench.history.store import make_key
from resnet50_bench.stats.changes import FEWEST, Change, find_changes
from resnet50_bench.verdict.comparison.differences import UNKNOWN

if TYPE_CHECKING:
    from resnet50_bench.history.row import Row

EXTRA = "pip install 'resnet50-bench[watch]'"

_NEAR = 2
"""How many runs before and after a change are looked at for what changed: its place is known that
well."""


class Level(str, Enum):
    """How a series stands now, beside the best it was since it was accepted."""

    TOO_FEW = "too few runs"
    STEADY = "steady"
    SLOWER = "slower"
    FASTER = "faster"


@dataclass(frozen=True, slots=True)
class Novelty:
    """Something of the host or its software that is another one than at the run before.

    Attributes:
        what: in a few words.
        before, after: its values.
        row: the first run that had the new one.
    """

    what: str
    before: str
    after: str
    row: Row


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of a series.

    Attributes:
        before: the last run of the old level.
        since: the first of the new one.
        change: by how much, and whether it drifts.
        novelties: what changed near it, the nearest first.
        accepted: whether it was taken for normal.
    """

    before: Row
    since: Row
    change: Change
    novelties: tuple[Novelty, ...]
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A series and its changes.

    Attributes:
        rows: its runs in order of time.
        shifts: its changes.
        level: how it stands.
    """

    rows: tuple[Row, ...]
    shifts: tuple[Shift, ...]
    level: Level

    @property
    def speed(self) -> float:
        """The geometric mean of the runs since the last step; of a drift, of the newest runs."""
        last = self.shifts[-1] if self.shifts else None
        if last is not None and last.change.drifts:
            newest = self.rows[-_NEAR - 1 :]
        else:
            newest = self.rows[self.rows.index(last.since) if last is not None else 0 :]
        return math.exp(math.fsum(math.log(row.speed) for row in newest) / len(newest))


def find_states(
    rows: Sequence[Row], accepted: Mapping[tuple[str, str], datetime], smallest: float
) -> list[State]:
    """Return the state of each series, by host and what was asked.

    Args:
        rows: of a history, each series in order of time.
        accepted: until when the changes of a series were taken for normal.
        smallest: the smallest slowdown that counts, as a part.

    Raises:
        RequestError: `ruptures` is not installed.
    """
    series: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        series[make_key(row)].append(row)
    return [_find_state(found, accepted.get(key), smallest) for key, found in series.items()]


def _find_state(rows: Sequence[Row], accepted: datetime | None, smallest: float) -> State:
    if len(rows) < FEWEST:
        return State(rows=tuple(rows), shifts=(), level=Level.TOO_FEW)
    try:
        changes = find_changes([math.log(row.speed) for row in rows])
    except ImportError as error:
        raise RequestError(f"finding changes needs ruptures ({error})", EXTRA) from error
    shifts = tuple(
        Shift(
            before=rows[max(change.place - 1, 0)],
            since=rows[change.place],
            change=change,
            novelties=_find_novelties(rows, change.place),
            accepted=_is_accepted(rows, change, accepted),
        )
        for change in changes
    )
    return State(rows=tuple(rows), shifts=shifts, level=_judge(shifts, smallest))


def _is_accepted(rows: Sequence[Row], change: Change, until: datetime | None) -> bool:
    """A drift goes on: it is accepted only as far as it had come."""
    last = rows[-1] if change.drifts else rows[change.place]
    return until is not None and last.created <= until


def _judge(shifts: Sequence[Shift], smallest: float) -> Level:
    """Beside the best level since what was accepted: whoever fell and half rose is still slower."""
    now, best, worst = 0.0, 0.0, 0.0
    for shift in shifts:
        if not shift.accepted:
            now += shift.change.effect.log_ratio
            best, worst = max(best, now), min(worst, now)
    if now - best <= math.log1p(-smallest):
        return Level.SLOWER
    return Level.FASTER if now >= math.log1p(smallest) else Level.STEADY


def _find_novelties(rows: Sequence[Row], place: int) -> tuple[Novelty, ...]:
    first, last = max(1, place - _NEAR), min(len(rows) - 1, place + _NEAR)
    found = [
        (abs(number - place), Novelty(what, before, after, rows[number]))
        for number in range(first, last + 1)
        for what, before, after in _differ(rows[number - 1].found, rows[number].found)
    ]
    return tuple(item for _, item in sorted(found, key=lambda pair: pair[0]))


def _differ(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What both know and is not the same."""
    pairs = ((what, before.get(what, UNKNOWN), value) for what, value in after.items())
    return [pair for pair in pairs if UNKNOWN not in pair[1:] and pair[1] != pair[2]]
