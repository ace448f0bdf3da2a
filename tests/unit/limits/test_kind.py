"""Which peak is a precision's limit, on CPUs of all kinds."""

from __future__ import annotations

import pytest
from tests.hosts.cpus import CPUS

from resnet50_bench.config import Precision
from resnet50_bench.limits.kernels import Kind, find_peak_kernel
from resnet50_bench.limits.kind import plan_kind
from resnet50_bench.precision.meaning import list_missing, plan_meaning

HASWELL = ("avx2", "fma")
ALDER_LAKE = (*HASWELL, "avx_vnni")
SIERRA_FOREST = (*ALDER_LAKE, "avx_vnni_int8", "avx_ne_convert")
SKYLAKE = (*HASWELL, "avx512f", "avx512bw", "avx512vl", "avx512dq")
COOPER_LAKE = (*SKYLAKE, "avx512_vnni", "avx512_bf16")
SAPPHIRE_RAPIDS = (
    *COOPER_LAKE, "avx_vnni", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
)  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "flags", "kind"),
    [
        (Precision.AVX_FP32, HASWELL, Kind.AVX2_FP32),
        (Precision.AVX_FP32, SKYLAKE, Kind.AVX512_FP32),
        (Precision.AVX_FP32, SAPPHIRE_RAPIDS, Kind.AVX512_FP32),
        (Precision.AVX_INT8, ALDER_LAKE, Kind.AVX_VNNI_INT8),
        (Precision.AVX_INT8, SAPPHIRE_RAPIDS, Kind.AVX512_VNNI_INT8),
        (Precision.AVX_BFLOAT16, COOPER_LAKE, Kind.AVX512_BF16),
        (Precision.AVX_BFLOAT16, SIERRA_FOREST, Kind.AVX2_FP32),
        (Precision.AMX_INT8, SAPPHIRE_RAPIDS, Kind.AMX_INT8),
        (Precision.AMX_BFLOAT16, SAPPHIRE_RAPIDS, Kind.AMX_BF16),
        (Precision.AMX_BFLOAT32, SAPPHIRE_RAPIDS, Kind.AMX_BF16),
    ],
)
def test_the_instructions_of_the_precision_count(precision, flags, kind) -> None:
    assert plan_kind(precision, flags) is kind


@pytest.mark.parametrize(
    ("precision", "flags", "kind"),
    [
        (Precision.AVX_INT8, HASWELL, Kind.AVX2_INT8),
        (Precision.AVX_INT8, SKYLAKE, Kind.AVX512_INT8),
        (Precision.AVX_BFLOAT16, HASWELL, Kind.AVX2_FP32),
        (Precision.AVX_BFLOAT16, SKYLAKE, Kind.AVX512_FP32),
    ],
)
def test_emulated_it_is_what_stands_in(precision, flags, kind) -> None:
    assert plan_kind(precision, flags, emulated=True) is kind


@pytest.mark.parametrize("cpu", CPUS, ids=lambda cpu: cpu.name)
@pytest.mark.parametrize("precision", Precision, ids=lambda precision: precision.value)
def test_a_precision_that_runs_has_a_limit_that_can_be_measured(precision, cpu) -> None:
    meaning = plan_meaning(precision, cpu.flags)
    if list_missing(meaning, cpu.flags):
        return
    assert set(find_peak_kernel(plan_kind(precision, cpu.flags)).required_flags) <= cpu.flags
