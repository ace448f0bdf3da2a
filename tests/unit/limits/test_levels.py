"""How large the buffers are: within a level, and beyond the one before it."""

from __future__ import annotations

import pytest

from resnet50_bench.host.caches import Cache
from resnet50_bench.limits.levels import DRAM, plan_working_sets

KIB, MIB = 1 << 10, 1 << 20
PLENTY = 1 << 40

ZEN_4 = (
    Cache(1, 32 * KIB, (0, 1)),
    Cache(2, 1 * MIB, (0, 1)),
    Cache(3, 32 * MIB, tuple(range(16))),
)
SAPPHIRE_RAPIDS = (
    Cache(1, 48 * KIB, (0,)),
    Cache(2, 2 * MIB, (0,)),
    Cache(3, 105 * MIB, tuple(range(56))),
)


@pytest.mark.parametrize(
    ("caches", "cpus"),
    [(ZEN_4, (0,)), (ZEN_4, (0, 2)), (ZEN_4, tuple(range(0, 16, 2))),
     (SAPPHIRE_RAPIDS, tuple(range(56)))],
)  # fmt: skip
def test_each_buffer_lies_in_its_level_and_in_no_nearer_one(caches, cpus) -> None:
    sets = plan_working_sets(caches, cpus, PLENTY)
    assert list(sets.sizes) == ["L1", "L2", "L3", DRAM]
    assert sets.absent == {}
    first, second, third = (cache.size_bytes for cache in caches)
    share = third // len(cpus)
    assert sets.sizes["L1"] <= first
    assert first < sets.sizes["L2"] <= second
    assert second < sets.sizes["L3"] <= second + share
    assert sets.sizes[DRAM] > 3 * share
    assert all(size % (3 * 256) == 0 and size % 512 == 0 for size in sets.sizes.values())


def test_two_arrays_never_lie_at_the_same_place_of_their_pages() -> None:
    for size in plan_working_sets(ZEN_4, (0, 2), PLENTY).sizes.values():
        assert (size // 3) % 4096 == 1024


def test_what_the_kernel_does_not_describe_is_absent() -> None:
    sets = plan_working_sets(ZEN_4[:2], (0,), PLENTY)
    assert list(sets.sizes) == ["L1", "L2", DRAM]
    assert sets.absent == {"L3": "the kernel describes no such cache"}
    assert list(plan_working_sets((), (0,), PLENTY).sizes) == [DRAM]


def test_memory_that_is_not_there_is_not_taken() -> None:
    sets = plan_working_sets(ZEN_4, (0, 2), 256 * MIB)
    assert DRAM not in sets.sizes
    assert sets.absent[DRAM].startswith("buffers of 127 MiB would take more than a quarter")
