"""What each precision means on a CPU: data type, instruction set, caps, and what proves it.

One table, `_TABLE`, says it all; `runnable` and `proof` ask it whether a host can run a precision,
and whether the kernels that ran are the ones the precision promises.

Sources of the table: oneDNN's pages "CPU Dispatcher Control" (the names of the ISA caps; they are
only partly ordered: an AVX-512 cap hides AVX-VNNI and AVX-NE-CONVERT) and "Primitive Attributes:
floating-point math mode", oneDNN's `cpu_isa_traits.hpp` (which CPU features each ISA name needs,
and the names that its kernels bear), TensorFlow's `mkl_util.h` (`TF_SET_ONEDNN_FPMATH_MODE`: the
exact value `BF16` turns the mode on, any other leaves it off), and the kernel's
`cpufeatures.h` for the flag names in /proc/cpuinfo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Precision

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from resnet50_bench.engines.base import KernelShare

_AMX_MARK = "_amx"

AVX2 = ("avx2",)
AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512dq")
_AVX512_VNNI = ("avx512_vnni", *AVX512)
_AVX512_BF16 = ("avx512_bf16", *_AVX512_VNNI)
_AVX2_VNNI = ("avx_vnni", *AVX2)
AVX2_VNNI_2 = ("avx_ne_convert", "avx_vnni_int8", *_AVX2_VNNI)
# oneDNN uses no AMX kernel at all unless every one of these is there.
_AMX = ("amx_tile", "amx_int8", "amx_bf16", "avx512_fp16", "avx_vnni", *_AVX512_BF16)

_INT8 = ("u8s8", "s8s8", "s8u8", "u8u8")
# AMX multiplies no float32: float32 data in an AMX kernel has been rounded to bfloat16.
_F32_AS_BF16 = ("f32", "f32/bf16", "f32/any")

_AVX10 = ("avx10_1_512", "avx10_2_512")
_AMX_KERNELS = ("avx512_core", *_AVX10)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionMeaning:
    """What a precision means on one class of CPU.

    Attributes:
        precision: the precision as asked for.
        dtype: the convolutions' data in memory: `f32`, `int8` or `bf16`.
        isa: the instruction set, for people.
        kernel_dtypes: what a kernel may say it computes in, see `engines.onednn_trace`.
        kernel_isas: how the ISA name of a proving kernel begins. AMX kernels prove the `amx_`
            precisions and no other, whatever their name begins with.
        required_flags: the /proc/cpuinfo flags it needs, the one that makes the row first.
        environment: the variables to set before oneDNN or TensorFlow is loaded.
        source: where the row comes from, and why it is so.
    """

    precision: Precision
    dtype: str
    isa: str
    kernel_dtypes: tuple[str, ...]
    kernel_isas: tuple[str, ...]
    required_flags: tuple[str, ...]
    environment: Mapping[str, str]
    source: str

    @property
    def is_amx(self) -> bool:
        """Whether it needs the tile registers."""
        return "amx_tile" in self.required_flags

    def is_proven_by(self, kernel: KernelShare) -> bool:
        """Whether the kernel computed in the data type and instruction set of this row."""
        return (
            kernel.dtype in self.kernel_dtypes
            and (_AMX_MARK in kernel.isa) == self.is_amx
            and any(is_isa(kernel.isa, name) for name in self.kernel_isas)
        )


def is_isa(name: str, base: str) -> bool:
    """Whether an ISA name is the base or an extension: `avx512_core_bf16` is of `avx512_core`."""
    return name == base or name.startswith(f"{base}_")


def _environment(cap: str, fpmath: str = "STRICT") -> dict[str, str]:
    """The three variables, all of them always, so that none is inherited from the user's shell."""
    return {
        "ONEDNN_MAX_CPU_ISA": cap,
        "ONEDNN_DEFAULT_FPMATH_MODE": fpmath,
        "TF_SET_ONEDNN_FPMATH_MODE": fpmath,
    }


