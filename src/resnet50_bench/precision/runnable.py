"""Whether a host can run a precision, what it lacks if not, and what would help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Precision
from resnet50_bench.errors import PrecisionError
from resnet50_bench.precision.meaning import AVX2, AVX2_VNNI_2, AVX512, list_missing, plan_meaning

if TYPE_CHECKING:
    from collections.abc import Collection

    from resnet50_bench.host.amx_probe import AmxProbe
    from resnet50_bench.precision.meaning import PrecisionMeaning

_NO_AVX2_ADVICE = (
    "use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one "
    "whose CPU model passes it on (QEMU: -cpu host)"
)

_BUILT_WITH = {"numpy": ("sse4_2",), "TensorFlow": ("avx",)}
"""The flags without which a package for x86-64 ends in an illegal instruction.

Source: `numpy.show_config()` of numpy 2.4 (baseline X86_V2), TensorFlow's "Install with pip".
"""

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
    Precision.AVX_INT8: (AVX512, AVX2),
    Precision.AMX_INT8: (AVX512, AVX2),
    Precision.AVX_BFLOAT16: (AVX512,),
    Precision.AMX_BFLOAT16: (AVX512, AVX2_VNNI_2),
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
    missing = list_missing(meaning, cpu_flags)
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


def require_loadable(package: str, cpu_flags: Collection[str]) -> None:
    """Check that a package's machine code runs on this CPU; importing it would end the process.

    Args:
        package: `numpy` or `TensorFlow`.
        cpu_flags: the names in /proc/cpuinfo.

    Raises:
        PrecisionError: the CPU lacks instructions that the package is built with.
    """
    for flag in _BUILT_WITH[package]:
        if "sse2" in cpu_flags and flag not in cpu_flags:  # else it is no x86-64
            raise PrecisionError(
                f"the CPU lacks {flag}, without which {package} does not start", _NO_AVX2_ADVICE
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


def _runs(meaning: PrecisionMeaning, cpu_flags: Collection[str], amx: AmxProbe | None) -> bool:
    is_refused = meaning.is_amx and amx is not None and not amx.usable
    return not list_missing(meaning, cpu_flags) and not is_refused


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
    if not list_missing(plan_meaning(precision, cpu_flags), cpu_flags):
        steps.append("let this process use AMX (Linux 5.16, arch_prctl allowed in the container)")
    if runnable:
        nearest = counterpart if counterpart in runnable else runnable[0]
        steps.append(f"use --precision {nearest.value}")
    if _is_emulatable(precision, cpu_flags):
        steps.append("add --emulated for a run by slower instructions, marked EMULATED")
    return ", or ".join(steps) or None
