import pytest
from tests.unit.engines.onednn.networks import convolve, make_block, make_resnet50, make_tail

from resnet50_bench.config import Precision
from resnet50_bench.engines.onednn import ways
from resnet50_bench.engines.onednn.bands import count_tile_bytes, plan_whole
from resnet50_bench.engines.onednn.network import IMAGES, Network
from resnet50_bench.engines.onednn.plan import plan_steps
from resnet50_bench.engines.onednn.ways import (
    Way,
    find_stretches,
    list_ways,
    plan_passes,
    plan_stretch,
    plan_ways,
    read_cache_bytes,
)
from resnet50_bench.host.caches import Cache

MIB = 1 << 20
RESNET = plan_steps(make_resnet50(), Precision.AVX_FP32)


def list_sizes(passes):
    return [len(item.steps) for item in passes if len(item.steps) > 1]


def test_the_stretches_are_the_stem_and_the_stages():
    found = find_stretches(RESNET)
    assert [(item.name, len(item.blocks)) for item in found] == [
        ("stem", 1), ("56x56", 3), ("28x28", 4), ("14x14", 6), ("7x7", 3)
    ]  # fmt: skip
    assert [len(block) for item in found for block in item.blocks][:4] == [2, 4, 3, 3]
    assert sum(len(block) for item in found for block in item.blocks) == 54


@pytest.mark.parametrize(
    "behind",
    [
        [convolve("again", "reduce", 16, 8), convolve("end", "again", 16, 8, adds="sum")],
        [convolve("end", "sum", 4, 8, adds="reduce")],
    ],
)
def test_a_block_whose_inside_is_read_later_ends_the_stretches(behind):
    operations = (
        convolve("first", IMAGES, 16, 8),
        convolve("reduce", "first", 4, 8),
        convolve("sum", "reduce", 16, 8, adds="first"),
        *behind,
        *make_tail("end", 16),
    )
    steps = plan_steps(Network(operations=operations, side=8), Precision.AVX_FP32)
    assert find_stretches(steps) == ()
    assert plan_passes(steps, 2, {}) == tuple(plan_whole(step, 2) for step in steps)


def test_without_a_way_all_goes_layer_by_layer():
    assert plan_passes(RESNET, 3, {}) == tuple(plan_whole(step, 3) for step in RESNET)


def test_a_way_takes_each_block_or_as_many_as_fit():
    stage = find_stretches(RESNET)[1]
    assert list_sizes(plan_stretch(stage, 4, Way(chained=False, cache_bytes=MIB))) == [4, 3, 3]
    assert list_sizes(plan_stretch(stage, 4, Way(chained=True, cache_bytes=2 * MIB))) == [10]
    assert list_sizes(plan_stretch(stage, 4, Way(chained=True, cache_bytes=1000))) == []


@pytest.mark.parametrize("cache_bytes", [MIB // 2, MIB, 2 * MIB, 4 * MIB])
@pytest.mark.parametrize("chained", [True, False])
def test_whatever_the_cache_each_step_is_in_one_pass_whose_tiles_fit(cache_bytes, chained):
    names = [stretch.name for stretch in find_stretches(RESNET)]
    way = Way(chained=chained, cache_bytes=cache_bytes)
    passes = plan_passes(RESNET, 4, dict.fromkeys(names, way))
    assert [step for item in passes for step in item.steps] == list(RESNET)
    deep = [item for item in passes if len(item.steps) > 1]
    assert deep
    assert all(count_tile_bytes(item) <= cache_bytes for item in deep)


def test_only_ways_that_differ_are_told():
    steps = plan_steps(make_block(), Precision.AVX_FP32)
    assert plan_ways(steps, 1, MIB) == ()  # all fits as it is
    block = find_stretches(steps)[0]
    found = list_ways(block, 4, 24_000)
    passes = [tuple(plan_stretch(block, 4, way)) for way in found]
    assert len(found) == 2
    assert not any(way.chained for way in found)  # there is one block to chain
    assert passes[0] != passes[1]
    assert plan_ways(steps, 4, 24_000) == tuple(found)


@pytest.mark.parametrize(("sharing", "own"), [((0,), MIB), ((0, 8), MIB), ((0, 1, 2, 3), MIB // 4)])
def test_a_core_has_its_part_of_an_l2(monkeypatch, sharing, own):
    """CPUs 0 and 8 are one core, which has one L1; the others have their own."""

    def read(cpu):
        return (
            Cache(1, 32768, (0, 8) if cpu in (0, 8) else (cpu,)),
            Cache(2, MIB, sharing),
        )

    monkeypatch.setattr(ways, "read_caches", read)
    assert read_cache_bytes([0]) == own
    assert read_cache_bytes([0, 0]) == 2 * own


def test_a_host_that_does_not_tell_its_l2(monkeypatch):
    monkeypatch.setattr(ways, "read_caches", lambda cpu: ())
    assert read_cache_bytes([0]) is None
