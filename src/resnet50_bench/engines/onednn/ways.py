"""In which ways a chain can be computed: its stretches, each layer by layer or depth first.

A *block* is what ends with a residual sum, or, at the begin, with the max pooling. A *stretch* is
the blocks on values of one size, which ResNet calls a stage. For each stretch there is a *way*:
layer by layer, or depth first, a pass for each block or one for as many blocks as fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.engines.onednn.bands import plan_fitting, plan_whole
from resnet50_bench.engines.onednn.network import Kind
from resnet50_bench.host.caches import read_caches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from resnet50_bench.engines.onednn.bands import Pass
    from resnet50_bench.engines.onednn.plan import Step

_L2 = 2

_SHARES = (0.5, 1.0)
"""Of a core's L2, that a tile may fill: what a kernel keeps beside its values is not known."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a stretch is computed depth first.

    Attributes:
        chained: a pass takes as many blocks as fit; else it takes one.
        cache_bytes: what a tile may touch.
    """

    chained: bool
    cache_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Blocks that follow each other on values of one size.

    Attributes:
        name: the size, `56x56`, or `stem`.
        blocks: the steps of each.
    """

    name: str
    blocks: tuple[tuple[Step, ...], ...]


def find_stretches(steps: Sequence[Step]) -> tuple[Stretch, ...]:
    """Return the stretches that begin a chain; what follows the last sum belongs to none."""
    stretches: dict[str, list[tuple[Step, ...]]] = {}
    for block in _find_blocks(steps):
        side = block[-1].result.side
        name = "stem" if _ends_stem(block[-1]) else f"{side}x{side}"
        stretches.setdefault(name, []).append(block)
    return tuple(Stretch(name=name, blocks=tuple(blocks)) for name, blocks in stretches.items())


def plan_ways(steps: Sequence[Step], images: int, cache_bytes: int) -> tuple[Way, ...]:
    """Return the ways of depth first that differ for some stretch.

    Args:
        steps: of the chain.
        images: that go through it together.
        cache_bytes: of the cores that compute it.
    """
    ways = [
        way for stretch in find_stretches(steps) for way in list_ways(stretch, images, cache_bytes)
    ]
    return tuple(sorted(set(ways), key=lambda way: (way.chained, way.cache_bytes)))


def list_ways(stretch: Stretch, images: int, cache_bytes: int) -> list[Way]:
    """Return the ways of a stretch that differ from each other and from layer by layer."""
    ways: list[Way] = []
    seen = [tuple(plan_stretch(stretch, images, None))]
    for share in _SHARES:
        for chained in (False, True):
            way = Way(chained=chained, cache_bytes=int(share * cache_bytes))
            passes = tuple(plan_stretch(stretch, images, way))
            if passes not in seen:
                seen.append(passes)
                ways.append(way)
    return ways


def plan_passes(steps: Sequence[Step], images: int, ways: Mapping[str, Way]) -> tuple[Pass, ...]:
    """Return what is computed together, of all steps.

    Args:
        steps: of the chain.
        images: that go through it together.
        ways: of stretches, by their names; the others go layer by layer.
    """
    stretches = find_stretches(steps)
    passes = [
        item
        for stretch in stretches
        for item in plan_stretch(stretch, images, ways.get(stretch.name))
    ]
    count = sum(len(item.steps) for item in passes)
    return (*passes, *(plan_whole(step, images) for step in steps[count:]))


def plan_stretch(stretch: Stretch, images: int, way: Way | None) -> Iterator[Pass]:
    """Yield the passes of a stretch; blocks that a way is nothing for go layer by layer."""
    blocks = list(stretch.blocks)
    while blocks:
        item, count = None, 1
        if way is not None:
            item, count = _plan_chained(blocks if way.chained else blocks[:1], images, way)
        if item is not None:
            yield item
        else:
            yield from (plan_whole(step, images) for step in blocks[0])
        del blocks[:count]


def read_cache_bytes(cpus: Iterable[int]) -> int | None:
    """Return the L2 of cores, as far as it is theirs; None where nothing describes it.

    Args:
        cpus: one of each core.
    """
    sizes = [_read_own_l2(cpu) for cpu in cpus]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


def _read_own_l2(cpu: int) -> int | None:
    """The core's part of an L2 that several share, by the L1 caches of these."""
    found = next((cache for cache in read_caches(cpu) if cache.level == _L2), None)
    if found is None:
        return None
    cores = {read_caches(other)[0].cpus for other in found.cpus if read_caches(other)}
    return found.size_bytes // max(1, len(cores))


def _plan_chained(
    blocks: Sequence[Sequence[Step]], images: int, way: Way
) -> tuple[Pass | None, int]:
    """Return the pass of as many of the first blocks as fit, and how many it takes."""
    best: tuple[Pass | None, int] = None, 1
    for count in range(1, len(blocks) + 1):
        steps = [step for block in blocks[:count] for step in block]
        item = plan_fitting(steps, images, way.cache_bytes)
        if item is None:
            break
        best = item, count
    return best


def _find_blocks(steps: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    """Yield the blocks, up to the first that is read by others than itself before its end."""
    begin = 0
    for end, step in enumerate(steps, 1):
        if step.added is None and not _ends_stem(step):
            continue
        block = steps[begin:end]
        inner = {item.result.name for item in block if item.result.place != step.result.place}
        if any(_reads(item, inner) for item in steps[end:]):
            return
        yield tuple(block)
        begin = end


def _reads(step: Step, names: set[str]) -> bool:
    return step.source.name in names or (step.added is not None and step.added.name in names)


def _ends_stem(step: Step) -> bool:
    return step.operation is not None and step.operation.kind is Kind.MAX_POOL
