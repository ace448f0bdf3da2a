"""The batches a stream computes: few sizes, each warmed up, so that none is met first in a query.

A runtime makes its kernels for each shape it meets, which takes longer than a query. Between powers
of two there is one size more, so that at most a third of a batch is padding.
"""

from __future__ import annotations


def plan_sizes(most: int) -> tuple[int, ...]:
    """Return the sizes up to `most`, ascending: 1, 2, 3, 4, 6, 8, 12, 16, 24, ..., and itself."""
    sizes = {most}
    power = 1
    while power < most:
        sizes |= {power, min(most, power + power // 2)}
        power *= 2
    return tuple(sorted(sizes))


def choose_size(sizes: tuple[int, ...], count: int) -> int:
    """Return the smallest size that holds so many."""
    return next(size for size in sizes if size >= count)
