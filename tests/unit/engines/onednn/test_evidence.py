import pytest
from tests.traces import write_query

from resnet50_bench.engines.base import UNKNOWN_ISA
from resnet50_bench.engines.onednn.evidence import parse_kernels, render_code


def find_isas(lines):
    return {kernel.isa for kernel in parse_kernels(lines) if kernel.primitive == "convolution"}


@pytest.mark.parametrize(
    ("dtype", "instructions", "isas"),
    [
        ("f32", {"vfmadd231ps zmm": 16}, {"avx512_core"}),
        ("f32", {"vfmadd231ps zmm": 15, "vfmadd231ps ymm": 99}, {UNKNOWN_ISA}),
        ("f32", {}, {UNKNOWN_ISA}),
        ("int8", {"tdpb*d tmm": 300}, {"avx512_core_amx"}),
        ("int8", {"vpdpbusd zmm": 300, "tdpbf16ps tmm": 300}, {UNKNOWN_ISA}),
    ],
)
def test_a_name_counts_where_its_instruction_is_in_the_code(dtype, instructions, isas):
    assert find_isas([*write_query(dtype=dtype), render_code(instructions)]) == isas


def test_without_a_line_about_the_code_nothing_is_known():
    assert find_isas(write_query()) == {UNKNOWN_ISA}


def test_emulation_is_named_as_it_is():
    """bfloat16 on AVX-512 alone: no instruction multiplies it, so none is looked for."""
    assert find_isas([*write_query(dtype="bf16"), render_code({})]) == {"avx512_core"}


def test_other_primitives_are_left_as_they_are():
    line = (
        "onednn_verbose,primitive,exec,cpu,pooling,jit:avx512_core,forward_inference,"
        "src_f32::blocked:acdb:f0 dst_f32::blocked:acdb:f0,,alg:pooling_max,mb1ic64,0.1"
    )
    (kernel,) = parse_kernels([line])
    assert (kernel.primitive, kernel.isa) == ("pooling", "avx512_core")
