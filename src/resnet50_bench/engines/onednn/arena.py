"""Where each value of a chain lies in one piece of memory: values that live at the same time apart.

Planned before anything is computed, so that the bytes of a chain are known exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ALIGNMENT = 64
"""Bytes: a line of the cache, and the widest register."""


@dataclass(frozen=True, slots=True)
class Life:
    """A value in memory, from the step that writes it to the last that reads it.

    Attributes:
        name: of the value.
        size: bytes.
        first, last: steps of the chain, both included.
    """

    name: str
    size: int
    first: int
    last: int

    def meets(self, other: Life) -> bool:
        """Whether both live during some step."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Arena:
    """A plan of memory.

    Attributes:
        offsets: of each value, bytes from the begin.
        size: bytes of all.
    """

    offsets: Mapping[str, int]
    size: int


def plan_arena(lives: Iterable[Life]) -> Arena:
    """Give every value the lowest place that nothing has while it lives; the largest choose first.

    Low places are taken again soonest, and are those that are still in the cache.
    """
    placed: list[tuple[int, Life]] = []
    for life in sorted(lives, key=lambda item: (-item.size, item.first, item.name)):
        taken = sorted(
            (offset, offset + other.size) for offset, other in placed if life.meets(other)
        )
        placed.append((_find_gap(taken, life.size), life))
    return Arena(
        offsets={life.name: offset for offset, life in placed},
        size=max((offset + life.size for offset, life in placed), default=0),
    )


def measure_peak(lives: Iterable[Life]) -> int:
    """Return the bytes that live at once, at most: no plan can take less."""
    lives = tuple(lives)
    moments = [Life("", 0, step, step) for step in {life.first for life in lives}]
    together = (sum(life.size for life in lives if life.meets(moment)) for moment in moments)
    return max(together, default=0)


def _find_gap(taken: list[tuple[int, int]], size: int) -> int:
    """Return the lowest aligned offset before, between or behind what is taken, which is sorted."""
    offset = 0
    for begin, end in taken:
        if offset + size <= begin:
            break
        offset = max(offset, -(-end // ALIGNMENT) * ALIGNMENT)
    return offset
