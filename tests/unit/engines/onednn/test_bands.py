"""Which rows are computed when: by hand, and as a chain of numbers that is computed both ways."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.engines.onednn.networks import (
    convolve,
    draw_network,
    find_ends,
    list_block,
    make_block,
    make_resnet50,
    make_tail,
)
from tests.unit.engines.onednn.test_arena import find_clashes

from resnet50_bench.config import Precision
from resnet50_bench.engines.onednn.arena import Life, measure_peak, plan_arena
from resnet50_bench.engines.onednn.bands import (
    Band,
    count_kernel_bytes,
    count_tile_bytes,
    is_safe,
    plan_fitting,
    plan_lives,
    plan_pass,
    plan_whole,
)
from resnet50_bench.engines.onednn.network import IMAGES, Network
from resnet50_bench.engines.onednn.plan import plan_steps


def compute_rows(step, read, band):
    """A row of a result by the rows in its window: weights that no two rows have in common.

    Args:
        step: to compute.
        read: row -> number, of the source.
        band: of the step.
    """
    operation = step.operation
    stride, window, top = (
        (1, 1, 0)
        if operation is None
        else (operation.stride, operation.window, operation.padding[0])
    )
    for row in band.rows:
        begin = row * stride - top
        seen = range(begin, begin + window)
        inside = [place for place in seen if place in range(step.source.side)]
        assert set(inside) <= set(band.reads)
        yield row, sum((3 + place - begin) * read(place) for place in inside) % 8191


class Memory:
    """What passes write: a number for each row of an image, in no more rows than the plan has.

    Of a value that has memory for a tile alone a row lies at its distance from the first one held.
    """

    def __init__(self):
        self.rows = {}

    def compute(self, item):
        """Do a pass."""
        before = None
        for tile in item.tiles:
            same = before is not None and before.images == tile.images
            for value in (step.result for step in item.steps if step.result.place in item.inner):
                old = before.held[value.place] if same else range(0)
                self.keep(value, old, tile.held[value.place])
            for step, band in zip(item.steps, tile.bands):
                for image in tile.images if band is not None else ():
                    self.compute_band(item, tile, step, band, image)
            before = tile

    def keep(self, value, old, new):
        """Move the rows that stay; the rest holds nothing."""
        kept = {row: self.rows[value.place, row - old.start] for row in old if row in new}
        for key in [key for key in self.rows if key[0] == value.place]:
            del self.rows[key]
        for row, numbers in kept.items():
            self.rows[value.place, row - new.start] = numbers

    def compute_band(self, item, tile, step, band, image):
        """Compute rows of a step of an image."""

        def find(value, row):
            held = tile.held.get(value.place)
            if held is None:
                return value.place, image, row
            assert row >= held.start
            taken = (row - held.start + 1) * value.row_bytes * len(tile.images)
            assert taken <= item.inner[value.place]
            return value.place, row - held.start

        def read(row):
            if step.source.place == IMAGES:
                return 17 * image + row + 1
            return self.rows[find(step.source, row)][image]

        for row, number in list(compute_rows(step, read, band)):
            kept = self.rows.setdefault(find(step.result, row), {})
            kept[image] = number + (kept[image] if step.added is not None else 0)


def list_results(passes, images):
    memory = Memory()
    for item in passes:
        memory.compute(item)
    last = passes[-1].steps[-1].result
    return [
        memory.rows[last.place, image, row][image]
        for image in range(images)
        for row in range(last.side)
    ]


def test_a_band_reads_the_rows_around_it_and_the_first_computes_more():
    steps = list_block(plan_steps(make_block(), Precision.AVX_FP32))
    item = plan_pass(steps, 2, 1, 4)
    assert [tile.images for tile in item.tiles] == [range(1), range(1), range(1, 2), range(1, 2)]
    first, second = item.tiles[:2]
    projection, reduce, spatial, total = first.bands
    assert projection == total == Band(rows=range(4), reads=range(4), above=0, below=0)
    assert reduce == Band(rows=range(5), reads=range(5), above=0, below=0)
    assert spatial == Band(rows=range(4), reads=range(5), above=1, below=0)
    assert first.held == {"reduce": range(5), "spatial": range(4)}
    projection, reduce, spatial, total = second.bands
    assert projection == total == Band(rows=range(4, 8), reads=range(4, 8), above=0, below=0)
    assert reduce == Band(rows=range(5, 8), reads=range(5, 8), above=0, below=0)
    assert spatial == Band(rows=range(4, 8), reads=range(3, 8), above=0, below=1)
    assert second.held == {"reduce": range(3, 8), "spatial": range(4, 8)}
    assert item.describe() == "4 of 8 rows"


def test_memory_of_a_tile_is_for_its_rows_and_those_kept():
    steps = list_block(plan_steps(make_block(), Precision.AVX_FP32))
    row = 8 * 4 * 4
    assert plan_pass(steps, 2, 1, 4).inner == {"reduce": 5 * row, "spatial": 4 * row}
    assert plan_pass(steps, 3, 2).inner == {"reduce": 16 * row, "spatial": 16 * row}
    kernels = 4 * (3 * 16 + 3 * 4 + 9 * 4 * 4 + 4 * 16)
    assert sum(map(count_kernel_bytes, steps)) == kernels
    outer = (8 * 3 * 5 + 8 * 16 * 4) * 4
    assert count_tile_bytes(plan_pass(steps, 2, 1, 4)) == kernels + outer + 9 * row


def test_the_tiles_are_the_largest_that_fit():
    steps = list_block(plan_steps(make_block(), Precision.AVX_FP32))
    sizes = {images: count_tile_bytes(plan_pass(steps, 4, images)) for images in (1, 2, 4)}
    assert plan_fitting(steps, 4, sizes[4]) is None  # as layer by layer
    assert plan_fitting(steps, 4, sizes[4] - 1).describe() == "3 images"
    assert plan_fitting(steps, 4, sizes[1]).describe() == "one image"
    assert plan_fitting(steps, 4, sizes[1] - 1).describe() == "4 of 8 rows"
    assert plan_fitting(steps, 1, sizes[1]) is None
    assert plan_fitting(steps, 4, sum(map(count_kernel_bytes, steps))) is None


def test_a_sum_over_rows_that_are_read_again_is_not_computed_in_bands():
    """A block whose first convolution is a 3x3, as those of the smaller ResNets."""
    operations = (
        convolve("first", IMAGES, 4, 8),
        convolve("inner", "first", 4, 8, window=3, padding=(1, 1, 1, 1)),
        convolve("sum", "inner", 4, 8, adds="first"),
        *make_tail("sum", 4),
    )
    steps = list_block(plan_steps(Network(operations=operations, side=8), Precision.AVX_FP32))
    assert is_safe(plan_pass(steps, 2, 1, 8))
    assert not is_safe(plan_pass(steps[1:], 1, 1, 4))
    assert is_safe(plan_pass(steps[1:], 2, 1))
    fitting = count_tile_bytes(plan_pass(steps[1:], 1, 1, 4))
    assert plan_fitting(steps[1:], 1, fitting) is None


@given(st.data())
def test_each_row_is_computed_once_by_rows_that_are_there(data):
    network = data.draw(draw_network())
    steps = list_block(plan_steps(network, Precision.AVX_FP32))
    images = data.draw(st.integers(1, 3))
    begin = data.draw(st.sampled_from([0, *find_ends(steps)[:-1]]))
    end = data.draw(st.sampled_from([end for end in find_ends(steps) if end > begin]))
    rows = data.draw(st.one_of(st.none(), st.integers(1, steps[end - 1].result.side)))
    together = data.draw(st.integers(1, images)) if rows is None else 1
    item = plan_pass(steps[begin:end], images, together, rows)
    assert is_safe(item)
    for number, step in enumerate(item.steps):
        computed = [
            (image, row)
            for tile in item.tiles
            for image in tile.images
            for row in (tile.bands[number].rows if tile.bands[number] else ())
        ]
        side = range(step.result.side)
        assert sorted(computed) == [(image, row) for image in range(images) for row in side]
    before = [plan_whole(step, images) for step in steps[:begin]]
    behind = [plan_whole(step, images) for step in steps[end:]]
    whole = [plan_whole(step, images) for step in steps]
    assert list_results([*before, item, *behind], images) == list_results(whole, images)


@given(st.data())
def test_what_a_pass_needs_lies_apart_while_it_lasts(data):
    steps = plan_steps(data.draw(draw_network()), Precision.AVX_BFLOAT16)
    block = list_block(steps)
    rows = data.draw(st.integers(1, block[-1].result.side))
    item = plan_pass(block, 2, 1, rows)
    rest = [plan_whole(step, 2) for step in steps[len(block) :]]
    lives = plan_lives([item, *rest], 2)
    assert not find_clashes(lives, plan_arena(lives))
    at_once = {life.name for life in lives if life.first == 0}
    assert at_once >= {step.result.place for step in block}


def plan_by_layers(steps, images):
    return plan_lives([plan_whole(step, images) for step in steps], images)


def test_a_value_lives_from_the_step_that_writes_it_to_the_last_that_reads_it():
    steps = plan_steps(make_block(), Precision.AVX_FP32)
    assert plan_by_layers(steps, 2) == (
        Life("projection", 2 * 8 * 8 * 16 * 4, 0, 4),
        Life("reduce", 2 * 8 * 8 * 4 * 4, 1, 2),
        Life("spatial", 2 * 8 * 8 * 4 * 4, 2, 3),
        Life("mean", 2 * 16 * 4, 4, 5),
        Life("logits", 2 * 10 * 4, 5, 6),
    )


@pytest.mark.parametrize(
    ("precision", "images", "size"),
    [
        (Precision.AVX_FP32, 1, 6_422_528),
        (Precision.AVX_FP32, 4, 25_690_112),
        (Precision.AVX_BFLOAT16, 1, 3_211_264),
    ],
)
def test_the_models_values_take_what_lives_at_once_and_no_more(precision, images, size):
    """Most live where the second stage begins: 56x56x256 read, 28x28x512 and 56x56x128 written."""
    lives = plan_by_layers(plan_steps(make_resnet50(), precision), images)
    arena = plan_arena(lives)
    assert arena.size == size
    assert measure_peak(lives) == size
    assert not find_clashes(lives, arena)


def test_lives_of_values_end_with_their_last_reader():
    steps = plan_steps(make_resnet50(), Precision.AVX_FP32)
    lives = {life.name: life for life in plan_by_layers(steps, 1)}
    # stem 0, pool 1, projection 2, a 3, b 4, c 5, and a 6, b 7, c 8 on the same memory
    assert lives["stem"] == Life("stem", 112 * 112 * 64 * 4, 0, 1)
    assert lives["pool"] == Life("pool", 56 * 56 * 64 * 4, 1, 3)
    assert (lives["projection0"].first, lives["projection0"].last) == (2, 13)
    assert replace(lives["a1"], size=0) == Life("a1", 0, 6, 7)
