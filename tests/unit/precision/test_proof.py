from __future__ import annotations

from itertools import pairwise

import pytest
from tests.unit.precision.flags import GENOA, ICX, SPR, SRF, TURIN

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.precision.proof import ProofState, plan_verdict


def convolution(dtype: str, isa: str, share: float = 1.0) -> KernelShare:
    return KernelShare("convolution", dtype, isa, share, 10)


@pytest.mark.parametrize(
    ("precision", "flags", "dtype", "proving", "others"),
    [
        ("avx_fp32", SPR, "f32", "avx512_core avx512_core_fp16 avx10_1_512", "avx2 any x64:gemm:jit avx10_1_512_amx"),
        ("avx_fp32", SRF, "f32", "avx2 avx2_vnni_2", "avx sse41 any"),
        ("avx_int8", SPR, "u8s8", "avx512_core_vnni avx512_core_bf16 avx512_core_fp16 avx10_1_512", "avx512_core avx512_core_amx avx10_1_512_amx avx512_core_bf16_amx_int8"),
        ("avx_int8", SRF, "s8s8", "avx2_vnni avx2_vnni_2", "avx2 any"),
        ("avx_bfloat16", SPR, "bf16", "avx512_core_bf16 avx512_core_fp16 avx10_1_512 avx10_2_512", "avx512_core avx512_core_vnni avx512_core_amx avx10_1_512_amx_fp16"),
        ("avx_bfloat16", SRF, "bf16", "avx2_vnni_2", "avx2 avx2_vnni"),
        ("amx_int8", SPR, "s8s8", "avx512_core_amx avx512_core_amx_fp16 avx10_1_512_amx avx10_1_512_amx_fp16", "avx512_core_vnni avx10_1_512"),
        ("amx_bfloat16", SPR, "bf16", "avx512_core_amx avx10_1_512_amx", "avx512_core_bf16 avx10_1_512"),
        ("amx_bfloat32", SPR, "f32/bf16", "avx512_core_amx avx10_1_512_amx", "avx512_core avx512_core_bf16"),
        ("amx_bfloat32", SPR, "f32", "avx10_1_512_amx", "avx512_core"),
    ],
)  # fmt: skip
def test_a_kernel_proves_a_precision_by_data_type_and_isa_together(
    precision, flags, dtype, proving, others
):
    meaning = plan_meaning(Precision(precision), flags)
    for isa in proving.split():
        proof = plan_verdict(meaning, (convolution(dtype, isa),))
        assert (proof.state, proof.share, proof.offenders) == ("PROVEN", 1.0, ()), isa
        wrong = "f32" if dtype == "bf16" else "bf16"
        assert plan_verdict(meaning, (convolution(wrong, isa),)).state == "MISLABELED", isa
    for isa in others.split():
        kernel = convolution(dtype, isa)
        proof = plan_verdict(meaning, (kernel,))
        assert (proof.state, proof.share, proof.offenders) == ("MISLABELED", 0.0, (kernel,)), isa


def test_float32_that_may_be_rounded_does_not_prove_float32():
    meaning = plan_meaning(Precision.AVX_FP32, TURIN)
    assert plan_verdict(meaning, (convolution("f32/bf16", "avx512_core"),)).state == "MISLABELED"


@pytest.mark.parametrize(("unknown", "state"), [(0.05, "PROVEN"), (0.06, "UNPROVEN")])
def test_convolutions_whose_instructions_are_not_known_prove_nothing(unknown, state):
    meaning = plan_meaning(Precision.AVX_FP32, GENOA)
    kernels = (
        convolution("f32", "avx512_core", 1 - unknown),
        convolution("f32", "unknown", unknown),
    )
    assert plan_verdict(meaning, kernels).state == state


@pytest.mark.parametrize(("claimed", "state"), [(0.95, "PROVEN"), (0.9499, "MISLABELED")])
def test_95_percent_of_the_convolutions_time_proves_and_less_does_not(claimed, state):
    offender = convolution("f32", "avx512_core", (1 - claimed) / 2)
    kernels = (
        KernelShare("reorder", "f32->bf16", "jit:uni", 0.5, 4),
        offender,
        convolution("bf16", "avx512_core_bf16", claimed / 2),
    )
    proof = plan_verdict(plan_meaning(Precision.AVX_BFLOAT16, GENOA), kernels)
    assert proof.state is ProofState(state)
    assert proof.share == pytest.approx(claimed)
    assert proof.offenders == (offender,)


def test_offenders_come_longest_first():
    kernels = tuple(convolution("f32", f"isa{n}", share) for n, share in enumerate((0.1, 0.6, 0.3)))
    proof = plan_verdict(plan_meaning(Precision.AVX_INT8, ICX), kernels)
    assert all(a.time_share > b.time_share for a, b in pairwise(proof.offenders))


@pytest.mark.parametrize(
    "kernels",
    [
        (),
        (KernelShare("reorder", "f32->f32", "jit:uni", 1.0, 4),),
        (convolution("f32", "avx2", 0.0),),
    ],
)
def test_without_convolution_time_nothing_is_proven(kernels):
    proof = plan_verdict(plan_meaning(Precision.AVX_FP32, GENOA), kernels)
    assert (proof.state, proof.share, proof.offenders) == ("UNPROVEN", None, ())
