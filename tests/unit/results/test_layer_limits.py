"""Bounds by hand: a stem of 8 images, and a 1x1 convolution with more bytes than work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import make_record, make_roofline
from tests.traces import write_query

from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.engines.onednn_trace import parse_trace
from resnet50_bench.limits.roofline import Bandwidth
from resnet50_bench.results.kernel_logs import Part, Profile
from resnet50_bench.results.layer_limits import compute_layers, count_cores
from resnet50_bench.results.layers import LayerClock

STEM_OPERATIONS = 2 * 7 * 7 * 3 * 64 * 112 * 112


def make_profile(lines) -> Profile:
    clock = LayerClock()
    trace = parse_trace(lines, clock.add)
    total_ms = sum(item.time_ms for item in trace.problems)
    return Profile(
        part=Part.MEASURED, instances=(0, 1), trace=trace, total_ms=total_ms, queries=None,
        query_ms=None, layers=clock.finish(),
    )  # fmt: skip


def make_level(level, bytes_per_s, buffer_bytes) -> Bandwidth:
    return Bandwidth(
        level=level, access="read", bytes_per_s=bytes_per_s, rounds=(bytes_per_s,),
        buffer_bytes=buffer_bytes,
    )  # fmt: skip


def test_a_compute_bound_layer():
    # Two instances of two cores share 1600 G operations/s: 800 G for each kernel.
    results = compute_layers(make_record(roofline=make_roofline()), make_profile(write_query() * 2))
    stem = results.layers[0]
    assert results.cores == 2
    assert stem.query_ms == pytest.approx(1)
    assert stem.operations == 8 * STEM_OPERATIONS
    assert stem.moved_bytes == 4 * (7 * 7 * 3 * 64 + 64 + 8 * (224 * 224 * 3 + 112 * 112 * 64))
    bound = stem.bound
    assert bound is not None
    assert bound.is_compute
    assert bound.ideal_ms == pytest.approx(8 * STEM_OPERATIONS / 800e9 * 1e3)
    assert bound.peak_share == pytest.approx(bound.ideal_ms)
    assert stem.lost_ms == pytest.approx(1 - bound.ideal_ms)
    assert results.query_ms == pytest.approx(53 * 54 / 2)
    assert results.ideal_ms == pytest.approx(
        sum(item.bound.ideal_ms for item in results.layers if item.bound)
    )


def test_a_memory_bound_layer_and_its_level():
    levels = (make_level("L2", 4e11, 1 << 20), make_level("DRAM", 4e10, 1 << 26))
    record = make_record(roofline=make_roofline(bandwidths=levels))
    results = compute_layers(record, make_profile(write_query()))
    expand = results.layers[7]  # 64 -> 256 channels, 56 x 56, with the residual sum
    moved = 4 * (64 * 256 + 256 + 8 * 56 * 56 * (64 + 256 + 256))
    assert expand.moved_bytes == moved
    bound = expand.bound
    assert bound is not None
    assert (bound.is_compute, bound.level) == (False, "DRAM")
    assert bound.ideal_ms == pytest.approx(moved / 2e10 * 1e3)
    # Of one image half of layer 28's 2,053,120 bytes fit into that level of a core, half of layer
    # 35's 2,761,728 do not.
    one = compute_layers(record, make_profile(write_query(images=1)))
    assert [one.layers[place].bound.level for place in (28, 35)] == ["L2", "DRAM"]


def test_bytes_of_each_data_type():
    fp32, bf16, int8 = (
        compute_layers(make_record(), make_profile(write_query(dtype=dtype))).layers[5]
        for dtype in ("f32", "bf16", "int8")
    )
    values = 256 * 64 + 8 * 56 * 56 * (256 + 64)
    assert fp32.moved_bytes == 4 * values + 64 * 4
    assert bf16.moved_bytes == 2 * values + 64 * 4
    assert int8.moved_bytes == values + 64 * 4
    assert fp32.operations == bf16.operations == int8.operations
    assert fp32.intensity == pytest.approx(fp32.operations / fp32.moved_bytes)


def test_cores_of_a_kernel():
    record = make_record()
    assert count_cores(record, (0,)) == 2
    called = replace(record, config=replace(record.config, engine_options={"callers": "2"}))
    assert count_cores(called, (0,)) == 1
    slot = replace(record.placement.slots[0], streams=((0,), (1,)))
    placement = replace(record.placement, slots=(slot, *record.placement.slots[1:]))
    assert count_cores(replace(record, placement=placement), (0,)) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "no roofline is on record"),
        ({"roofline_failure": "no compiler"}, "no roofline is on record: no compiler"),
        ({"roofline": make_roofline(peaks=())}, "has no peak of"),
        ({"roofline": make_roofline(bandwidths=())}, "has no bandwidth"),
    ],
)
def test_without_a_roofline_there_are_times_and_no_bounds(changes, reason):
    results = compute_layers(make_record(**changes), make_profile(write_query()))
    assert results.unbounded is not None
    assert reason in results.unbounded
    assert results.ideal_ms is None
    assert {item.bound for item in results.layers} == {None}
    assert results.query_ms == pytest.approx(53 * 54 / 2)


def test_the_peak_is_that_of_the_precision():
    flags = ("avx2", "avx512_bf16", "avx512_vnni", "avx512bw", "avx512dq", "avx512f", "avx512vl")
    config = RunConfig(precision=Precision.AVX_BFLOAT16, cores_per_instance=2, instances=2)
    record = make_record(config, roofline=make_roofline())
    record = replace(record, host=replace(record.host, cpu_flags=flags))
    bound = compute_layers(record, make_profile(write_query(dtype="bf16"))).layers[0].bound
    assert bound is not None
    assert bound.ideal_ms == pytest.approx(8 * STEM_OPERATIONS / 1600e9 * 1e3)
