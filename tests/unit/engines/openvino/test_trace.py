"""On traces of OpenVINO 2026.4.1 on an AMD Zen 4, one query of two images; in bf16 by two callers."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines.openvino.trace import parse_kernels, render_trace
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.precision.proof import ProofState, plan_verdict

FOLDER = Path(__file__).parent
ZEN4 = ("avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16")


def read(precision: Precision) -> list[str]:
    return (FOLDER / f"{precision.value}.trace.txt").read_text().splitlines()


def node(kind: str, implementation: str, dtype: str, us: int = 100) -> str:
    fields = {"name": "n", "type": kind, "exec": implementation, "dtype": dtype, "us": us}
    return f"openvino,node,{json.dumps(fields)}"


@pytest.mark.parametrize(
    ("precision", "dtype", "isa", "calls"),
    [
        (Precision.AVX_INT8, "u8s8", "avx512_core_vnni", 53),
        (Precision.AVX_BFLOAT16, "bf16", "avx512_core_bf16", 106),
    ],
)
def test_a_recorded_query_proves_its_precision_and_no_other(precision, dtype, isa, calls):
    kernels = parse_kernels(["noise of the log", *read(precision)])
    first = kernels[0]
    assert (first.primitive, first.dtype, first.isa, first.calls) == (
        "convolution", dtype, isa, calls
    )  # fmt: skip
    assert sum(item.time_share for item in kernels) == pytest.approx(1)
    assert plan_verdict(plan_meaning(precision, ZEN4), kernels).state is ProofState.PROVEN
    others = {Precision.AVX_FP32, Precision.AVX_INT8, Precision.AVX_BFLOAT16} - {precision}
    for other in others:
        state = plan_verdict(plan_meaning(other, ZEN4), kernels).state
        assert state is ProofState.MISLABELED


@pytest.mark.parametrize("precision", [Precision.AVX_INT8, Precision.AVX_BFLOAT16])
def test_the_same_names_without_the_instruction_in_the_code_prove_nothing(precision):
    lines = [line for line in read(precision) if not line.startswith("openvino,code,")]
    kernels = parse_kernels(lines)
    assert {item.isa for item in kernels if item.primitive == "convolution"} == {"avx512_core"}
    assert plan_verdict(plan_meaning(precision, ZEN4), kernels).state is ProofState.MISLABELED


@pytest.mark.parametrize(
    ("implementation", "dtype", "code", "expected"),
    [
        ("brgconv_avx512_amx_I8", "u8", {"tdpb*d tmm": 900}, ("u8s8", "avx512_core_amx")),
        (
            "brgconv_avx512_amx_1x1_bf16",
            "bf16",
            {"tdpbf16ps tmm": 900},
            ("bf16", "avx512_core_amx"),
        ),
        ("brgconv_avx512_amx_1x1_bf16", "bf16", {}, ("bf16", "avx512_core")),
        ("brgconv_avx512_1x1_f32", "f32", {"vdpbf16ps zmm": 900}, ("f32", "avx512_core")),
        ("brgconv_avx2_f32", "f32", {}, ("f32", "avx2")),
        ("jit_avx2_1x1_I8", "u8", {"vpdpbusd ymm": 90}, ("u8s8", "avx2_vnni")),
        ("jit_avx2_1x1_I8", "i8", {"vpdpbusd ymm": 3}, ("s8s8", "avx2")),
        ("gemm_mlas_f32", "f32", {}, ("f32", "gemm_mlas")),
        ("ref_any_f32", "f32", {}, ("f32", "ref")),
    ],
)
def test_the_implementations_name_and_the_code_tell_the_instructions(
    implementation, dtype, code, expected
):
    lines = [f"openvino,code,{json.dumps(code)}", node("Convolution", implementation, dtype)]
    (kernel,) = parse_kernels(lines)
    assert (kernel.primitive, (kernel.dtype, kernel.isa)) == ("convolution", expected)


def test_only_multiplications_are_named_by_dot_products():
    code = 'openvino,code,{"vpdpbusd zmm": 900}'
    (kernel,) = parse_kernels([code, node("MaxPool", "jit_avx512_I8", "u8")])
    assert (kernel.primitive, kernel.isa) == ("pooling", "avx512_core")


def test_what_was_not_executed_is_not_in_the_trace():
    def make(name, status):
        return SimpleNamespace(node_name=name, node_type="Convolution", exec_type="jit_avx2_f32",
                               real_time=timedelta(microseconds=250), status=status)  # fmt: skip

    counters = [make("a", "Status.EXECUTED"), make("b", "Status.NOT_RUN")]
    lines = list(render_trace(counters, {"a": "f32"}, {}))
    assert lines == ["openvino,code,{}", node("Convolution", "jit_avx2_f32", "f32", 250).replace(
        '"n"', '"a"')]  # fmt: skip
    assert parse_kernels(lines)[0].calls == 1


def test_without_lines_there_are_no_kernels():
    assert parse_kernels(["nothing of this", ""]) == ()
