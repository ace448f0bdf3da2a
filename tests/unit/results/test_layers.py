"""Lines of a trace find their layers: each takes as many milliseconds as its number tells."""

from __future__ import annotations

import itertools

import pytest
from tests.traces import (
    CONVOLUTIONS,
    EXPANDS,
    PROJECTIONS,
    list_layers,
    write_line,
    write_query,
)

from resnet50_bench.engines.onednn_trace import parse_trace
from resnet50_bench.model.graph.architecture import plan_network
from resnet50_bench.results.layers import LayerClock, LayerTimes

OWN_TIMES = [place + 1.0 for place in range(CONVOLUTIONS)]
TWINS = {"conv2d_1", "conv2d_4"}


def read(lines, network=None) -> LayerTimes:
    clock = LayerClock(network)
    parse_trace(lines, clock.add)
    return clock.finish()


def list_times(times: LayerTimes) -> list[float]:
    return [item.time_ms for item in times.layers]


@pytest.mark.parametrize("projection_first", [True, False])
@pytest.mark.parametrize("sums", [PROJECTIONS, EXPANDS])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8"])
def test_each_line_finds_its_layer(projection_first, sums, dtype):
    lines = write_query(projection_first=projection_first, sums=sums, dtype=dtype)
    times = read(lines * 3)
    assert list_times(times) == pytest.approx([3 * own for own in OWN_TIMES])
    assert (times.queries, times.shared, times.problem) == (3, frozenset(), None)
    assert {item.passes for item in times.layers} == {3}
    assert {item.images for item in times.layers} == {24}
    assert [place for place, item in enumerate(times.layers) if item.added_images] == sorted(
        {*sums, 7, 10, 17, 20, 23, 30, 33, 36, 39, 42, 49, 52}
    )


def test_what_no_sum_tells_the_order_does():
    times = read(write_query(projection_first=True, sums=None))
    assert list_times(times) == pytest.approx(OWN_TIMES)
    assert times.shared == frozenset()


def test_what_neither_tells_is_shared_and_said():
    times = read(write_query(projection_first=False, sums=None))
    expected = [3.5 if place in (1, 4) else own for place, own in enumerate(OWN_TIMES)]
    assert list_times(times) == pytest.approx(expected)
    assert times.shared == TWINS
    assert times.problem is None


def test_sums_on_different_sides_tell_nothing():
    times = read(write_query(projection_first=False, sums=(1, 14, 24, 43)))
    assert times.shared == TWINS


@pytest.mark.parametrize(
    "split",
    [
        {43: 2, 45: 2, 48: 2, 51: 2},  # what int8 with AMX gets
        {43: 4, 44: 1, 45: 4, 47: 2, 48: 4, 50: 2, 51: 4},  # bf16
    ],
)
def test_a_layer_in_parts(split):
    times = read(write_query(split=split, dtype="bf16") * 2)
    assert list_times(times) == pytest.approx([2 * own for own in OWN_TIMES])
    assert [item.calls for item in times.layers] == [
        2 * split.get(place, 1) for place in range(CONVOLUTIONS)
    ]
    assert [item.passes for item in times.layers] == pytest.approx([2] * CONVOLUTIONS)
    assert [item.images for item in times.layers] == pytest.approx([16] * CONVOLUTIONS)


def test_queries_whose_lines_are_mixed_share_the_time_of_a_shape():
    query = write_query()
    mixed = [line for pair in itertools.zip_longest(query, query) for line in pair if line]
    times = read(mixed)
    assert times.problem is not None
    assert times.problem.startswith("lines of several queries are mixed")
    assert sum(list_times(times)) == pytest.approx(2 * sum(OWN_TIMES))
    spatial = [
        item for item in times.layers if item.layer.name in {"conv2d_16", "conv2d_19", "conv2d_22"}
    ]
    assert len({item.time_ms for item in spatial}) == 1
    assert [item.passes for item in times.layers] == pytest.approx([2] * CONVOLUTIONS)
    assert "conv2d_16" in times.shared
    assert "conv2d" not in times.shared


@pytest.mark.parametrize("missing", [3, 20, 52])
def test_a_line_that_is_missing_in_the_middle(missing):
    query = write_query(projection_first=True)
    times = read([*query[:missing], *query[missing + 1 :], *query])
    assert times.problem is not None
    assert sum(list_times(times)) == pytest.approx(2 * sum(OWN_TIMES) - OWN_TIMES[missing])


def test_a_last_query_that_was_cut_off_is_not_counted():
    query = write_query()
    times = read([*query, *query[:30]])
    assert (times.queries, times.problem) == (1, None)
    assert list_times(times) == pytest.approx(OWN_TIMES)


def test_what_comes_before_the_first_stem_is_not_counted():
    query = write_query()
    times = read([*query[30:], *query])
    assert (times.queries, times.problem) == (1, None)


def test_a_convolution_of_another_model_is_named():
    layer = list_layers(plan_network(32))[3]
    times = read([*write_query(), write_line(layer, 1)])
    assert times.layers == ()
    assert times.problem is not None
    assert times.problem.startswith("mb8_ic32oc32_ih56oh56")


def test_a_thin_model_by_its_own_shapes():
    network = plan_network(8)
    times = read(write_query(network=network), network)
    assert list_times(times) == pytest.approx(OWN_TIMES)


def test_other_primitives_and_no_convolution_at_all():
    other = write_line(list_layers()[0], 1).replace(",convolution,", ",pooling,")
    assert read([other]).problem == "there is no convolution in it"
    assert list_times(read([other, *write_query(), other])) == pytest.approx(OWN_TIMES)


def test_damaged_shapes_belong_to_no_layer():
    line = write_line(list_layers()[0], 1)
    for damage in ("mb0_ic3", "mb8_icX", "mb999999999999_ic3"):
        assert read([line.replace("mb8_ic3", damage)]).layers == ()


def test_bands_of_rows_are_parts_of_the_layers_that_have_all_their_columns():
    lines = write_query()
    cut = [
        line.replace("oh56kh3", f"oh{rows}kh3") for line in lines if "oh56kh3" in line
        for rows in (40, 16)
    ]  # fmt: skip
    times = read([*cut, *(line for line in lines if "oh56kh3" not in line)])
    assert "computed depth first" in times.problem
    threes = [item for item in times.layers if item.layer.kernel == 3]
    assert [item.images for item in threes[:3]] == pytest.approx([8, 8, 8])
    assert [item.calls for item in threes[:3]] == pytest.approx([2, 2, 2])
    assert [item.passes for item in threes[:3]] == pytest.approx([1, 1, 1])
    # of three layers of one shape, 4, 7 and 10 ms, each line twice
    assert [item.time_ms for item in threes[:3]] == pytest.approx([2 * (3 + 6 + 9 + 3) / 3] * 3)


def test_a_layer_that_goes_image_by_image_is_told_for_as_many_images_as_the_others():
    lines = write_query()
    alone = [line.replace("mb8_", "mb1_") for line in lines if "oh56kh3" in line for _ in range(8)]
    times = read([*alone, *(line for line in lines if "oh56kh3" not in line)])
    assert [item.images for item in times.layers] == pytest.approx([8] * 53)
    assert [item.passes for item in times.layers] == pytest.approx([1] * 53)
    threes = [item for item in times.layers if item.layer.kernel == 3]
    # of three layers of one shape, 4, 7 and 10 ms, each line eight times
    assert [item.time_ms for item in threes[:3]] == pytest.approx([8 * (4 + 7 + 10) / 3] * 3)
