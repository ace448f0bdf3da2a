"""How many generated images a feed holds; needs no numpy, so that the parent can plan with it."""

from __future__ import annotations

from resnet50_bench.data.profiles import IMAGE_BYTES

MIN_POOL_IMAGES = 128
"""Distinct images in a pool at the least: 77 MB, more than the caches of most cores."""

MIN_POOL_BATCHES = 4
"""Distinct batches in a pool at the least, where `MAX_POOL_BYTES` allows."""

MAX_POOL_BYTES = 512 * 1024**2
"""Memory of one instance's pool at the most: 891 images; two batches are made in any case."""


def plan_pool_batches(batch_size: int) -> int:
    """Return how many distinct batches a pool has.

    At least `MIN_POOL_BATCHES` batches and `MIN_POOL_IMAGES` images, then as few as
    `MAX_POOL_BYTES` demands, and never under two, so that successive queries differ: 128 batches
    of 1, 4 of 32, 3 of 256, 2 of 448.

    Args:
        batch_size: images per batch, at least 1.

    """
    wanted = max(MIN_POOL_BATCHES, -(-MIN_POOL_IMAGES // batch_size))
    affordable = MAX_POOL_BYTES // (batch_size * IMAGE_BYTES)
    return max(2, min(wanted, affordable))
