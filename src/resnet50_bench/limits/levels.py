"""How large the buffers are that lie in a level of cache, and in no level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from resnet50_bench.host.caches import Cache

DRAM = "DRAM"
LEVELS = ("L1", "L2", "L3", DRAM)

_TIMES_LAST_LEVEL = 4
"""STREAM's rule: at least four times the sum of the last level of cache."""

_LEAST_DRAM_BYTES = 32 << 20
_PAGE_BYTES = 4096
_PART_OFFSET_BYTES = 1024
"""What each third lies further in its page than the one before it: a core may take a load for one
of what it has just stored when only the addresses within their pages are the same."""

_MEMORY_SHARE = 0.25
"""Of the available memory that all buffers together may take."""


@dataclass(frozen=True, slots=True)
class WorkingSets:
    """The buffers of one core.

    Attributes:
        sizes: bytes for each level that can be measured; the nearest first.
        absent: the other levels, and why.
    """

    sizes: Mapping[str, int]
    absent: Mapping[str, str]


def plan_working_sets(
    caches: Collection[Cache], cpus: Collection[int], available_bytes: int
) -> WorkingSets:
    """Return how large a buffer of each of these CPUs is, when all of them are at work.

    Half of a level where the core has it for itself; of a shared level, which may keep only what
    the nearer one does not, that one's size and a quarter of the core's part.

    Args:
        caches: of one of the CPUs, the nearest first.
        cpus: at work, one for each core.
        available_bytes: memory that may be used.
    """
    shares = {f"L{cache.level}": _share(cache, cpus) for cache in caches}
    sizes: dict[str, int] = {}
    absent: dict[str, str] = {}
    nearer = 0
    for level in LEVELS[:-1]:
        if level not in shares:
            absent[level] = "the kernel describes no such cache"
            continue
        share = shares[level]
        is_shared = nearer and level == LEVELS[2]
        sizes[level] = _plan_size(nearer + share // 4 if is_shared else share // 2)
        nearer = share
    last = _plan_size(max(_LEAST_DRAM_BYTES, _TIMES_LAST_LEVEL * nearer))
    if last * len(cpus) > _MEMORY_SHARE * available_bytes:
        absent[DRAM] = (
            f"buffers of {last * len(cpus) >> 20} MiB would take more than a quarter of the "
            "available memory"
        )
    else:
        sizes[DRAM] = last
    return WorkingSets(sizes, absent)


def _share(cache: Cache, cpus: Collection[int]) -> int:
    sharing = sum(cpu in cache.cpus for cpu in cpus)
    return cache.size_bytes // max(1, sharing)


def _plan_size(wanted_bytes: int) -> int:
    """Three parts of whole turns of every loop of `kernels`."""
    pages = max(1, (wanted_bytes // 3 - _PART_OFFSET_BYTES) // _PAGE_BYTES)
    return 3 * (pages * _PAGE_BYTES + _PART_OFFSET_BYTES)
