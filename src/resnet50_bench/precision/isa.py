"""What each precision means on a CPU: data type, instruction set, caps, and what proves it.

One table, `_TABLE`, says it all; the rest asks it whether a host can run a precision, and whether
the kernels that ran are the ones the precision promises.

Sources of the table: oneDNN's pages "CPU Dispatcher Control" (the names of the ISA caps; they are
only partly ordered: an AVX-512 cap hides AVX-VNNI and AVX-NE-CONVERT) and "Primitive Attributes:
floating-point math mode", oneDNN's `cpu_isa_traits.hpp` (which CPU features each ISA name needs,
and the names that its kernels bear), TensorFlow's `mkl_util.h` (`TF_SET_ONEDNN_FPMATH_MODE`: the
exact value `BF16` turns the mode on, any other leaves it off), and the kernel's
`cpufeatures.h` for the flag names in /proc/cpuinfo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.config import Precision
from resnet50_bench.errors import PrecisionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from resnet50_bench.engines.base import KernelShare
    from resnet50_bench.host.amx_probe import AmxProbe

PROVEN_SHARE = 0.95
"""The least share of the convolutions' time that proves a precision."""

_AMX_MARK = "_amx"

_NO_AVX2_ADVICE = (
    "use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one "
    "whose CPU model passes it on (QEMU: -cpu host)"
)

