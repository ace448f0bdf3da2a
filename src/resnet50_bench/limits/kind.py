"""Which kind of multiply-adds a precision means on a CPU: its peak is the precision's limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.limits.kernels import Kind
from resnet50_bench.precision.meaning import AVX512, plan_meaning

if TYPE_CHECKING:
    from collections.abc import Collection

    from resnet50_bench.config import Precision

_KINDS = {
    ("AVX-512", "f32"): Kind.AVX512_FP32,
    ("AVX2", "f32"): Kind.AVX2_FP32,
    ("AVX-512 VNNI", "int8"): Kind.AVX512_VNNI_INT8,
    ("AVX-VNNI", "int8"): Kind.AVX_VNNI_INT8,
    ("AVX-512 BF16", "bf16"): Kind.AVX512_BF16,
    ("AVX-NE-CONVERT", "bf16"): Kind.AVX2_FP32,
    ("AMX INT8", "int8"): Kind.AMX_INT8,
    ("AMX BF16", "bf16"): Kind.AMX_BF16,
    ("AMX BF16", "f32"): Kind.AMX_BF16,
}
"""By instruction set and data type of `precision.meaning`. AVX-NE-CONVERT only converts: the
products are those of fp32. amx_bfloat32 multiplies in bf16, and converts besides."""

_INT8 = "int8"


def plan_kind(precision: Precision, cpu_flags: Collection[str], *, emulated: bool = False) -> Kind:
    """Return what multiplies in a precision on a CPU.

    Args:
        precision: that was asked for.
        cpu_flags: as /proc/cpuinfo names them.
        emulated: slower instructions stand in for those of the precision: three for VNNI's one,
            and fp32 for bf16.
    """
    meaning = plan_meaning(precision, cpu_flags)
    if not emulated:
        return _KINDS[meaning.isa, meaning.dtype]
    wide = set(AVX512) <= set(cpu_flags)
    if meaning.dtype == _INT8:
        return Kind.AVX512_INT8 if wide else Kind.AVX2_INT8
    return Kind.AVX512_FP32 if wide else Kind.AVX2_FP32
