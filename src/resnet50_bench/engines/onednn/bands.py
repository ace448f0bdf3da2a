"""Depth first: which rows of which step are computed when.

A *pass* is one step or several that follow each other. It is computed tile by tile: all its steps
for the first tile, then all for the next one, so that what one step writes is still near the core
when the next one reads it. A *tile* is some whole images, or a band of rows of one image. A *band*
is the rows that one step computes in a tile. A step on its own, in one tile, is what "layer by
layer" means.

A 3x3 convolution reads a row above and a row below those it computes. These rows (the halo) are
kept from the tile before and not computed again: nothing is multiplied twice, and a residual sum
can still be written over the shortcut it adds, because no step ever goes back to a row of the
shortcut. So in each tile a step computes as many new rows as the steps behind it need, the first
tile some more, the last one what is left.

Values that are read in their own pass alone have memory for the rows of one tile and what is kept;
before a step writes new rows, the kept ones are moved to the begin of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from resnet50_bench.engines.onednn.arena import Life
from resnet50_bench.engines.onednn.network import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet50_bench.engines.onednn.plan import Step, Value

FEWEST_ROWS = 4
"""Of a band: kernels of fewer rows are more calls than work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What one step does in one tile.

    Attributes:
        rows: of its result, which it computes.
        reads: rows of its source.
        above, below: rows of zeros around these.
    """

    rows: range
    reads: range
    above: int
    below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What is taken through all steps of a pass at once.

    Attributes:
        images: of the chain.
        bands: of each step; None where it has nothing to do in this tile.
        held: of each inner value of the pass, the rows in its memory when the tile is done; the
            memory begins with the first of them.
    """

    images: range
    bands: tuple[Band | None, ...]
    held: Mapping[str, range] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Steps that are computed tile by tile.

    Attributes:
        steps: in their order.
        tiles: in their order.
    """

    steps: tuple[Step, ...]
    tiles: tuple[Tile, ...]

    @property
    def inner(self) -> Mapping[str, int]:
        """Bytes of each value that has memory for a tile alone, by its place."""
        values = {step.result.place: step.result for step in self.steps}
        sizes: dict[str, int] = {}
        for tile in self.tiles:
            for place, held in tile.held.items():
                size = len(tile.images) * len(held) * values[place].row_bytes
                sizes[place] = max(sizes.get(place, 0), size)
        return sizes

    def describe(self) -> str:
        """Say what a tile is: `2 images`, `one image`, `14 of 56 rows`."""
        tile, side = self.tiles[0], self.steps[-1].result.side
        heights = [len(band.rows) for tile in self.tiles for band in tile.bands[-1:] if band]
        rows = max(heights)
        if rows < side:
            return f"{rows} of {side} rows"
        return f"{len(tile.images)} images" if len(tile.images) > 1 else "one image"


def plan_whole(step: Step, images: int) -> Pass:
    """Return the pass that computes a step for all images at once."""
    tile = Tile(images=range(images), bands=(_plan_band(step, range(step.result.side)),))
    return Pass(steps=(step,), tiles=(tile,))


def plan_pass(steps: Sequence[Step], images: int, together: int, rows: int | None = None) -> Pass:
    """Return the pass that computes steps depth first.

    Args:
        steps: from the first to the last; each reads what comes from before, or a step before it.
        images: of the chain.
        together: how many images a tile has, at most; one where it has a band of rows.
        rows: that the last step computes in a tile, at most; None for whole images.
    """
    inner = _find_inner(steps)
    side = steps[-1].result.side
    ends = _split(side, rows or side)
    tiles: list[Tile] = []
    for first in range(0, images, together):
        taken = range(first, min(images, first + together))
        done = [0] * len(steps)
        for end in ends:
            needed = _find_needed(steps, end)
            tiles.append(_plan_tile(steps, inner, taken, done, needed))
            done = needed
    return Pass(steps=tuple(steps), tiles=tuple(tiles))


def is_safe(item: Pass) -> bool:
    """Whether no step of the pass reads a row after a sum has been written over it.

    A block whose first convolution looks at rows above its own would do so.
    """
    for number, step in enumerate(item.steps):
        if step.added is None:
            continue
        readers = [
            place for place, other in enumerate(item.steps) if other.source.name == step.added.name
        ]
        written, images = 0, range(0)
        for tile in item.tiles:
            reads = [band.reads.start for band in map(tile.bands.__getitem__, readers) if band]
            written = written if tile.images == images else 0
            images = tile.images
            if any(begin < written for begin in reads):
                return False
            band = tile.bands[number]
            written = written if band is None else band.rows.stop
    return True


def count_tile_bytes(item: Pass) -> int:
    """Return what the steps of a pass touch in a tile, at most: their kernels and their values."""
    inner = item.inner
    rows: dict[str, int] = {}
    values: dict[str, Value] = {}
    for tile in item.tiles:
        for step, band in zip(item.steps, tile.bands):
            touched = () if band is None else ((step.source, band.reads), (step.result, band.rows))
            for value, part in touched:
                values[value.place] = value
                count = len(tile.images) * len(part)
                rows[value.place] = max(rows.get(value.place, 0), count)
    outer = sum(
        rows[place] * value.row_bytes for place, value in values.items() if place not in inner
    )
    return outer + sum(inner.values()) + sum(count_kernel_bytes(step) for step in item.steps)


def count_kernel_bytes(step: Step) -> int:
    """Return what the kernel of a convolution takes; 0 of other steps."""
    operation = step.operation
    if operation is None or operation.kind is not Kind.CONVOLUTION:
        return 0
    numbers = operation.window**2 * step.source.channels * operation.channels
    return numbers * step.source.dtype.size


def plan_fitting(steps: Sequence[Step], images: int, cache_bytes: int) -> Pass | None:
    """Return the pass with the largest tiles that stay in the cache.

    Args:
        steps: of the pass.
        images: of the chain.
        cache_bytes: how much of a core's cache a tile may fill.

    Returns:
        None where nothing is gained, as all images fit at once, or nothing fits, as the kernels
        alone do not, or where the steps cannot be computed so.
    """
    side = steps[-1].result.side
    for together in range(images, 0, -1):
        item = plan_pass(steps, images, together)
        if count_tile_bytes(item) <= cache_bytes:
            return item if together < images else None
    tallest = None
    for count in range(2, side // FEWEST_ROWS + 1):
        item = plan_pass(steps, images, 1, -(-side // count))
        if count_tile_bytes(item) <= cache_bytes:
            tallest = item
            break
    return tallest if tallest is not None and is_safe(tallest) else None


def plan_lives(passes: Sequence[Pass], images: int) -> tuple[Life, ...]:
    """Return how long each place is needed; the query's images and answers lie elsewhere.

    Args:
        passes: of a chain, by whose numbers the time is told.
        images: that go through it together.
    """
    outside = {passes[0].steps[0].source.name, passes[-1].steps[-1].result.name}
    lives: dict[str, Life] = {}
    for number, item in enumerate(passes):
        inner = item.inner
        for value in (value for step in item.steps for value in (step.source, step.result)):
            if value.name in outside:
                continue
            size = inner.get(value.place) or value.count_bytes(images)
            life = lives.get(value.place, Life(value.place, size, number, number))
            lives[value.place] = replace(life, last=number, size=max(life.size, size))
    return tuple(lives.values())


def _find_inner(steps: Sequence[Step]) -> frozenset[str]:
    """Return the places of values that only the steps of the pass, but for the last, know."""
    written = [step.result.place for step in steps[:-1] if step.added is None]
    kept = {step.result.place for step in steps if step.added is not None}
    return frozenset(written) - kept - {steps[-1].result.place}


def _split(side: int, rows: int) -> list[int]:
    """Return where each of the fewest bands of at most so many rows ends, all of about a height."""
    count = -(-side // rows)
    return [side * number // count for number in range(1, count + 1)]


def _find_needed(steps: Sequence[Step], end: int) -> list[int]:
    """Return how many rows each step must have computed when the last has computed `end`.

    With the last row of the last step all is computed that there is.
    """
    if end == steps[-1].result.side:
        return [step.result.side for step in steps]
    needed = {steps[-1].result.name: end}
    for step in reversed(steps):
        rows = needed.get(step.result.name, 0)
        reads = _plan_band(step, range(rows)).reads.stop if rows else 0
        needed[step.source.name] = max(needed.get(step.source.name, 0), reads)
        if step.added is not None:
            needed[step.added.name] = max(needed.get(step.added.name, 0), rows)
    return [needed.get(step.result.name, 0) for step in steps]


def _plan_tile(
    steps: Sequence[Step],
    inner: frozenset[str],
    images: range,
    done: Sequence[int],
    needed: Sequence[int],
) -> Tile:
    """Return the tile in which each step goes from the rows it has done to those needed."""
    bands = tuple(
        _plan_band(step, range(begin, end)) if end > begin else None
        for step, begin, end in zip(steps, done, needed)
    )
    held = {}
    for step, begin, end in zip(steps, done, needed):
        if step.result.place in inner:
            readers = [
                _find_first_read(other, other_done)
                for other, other_done in zip(steps, done)
                if other.source.name == step.result.name and other_done < other.result.side
            ]
            held[step.result.place] = range(min([begin, *readers]), end)
    return Tile(images=images, bands=bands, held=held)


def _find_first_read(step: Step, done: int) -> int:
    """Return the first row of its source that a step reads for its next row."""
    operation = step.operation
    if operation is None:
        return done
    return max(0, done * operation.stride - operation.padding[0])


def _plan_band(step: Step, rows: range) -> Band:
    """Return what a step reads for rows of its result."""
    operation = step.operation
    side = step.source.side
    if operation is None:
        return Band(rows=rows, reads=rows, above=0, below=0)
    top, _, bottom, _ = operation.padding
    if rows == range(step.result.side):
        return Band(rows=rows, reads=range(side), above=top, below=bottom)
    begin = rows.start * operation.stride - top
    end = (rows.stop - 1) * operation.stride - top + operation.window
    return Band(
        rows=rows,
        reads=range(max(0, begin), min(side, end)),
        above=max(0, -begin),
        below=max(0, end - side),
    )