_TABLE = (
    PrecisionMeaning(
        precision=Precision.AVX_FP32,
        dtype="f32",
        isa="AVX-512",
        kernel_dtypes=("f32",),
        kernel_isas=("avx512_core", *_AVX10),
        required_flags=AVX512,
        environment=_environment("AVX512_CORE"),
        source="oneDNN, CPU Dispatcher Control: AVX512_CORE = F, BW, VL, DQ; STRICT: no rounding",
    ),
    PrecisionMeaning(
        precision=Precision.AVX_FP32,
        dtype="f32",
        isa="AVX2",
        kernel_dtypes=("f32",),
        kernel_isas=("avx2",),
        required_flags=AVX2,
        environment=_environment("AVX2"),
        source="oneDNN, CPU Dispatcher Control: AVX2; for CPUs without AVX-512 (SRF)",
    ),
    PrecisionMeaning(
        precision=Precision.AVX_INT8,
        dtype="int8",
        isa="AVX-512 VNNI",
        kernel_dtypes=_INT8,
        kernel_isas=("avx512_core_vnni", "avx512_core_bf16", "avx512_core_fp16", *_AVX10),
        required_flags=_AVX512_VNNI,
        environment=_environment("AVX512_CORE_VNNI"),
        source="oneDNN, CPU Dispatcher Control: the cap keeps VNNI and excludes AMX",
    ),
    PrecisionMeaning(
        precision=Precision.AVX_INT8,
        dtype="int8",
        isa="AVX-VNNI",
        kernel_dtypes=_INT8,
        kernel_isas=("avx2_vnni",),
        required_flags=_AVX2_VNNI,
        environment=_environment("AVX2_VNNI_2"),
        source="oneDNN, CPU Dispatcher Control: AVX2_VNNI_2 holds AVX2_VNNI; for SRF",
    ),
    PrecisionMeaning(
        precision=Precision.AVX_BFLOAT16,
        dtype="bf16",
        isa="AVX-512 BF16",
        kernel_dtypes=("bf16",),
        kernel_isas=("avx512_core_bf16", "avx512_core_fp16", *_AVX10),
        required_flags=_AVX512_BF16,
        environment=_environment("AVX512_CORE_BF16"),
        source="oneDNN, CPU Dispatcher Control: any lower cap emulates bf16, any higher has AMX",
    ),
    PrecisionMeaning(
        precision=Precision.AVX_BFLOAT16,
        dtype="bf16",
        isa="AVX-NE-CONVERT",
        kernel_dtypes=("bf16",),
        kernel_isas=("avx2_vnni_2",),
        required_flags=AVX2_VNNI_2,
        environment=_environment("AVX2_VNNI_2"),
        source="oneDNN, cpu_isa_traits.hpp: avx2_vnni_2 = AVX-VNNI, -INT8, -NE-CONVERT; for SRF",
    ),
    PrecisionMeaning(
        precision=Precision.AMX_INT8,
        dtype="int8",
        isa="AMX INT8",
        kernel_dtypes=_INT8,
        kernel_isas=_AMX_KERNELS,
        required_flags=_AMX,
        environment=_environment("AVX512_CORE_AMX"),
        source="oneDNN, cpu_isa_traits.hpp: avx512_core_amx needs both AMX types and AVX512-FP16",
    ),
    PrecisionMeaning(
        precision=Precision.AMX_BFLOAT16,
        dtype="bf16",
        isa="AMX BF16",
        kernel_dtypes=("bf16",),
        kernel_isas=_AMX_KERNELS,
        required_flags=_AMX,
        environment=_environment("AVX512_CORE_AMX"),
        source="oneDNN, cpu_isa_traits.hpp: avx512_core_amx needs both AMX types and AVX512-FP16",
    ),
    PrecisionMeaning(
        precision=Precision.AMX_BFLOAT32,
        dtype="f32",
        isa="AMX BF16",
        kernel_dtypes=_F32_AS_BF16,
        kernel_isas=_AMX_KERNELS,
        required_flags=_AMX,
        environment=_environment("AVX512_CORE_AMX", "BF16"),
        source="oneDNN, floating-point math mode: BF16 permits rounding; AMX kernels do it",
    ),
)


def plan_meaning(precision: Precision, cpu_flags: Collection[str]) -> PrecisionMeaning:
    """Return the row of the table for this CPU.

    Among the rows of the precision it is the one of which the CPU lacks least, AVX-512 first. That
    the CPU lacks nothing is for `plan_runnable` to say.
    """
    rows = (row for row in _TABLE if row.precision is precision)
    return min(rows, key=lambda row: len(list_missing(row, cpu_flags)))


def list_missing(meaning: PrecisionMeaning, cpu_flags: Collection[str]) -> tuple[str, ...]:
    """Return the flags the CPU lacks, the one that decides first."""
    return tuple(flag for flag in meaning.required_flags if flag not in cpu_flags)
