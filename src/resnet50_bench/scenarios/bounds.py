"""The largest load that holds a latency bound: a bisection that respects noise.

Near the bound the same load holds it in one run and misses it in the next. So a probe decides alone
only where its latency is clear of the bound; else the load is tried again, and two of three decide.
The answer is a load that held it twice, between it and the smallest load that did not lies no more
than the resolution, and both are told.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

CLEAR = 0.1
"""Share of the bound that a latency has to be away from it for one probe to decide."""

RESOLUTION = 0.02
_GROWTH = 2.0
_VOTES = 2
MOST_PROBES = 40
"""Enough to go from a guess that is wrong by a thousand to the resolution, each load tried twice;
a search that needs more is told as one that did not settle."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One run at one load.

    Attributes:
        load: queries a second, or samples in a query.
        holds: the run was valid, and within the bound.
        latency_ns: what is held against the bound; None where there was none.
    """

    load: float
    holds: bool
    latency_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for.

    Attributes:
        start: the first load to try.
        bound_ns: of the latency.
        whole: loads are whole numbers, 1 or more.
        ceiling: what the instances could do at most by their warm-up; None when nobody knows yet.
        resolution: how close the answer is to be, as a share.
    """

    start: float
    bound_ns: int
    whole: bool = False
    ceiling: float | None = None
    resolution: float = RESOLUTION


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        load: the largest that held the bound, twice; None when none did.
        missed: the smallest above it that did not; None when none was tried.
        settled: it came to an end by itself.
    """

    load: float | None
    missed: float | None
    settled: bool = True


def plan_probe(search: Search, probes: Sequence[Probe]) -> float | Answer:
    """Return the load to try next, or the answer.

    Args:
        search: what is looked for.
        probes: made so far, in their order.
    """
    if not probes:
        return _round(search, search.start)
    votes = _count_votes(search, probes)
    open_load = next((load for load, vote in votes.items() if vote.open), None)
    missed = min((load for load, vote in votes.items() if vote.missed), default=None)
    held = [load for load, vote in votes.items() if vote.held]
    low = max((load for load in held if missed is None or load < missed), default=None)
    if len(probes) >= MOST_PROBES:
        return Answer(low, missed, settled=False)
    if open_load is not None:
        return open_load
    following = _step(search, low, missed)
    if following is not None:
        return following
    if low is not None and votes[low].holding < _VOTES:
        return low  # held once, and clearly: once more
    return Answer(low, missed)


@dataclass(slots=True)
class _Vote:
    """What the probes of one load say.

    Attributes:
        holding, missing: how many held the bound and missed it.
        clear: one of them was clear of the bound, and the first.
    """

    holding: int = 0
    missing: int = 0
    clear: bool = False

    @property
    def held(self) -> bool:
        """It holds, as far as is known."""
        enough = 1 if self.clear and not self.missing else _VOTES
        return self.holding >= enough and self.holding > self.missing

    @property
    def missed(self) -> bool:
        """It does not hold."""
        enough = 1 if self.clear and not self.holding else _VOTES
        return self.missing >= enough and self.missing > self.holding

    @property
    def open(self) -> bool:
        """Nothing is decided yet."""
        return not self.held and not self.missed


def _count_votes(search: Search, probes: Sequence[Probe]) -> dict[float, _Vote]:
    votes: dict[float, _Vote] = defaultdict(_Vote)
    for probe in probes:
        vote = votes[probe.load]
        if probe.holds:
            vote.holding += 1
        else:
            vote.missing += 1
        vote.clear = vote.clear or _is_clear(search, probe)
    return votes


def _is_clear(search: Search, probe: Probe) -> bool:
    """Whether the latency is far from the bound, on the side that the probe says."""
    if probe.latency_ns is None:
        return False
    away = probe.latency_ns / search.bound_ns - 1
    return away <= -CLEAR if probe.holds else away >= CLEAR


def _step(search: Search, low: float | None, missed: float | None) -> float | None:
    """Return the next load of the bisection; None when it is close enough."""
    if low is None:
        return _step_down(search, missed or search.start)
    if missed is None:
        return _step_up(search, low)
    if search.whole:
        return float(math.floor((low + missed) / 2)) if missed - low > 1 else None
    return math.sqrt(low * missed) if missed / low - 1 > search.resolution else None


def _step_up(search: Search, low: float) -> float:
    """Double it; but go no further than the instances could follow, before that was tried."""
    ceiling = search.ceiling
    further = _GROWTH * low
    if ceiling is not None and low < 0.95 * ceiling < further:
        further = ceiling
    return _round(search, further)


def _step_down(search: Search, missed: float) -> float | None:
    lower = _round(search, missed / _GROWTH)
    too_low = lower >= missed or lower < search.start / 1024
    return None if too_low else lower


def _round(search: Search, load: float) -> float:
    return float(max(1, math.floor(load))) if search.whole else load
