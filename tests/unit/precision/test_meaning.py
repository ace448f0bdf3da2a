from __future__ import annotations

import pytest
from tests.unit.precision.flags import GENOA, ICX, SPR, SRF, TURIN

from resnet50_bench.config import Precision
from resnet50_bench.precision.meaning import plan_meaning


@pytest.mark.parametrize(
    ("precision", "flags", "isa", "dtype", "cap"),
    [
        ("avx_fp32", SPR, "AVX-512", "f32", "AVX512_CORE"),
        ("avx_fp32", SRF, "AVX2", "f32", "AVX2"),
        ("avx_int8", SPR, "AVX-512 VNNI", "int8", "AVX512_CORE_VNNI"),
        ("avx_int8", TURIN, "AVX-512 VNNI", "int8", "AVX512_CORE_VNNI"),
        ("avx_int8", SRF, "AVX-VNNI", "int8", "AVX2_VNNI_2"),
        ("avx_bfloat16", GENOA, "AVX-512 BF16", "bf16", "AVX512_CORE_BF16"),
        ("avx_bfloat16", SPR, "AVX-512 BF16", "bf16", "AVX512_CORE_BF16"),
        ("avx_bfloat16", ICX, "AVX-512 BF16", "bf16", "AVX512_CORE_BF16"),
        ("avx_bfloat16", SRF, "AVX-NE-CONVERT", "bf16", "AVX2_VNNI_2"),
        ("amx_int8", SPR, "AMX INT8", "int8", "AVX512_CORE_AMX"),
        ("amx_bfloat16", SPR, "AMX BF16", "bf16", "AVX512_CORE_AMX"),
        ("amx_bfloat32", SPR, "AMX BF16", "f32", "AVX512_CORE_AMX"),
    ],
)
def test_a_precision_means_one_isa_data_type_and_cap_per_host(precision, flags, isa, dtype, cap):
    meaning = plan_meaning(Precision(precision), flags)
    assert (meaning.precision.value, meaning.isa, meaning.dtype) == (precision, isa, dtype)
    mode = "BF16" if precision == "amx_bfloat32" else "STRICT"
    assert meaning.environment == {
        "ONEDNN_MAX_CPU_ISA": cap,
        "ONEDNN_DEFAULT_FPMATH_MODE": mode,
        "TF_SET_ONEDNN_FPMATH_MODE": mode,
    }
    assert meaning.is_amx == precision.startswith("amx")
    assert "oneDNN" in meaning.source