_AVX2 = ("avx2",)
_AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512dq")
_AVX512_VNNI = ("avx512_vnni", *_AVX512)
_AVX512_BF16 = ("avx512_bf16", *_AVX512_VNNI)
_AVX2_VNNI = ("avx_vnni", *_AVX2)
_AVX2_VNNI_2 = ("avx_ne_convert", "avx_vnni_int8", *_AVX2_VNNI)
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
        kernel_dtypes: what a kernel may say it computes in, see `engines.onednn`.
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
        required_flags=_AVX512,
        environment=_environment("AVX512_CORE"),
        source="oneDNN, CPU Dispatcher Control: AVX512_CORE = F, BW, VL, DQ; STRICT: no rounding",
    ),
    PrecisionMeaning(
        precision=Precision.AVX_FP32,
        dtype="f32",
        isa="AVX2",
        kernel_dtypes=("f32",),
        kernel_isas=("avx2",),
        required_flags=_AVX2,
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
        required_flags=_AVX2_VNNI_2,
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

_COUNTERPART = {
    Precision.AMX_INT8: Precision.AVX_INT8,
    Precision.AMX_BFLOAT16: Precision.AVX_BFLOAT16,
}

_AMX_CPUS = ("Sapphire Rapids", "Granite Rapids")
_CPUS = {
    Precision.AVX_INT8: ("Cascade Lake", "Alder Lake", "Zen 4"),
    Precision.AVX_BFLOAT16: ("Cooper Lake", "Sapphire Rapids", "Sierra Forest", "Zen 4"),
    Precision.AMX_INT8: _AMX_CPUS,
    Precision.AMX_BFLOAT16: _AMX_CPUS,
    Precision.AMX_BFLOAT32: _AMX_CPUS,
}
"""Of each maker, the first that run it: what it would take, where the CPU has AVX2 at least."""

_EMULATORS: dict[Precision, tuple[tuple[str, ...], ...]] = {
    Precision.AVX_INT8: (_AVX512, _AVX2),
    Precision.AMX_INT8: (_AVX512, _AVX2),
    Precision.AVX_BFLOAT16: (_AVX512,),
    Precision.AMX_BFLOAT16: (_AVX512, _AVX2_VNNI_2),
}
"""The flags with which oneDNN computes the same data type by slower instructions.

Source: oneDNN's "Data Types" page. float32 needs no emulation; `amx_bfloat32` without AMX is plain
float32, which `avx_fp32` measures under its right name.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """Whether a host can run a precision.

    Attributes:
        precision: the precision asked about.
        runnable: whether it runs as it means to.
        emulated_possible: whether it is not runnable, but slower instructions can stand in.
        missing: the /proc/cpuinfo flags that are absent, the one that decides first.
        reason: one clause for people, which names the one that decides.
        fix: the next step; None when nothing is wrong or nothing helps.
    """

    precision: Precision
    runnable: bool
    emulated_possible: bool
    missing: tuple[str, ...]
    reason: str
    fix: str | None


class ProofState(str, Enum):
    """What the kernels that ran say about the precision asked for."""

    PROVEN = "PROVEN"
    MISLABELED = "MISLABELED"
    UNPROVEN = "UNPROVEN"


@dataclass(frozen=True, slots=True)
class Proof:
    """The claim of a precision, checked against the kernels that ran.

    Attributes:
        state: PROVEN, MISLABELED, or UNPROVEN when no convolution was traced.
        share: the fraction of the convolutions' time spent as claimed, 0..1; None if UNPROVEN.
        offenders: the convolution kernels that ran otherwise, by time, longest first; a PROVEN
            result may have a few.
    """

    state: ProofState
    share: float | None
    offenders: tuple[KernelShare, ...]


def plan_meaning(precision: Precision, cpu_flags: Collection[str]) -> PrecisionMeaning:
    """Return the row of the table for this CPU.

    Among the rows of the precision it is the one of which the CPU lacks least, AVX-512 first. That
    the CPU lacks nothing is for `plan_runnable` to say.
    """
    rows = (row for row in _TABLE if row.precision is precision)
    return min(rows, key=lambda row: len(_missing(row, cpu_flags)))


def plan_runnable(
    precision: Precision, cpu_flags: Collection[str], amx: AmxProbe | None
) -> Runnable:
    """Return whether a CPU with these flags can run the precision, and what to do if not.

    Args:
        precision: the precision asked about.
        cpu_flags: the names in /proc/cpuinfo.
        amx: what `probe_amx` found; None when it was not run, then the flags alone decide.
    """
    meaning = plan_meaning(precision, cpu_flags)
    missing = _missing(meaning, cpu_flags)
    if _runs(meaning, cpu_flags, amx):
        unproven = meaning.is_amx and (amx is None or amx.tile_operation is None)
        caveat = "; no tile operation was tried" if unproven else ""
        return Runnable(
            precision=precision,
            runnable=True,
            emulated_possible=False,
            missing=(),
            reason=f"runs on {meaning.isa}{caveat}",
            fix=None,
        )
    refusal = f"AMX is not usable here: {amx.reason}" if amx else ""
    return Runnable(
        precision=precision,
        runnable=False,
        emulated_possible=_is_emulatable(precision, cpu_flags),
        missing=missing,
        reason=_explain_missing(meaning, missing, cpu_flags) if missing else refusal,
        fix=_plan_fix(precision, cpu_flags, amx),
    )


def _explain_missing(
    meaning: PrecisionMeaning, missing: tuple[str, ...], cpu_flags: Collection[str]
) -> str:
    """Name the one feature that decides, and what it would take."""
    if "avx2" not in cpu_flags:
        if "avx" in cpu_flags:
            return "the CPU lacks avx2"
        # Its packages for x86-64 are built with AVX, and end in an illegal instruction without.
        return "the CPU lacks avx, without which TensorFlow does not start"
    lacks, makes = f"the CPU lacks {missing[0]}", meaning.required_flags[0]
    if makes not in missing:
        return f"{lacks}, which every CPU with {makes} has: the hypervisor would have to show it"
    *others, last = _CPUS[meaning.precision]
    return f"{lacks} (it takes a CPU such as {', '.join(others)} or {last})"


def require_runnable(
    precision: Precision, cpu_flags: Collection[str], amx: AmxProbe | None, *, emulated: bool
) -> Runnable:
    """Return how the precision runs here; if it is not `runnable`, the run is an emulated one.

    Args:
        precision: the precision asked for.
        cpu_flags: the names in /proc/cpuinfo.
        amx: what `probe_amx` found; None when it was not run.
        emulated: whether the user allows slower instructions to stand in (`--emulated`).

    Raises:
        PrecisionError: it cannot run, or only emulated, which was not allowed.
    """
    answer = plan_runnable(precision, cpu_flags, amx)
    if answer.runnable or (emulated and answer.emulated_possible):
        return answer
    names = [other.value for other in default_precisions_on(cpu_flags, amx)]
    raise PrecisionError(
        f"this host cannot run --precision {precision.value}: {answer.reason}; "
        f"it can run {', '.join(names) or 'none of the precisions'}",
        answer.fix,
    )


def default_precisions_on(
    cpu_flags: Collection[str], amx: AmxProbe | None = None
) -> tuple[Precision, ...]:
    """Return the precisions that run here without emulation, in the order of `Precision`."""
    return tuple(
        precision
        for precision in Precision
        if _runs(plan_meaning(precision, cpu_flags), cpu_flags, amx)
    )


def plan_verdict(meaning: PrecisionMeaning, kernels: tuple[KernelShare, ...]) -> Proof:
    """Return whether the kernels that ran are those the precision promises.

    Only convolutions count: they are what the precision is about, and the final layer, the pooling
    and the conversions between layouts may well run otherwise.
    """
    convolutions = [kernel for kernel in kernels if kernel.primitive == "convolution"]
    total = math.fsum(kernel.time_share for kernel in convolutions)
    if total <= 0:
        return Proof(ProofState.UNPROVEN, None, ())
    offenders = [kernel for kernel in convolutions if not meaning.is_proven_by(kernel)]
    offenders.sort(key=lambda kernel: kernel.time_share, reverse=True)
    claimed = (kernel.time_share for kernel in convolutions if meaning.is_proven_by(kernel))
    share = math.fsum(claimed) / total
    state = ProofState.PROVEN if share >= PROVEN_SHARE else ProofState.MISLABELED
    return Proof(state, share, tuple(offenders))


def _missing(meaning: PrecisionMeaning, cpu_flags: Collection[str]) -> tuple[str, ...]:
    return tuple(flag for flag in meaning.required_flags if flag not in cpu_flags)


def _runs(meaning: PrecisionMeaning, cpu_flags: Collection[str], amx: AmxProbe | None) -> bool:
    is_refused = meaning.is_amx and amx is not None and not amx.usable
    return not _missing(meaning, cpu_flags) and not is_refused


def _is_emulatable(precision: Precision, cpu_flags: Collection[str]) -> bool:
    sets = _EMULATORS.get(precision, ())
    return any(all(flag in cpu_flags for flag in flags) for flags in sets)


def _plan_fix(precision: Precision, cpu_flags: Collection[str], amx: AmxProbe | None) -> str | None:
    """Allow AMX if only that is missing, run what does run, or emulate."""
    if "avx2" not in cpu_flags:
        return _NO_AVX2_ADVICE
    runnable = default_precisions_on(cpu_flags, amx)
    counterpart = _COUNTERPART.get(precision, precision)
    steps = []
    if not _missing(plan_meaning(precision, cpu_flags), cpu_flags):
        steps.append("let this process use AMX (Linux 5.16, arch_prctl allowed in the container)")
    if runnable:
        nearest = counterpart if counterpart in runnable else runnable[0]
        steps.append(f"use --precision {nearest.value}")
    if _is_emulatable(precision, cpu_flags):
        steps.append("add --emulated for a run by slower instructions, marked EMULATED")
    return ", or ".join(steps) or None
