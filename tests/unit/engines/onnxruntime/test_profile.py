"""ONNX Runtime's profile, on events of a real one (1.32, an AVX-512 CPU with VNNI)."""

import pytest

from resnet50_bench.engines.base import KernelShare
from resnet50_bench.engines.onnxruntime.profile import (
    Operation,
    parse_lines,
    plan_kernels,
    read_operations,
    render_lines,
)

CPU = "CPUExecutionProvider"
F32 = {("f32", "avx512_core"): 200}


def run(ts, dur):
    return {"cat": "Session", "name": "model_run", "ts": ts, "dur": dur, "args": {}}


def node(name, op, ts, dur, types):
    shapes = [{each: [1]} for each in types]
    arguments = {"op_name": op, "provider": CPU, "input_type_shape": shapes}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "args": arguments}


FLOATS = ["float"] * 3
PACKED = ["uint8", "float", "uint8", "float", "int8", "float", "uint8", "int32"]  # no weights
EVENTS = [
    node("stem_nchwc", "Conv", 10, 999, FLOATS),
    run(5, 1200),
    node("stem_nchwc", "Conv", 2000, 600, FLOATS),
    {"cat": "Node", "name": "stem_nchwc_fence_before", "ts": 2001, "dur": 0, "args": {}},
    node("block_nchwc", "Conv", 2700, 300, [*FLOATS, "float"]),
    node("pool", "MaxPool", 3100, 50, ["float"]),
    node("dense", "Gemm", 3200, 50, FLOATS),
    run(1990, 1300),
]


def test_operations_of_one_run_are_read_with_types_and_time():
    assert read_operations(EVENTS, 1) == (
        Operation("Conv", "f32", CPU, 1, 600),
        Operation("Conv[Add]", "f32", CPU, 1, 300),
        Operation("MaxPool", "f32", CPU, 1, 50),
        Operation("Gemm", "f32", CPU, 1, 50),
    )


def test_a_profile_of_fewer_runs_is_refused():
    with pytest.raises(ValueError, match="holds 2 runs, not 3"):
        read_operations(EVENTS, 2)


@pytest.mark.parametrize("types", [PACKED, PACKED[:-1], [*PACKED[:3], "int8", *PACKED[3:]]])
def test_an_8_bit_convolution_is_told_by_its_input_and_weights(types):
    events = [node("c_quant", "QLinearConv", 10, 7, types), run(0, 100)]
    assert read_operations(events, 0) == (Operation("QLinearConv", "u8s8", CPU, 1, 7),)


def test_lines_tell_what_was_rendered_among_others():
    lines = [
        "some other output",
        *render_lines(read_operations(EVENTS, 1), F32),
        "onnxruntime,operation,cut",
    ]
    assert parse_lines(lines) == (
        KernelShare("convolution", "f32", "avx512_core", pytest.approx(0.9), 2),
        KernelShare("pooling", "f32", "unknown", pytest.approx(0.05), 1),
        KernelShare("inner_product", "f32", "unknown", pytest.approx(0.05), 1),
    )


def test_no_lines_are_no_kernels():
    assert parse_lines(["nothing"]) == ()


def test_convolution_time_is_shared_out_to_the_multiplications_seen():
    kernels = plan_kernels(
        [Operation("QLinearConv", "u8s8", CPU, 53, 100)],
        {("int8", "avx512_core_vnni"): 75, ("int8", "avx512_core"): 25, ("f32", "avx512_core"): 40},
    )
    assert kernels == (
        KernelShare("convolution", "u8s8", "avx512_core_vnni", 0.75, 53),
        KernelShare("convolution", "u8s8", "avx512_core", 0.25, 0),
    )


def test_a_float32_convolution_that_multiplies_in_bfloat16_is_told_as_such():
    kernels = plan_kernels(
        [Operation("Conv", "f32", CPU, 53, 100)], {("bf16", "avx512_core_bf16"): 99}
    )
    assert kernels == (KernelShare("convolution", "f32/bf16", "avx512_core_bf16", 1.0, 53),)


def test_of_too_few_multiplications_no_instruction_set_is_told():
    kernels = plan_kernels([Operation("Conv", "f32", CPU, 53, 100)], {("f32", "avx2"): 19})
    assert kernels == (KernelShare("convolution", "f32", "unknown", 1.0, 53),)
