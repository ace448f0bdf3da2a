from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.errors import ExitCode, PrecisionError
from resnet50_bench.host import amx_probe
from resnet50_bench.host.amx_probe import AmxProbe, plan_answer, probe_amx
from resnet50_bench.precision.isa import (
    ProofState,
    default_precisions_on,
    plan_meaning,
    plan_runnable,
    plan_verdict,
    require_runnable,
)

HASWELL = frozenset({"fma", "avx", "avx2"})
SKX = HASWELL | {"avx512f", "avx512bw", "avx512vl", "avx512dq"}
ICX = SKX | {"avx512_vnni"}
GENOA = ICX | {"avx512_bf16"}
TURIN = GENOA | {"avx_vnni"}
SPR = TURIN | {"avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"}
SRF = HASWELL | {"avx_vnni", "avx_vnni_int8", "avx_ne_convert"}

USABLE = AmxProbe(permitted=True, tile_operation=True, reason="works")
UNTRIED = AmxProbe(permitted=True, tile_operation=None, reason="no executable memory")
FAULTING = AmxProbe(permitted=True, tile_operation=False, reason="it ended in SIGILL")
REFUSED = AmxProbe(permitted=False, tile_operation=False, reason="arch_prctl: EPERM")


def convolution(dtype: str, isa: str, share: float = 1.0) -> KernelShare:
    return KernelShare("convolution", dtype, isa, share, 10)


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


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (frozenset(), ""),
        (HASWELL, "avx_fp32"),
        (SKX, "avx_fp32"),
        (ICX, "avx_fp32 avx_int8"),
        (GENOA, "avx_fp32 avx_int8 avx_bfloat16"),
        (TURIN, "avx_fp32 avx_int8 avx_bfloat16"),
        (SRF, "avx_fp32 avx_int8 avx_bfloat16"),
        (SPR, "avx_fp32 avx_int8 avx_bfloat16 amx_int8 amx_bfloat16 amx_bfloat32"),
    ],
)
def test_each_host_runs_the_precisions_its_flags_allow(flags, expected):
    assert [precision.value for precision in default_precisions_on(flags)] == expected.split()


@pytest.mark.parametrize("flag", ["amx_tile", "amx_int8", "amx_bf16", "avx512_fp16"])
def test_every_flag_that_onednn_wants_for_amx_is_needed(flag):
    for precision in (Precision.AMX_INT8, Precision.AMX_BFLOAT16, Precision.AMX_BFLOAT32):
        assert plan_runnable(precision, SPR - {flag}, USABLE).missing == (flag,)


@pytest.mark.parametrize(
    ("probe", "usable"), [(USABLE, 1), (UNTRIED, 1), (FAULTING, 0), (REFUSED, 0)]
)
def test_amx_flags_do_not_help_where_the_probe_failed(probe, usable):
    assert (Precision.AMX_INT8 in default_precisions_on(SPR, probe)) == bool(usable)
    assert Precision.AVX_INT8 in default_precisions_on(SPR, probe)
    assert plan_runnable(Precision.AMX_INT8, SPR, probe).runnable == bool(usable)


def test_a_runnable_precision_says_on_what_and_whether_amx_was_tried():
    assert plan_runnable(Precision.AVX_INT8, SPR, None).reason == "runs on AVX-512 VNNI"
    assert plan_runnable(Precision.AMX_INT8, SPR, USABLE).reason == "runs on AMX INT8"
    for probe in (None, UNTRIED):
        answer = plan_runnable(Precision.AMX_INT8, SPR, probe)
        assert answer.reason == "runs on AMX INT8; no tile operation was tried"
        assert (answer.missing, answer.fix, answer.emulated_possible) == ((), None, False)


@pytest.mark.parametrize(
    ("precision", "flags", "possible"),
    [
        ("avx_fp32", frozenset(), False),
        ("avx_int8", HASWELL, True),
        ("avx_int8", SKX, True),
        ("avx_int8", frozenset({"asimd"}), False),
        ("avx_bfloat16", HASWELL, False),
        ("avx_bfloat16", SKX, True),
        ("avx_bfloat16", ICX, True),
        ("amx_int8", GENOA, True),
        ("amx_int8", SRF, True),
        ("amx_bfloat16", ICX, True),
        ("amx_bfloat16", SRF, True),
        ("amx_bfloat16", HASWELL, False),
        ("amx_bfloat32", GENOA, False),
        ("amx_bfloat32", SRF, False),
    ],
)
def test_slower_instructions_stand_in_only_where_onednn_has_them(precision, flags, possible):
    answer = plan_runnable(Precision(precision), flags, None)
    assert (answer.runnable, answer.emulated_possible) == (False, possible)
    if possible:
        assert require_runnable(Precision(precision), flags, None, emulated=True) == answer
    else:
        with pytest.raises(PrecisionError):
            require_runnable(Precision(precision), flags, None, emulated=True)


def refusal(precision: Precision, flags: frozenset[str], amx: AmxProbe | None = None, **options):
    with pytest.raises(PrecisionError) as caught:
        require_runnable(precision, flags, amx, **{"emulated": False, **options})
    assert caught.value.exit_code == ExitCode.WRONG_REQUEST
    return caught.value


def test_a_refusal_names_the_flag_what_runs_and_the_next_step():
    error = refusal(Precision.AVX_BFLOAT16, ICX)
    assert error.message == (
        "this host cannot run --precision avx_bfloat16: the CPU lacks avx512_bf16 "
        "(it takes a CPU such as Cooper Lake, Sapphire Rapids, Sierra Forest or Zen 4); "
        "it can run avx_fp32, avx_int8"
    )
    assert error.advice == (
        "use --precision avx_fp32, "
        "or add --emulated for a run by slower instructions, marked EMULATED"
    )


def test_a_refusal_of_amx_points_to_the_same_data_type_without_it():
    error = refusal(Precision.AMX_BFLOAT16, TURIN)
    assert "lacks amx_tile (it takes a CPU such as Sapphire Rapids or " in error.message
    assert error.advice is not None
    assert error.advice.startswith("use --precision avx_bfloat16, or add --emulated ")


def test_a_refusal_of_bfloat32_offers_no_emulation_even_if_asked():
    error = refusal(Precision.AMX_BFLOAT32, TURIN, emulated=True)
    assert error.advice == "use --precision avx_fp32"


def test_a_refusal_by_the_system_repeats_what_the_probe_found():
    error = refusal(Precision.AMX_INT8, SPR, REFUSED)
    assert "AMX is not usable here: arch_prctl: EPERM" in error.message
    assert error.message.endswith("it can run avx_fp32, avx_int8, avx_bfloat16")
    assert error.advice == (
        "let this process use AMX (Linux 5.16, arch_prctl allowed in the container), "
        "or use --precision avx_int8, "
        "or add --emulated for a run by slower instructions, marked EMULATED"
    )


def test_a_host_that_runs_nothing_is_told_so():
    error = refusal(Precision.AVX_FP32, frozenset({"asimd"}))
    assert error.message.endswith("does not start; it can run none of the precisions")
    assert error.advice == (
        "use a CPU with AVX2 (Intel since Haswell, AMD since Excavator); in a virtual machine, one "
        "whose CPU model passes it on (QEMU: -cpu host)"
    )


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


GRANTED = json.dumps({"permission_error": None}) + "\n"
DENIED = json.dumps({"permission_error": "arch_prctl: EINVAL"}) + "\n"


@pytest.mark.parametrize(
    ("returncode", "output", "expected", "clause"),
    [
        (0, GRANTED + '{"tile_operation": true}\n', (True, True), "gave the right bytes"),
        (0, GRANTED + '{"tile_operation": false}\n', (True, False), "gave wrong bytes"),
        (-signal.SIGILL, GRANTED, (True, False), "ended in SIGILL (illegal instruction)"),
        (-signal.SIGSEGV, GRANTED, (True, False), "SIGSEGV (segmentation fault: palette 1"),
        (-signal.SIGKILL, GRANTED, (True, None), "cut short by signal 9"),
        (0, GRANTED + '{"tile_unknown": "EACCES"}\n', (True, None), "not be tried (EACCES)"),
        (
            -signal.SIGILL,
            DENIED,
            (False, False),
            "did not grant the tile registers (arch_prctl: EI",
        ),
        (1, "", (False, None), "the child ended before it asked"),
    ],
)
def test_each_ending_of_the_probes_child_has_its_meaning(returncode, output, expected, clause):
    probe = plan_answer(returncode, output)
    assert (probe.permitted, probe.tile_operation) == expected
    assert clause in probe.reason


@pytest.mark.skipif(sys.platform != "linux", reason="the probe is for Linux")
def test_the_probe_agrees_with_the_flags_of_this_cpu_and_this_process_survives():
    flags = Path("/proc/cpuinfo").read_text().split()
    probe = probe_amx()
    if "amx_tile" not in flags:
        assert not probe.permitted
        assert not probe.usable
        assert not probe.tile_operation
    else:
        assert probe.tile_operation in (True, False, None)
    assert probe.reason


@pytest.mark.skipif(shutil.which("objdump") is None, reason="binutils disassembles the bytes")
def test_the_probes_bytes_are_the_instructions_their_comments_name(tmp_path):
    path = tmp_path / "operation.bin"
    path.write_bytes(amx_probe._TILE_OPERATION)
    text = subprocess.run(
        ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", path],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [line.split("\t")[2].split() for line in text.splitlines() if line.count("\t") == 2]
    assert lines == [
        ["ldtilecfg", "(%rdi)"],
        ["tilezero", "%tmm0"],
        ["tilestored", "%tmm0,(%rsi,%rdx,1)"],
        ["tilerelease"],
        ["ret"],
    ]


def test_the_tile_configuration_is_64_bytes_with_one_full_tile_of_palette_1():
    config = amx_probe._TILE_CONFIG
    assert len(config) == 64
    assert {index: byte for index, byte in enumerate(config) if byte} == {0: 1, 16: 64, 48: 16}


# Runs other machine code than the real one where the real one runs, so that every CPU can.
STAND_IN_CHILD = """
import sys
from resnet50_bench.host import amx_probe
amx_probe._TILE_OPERATION = bytes.fromhex(sys.argv[1])
amx_probe.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the probe is for Linux")
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # mov rdi,rsi; mov ecx,1024; xor eax,eax; rep stosb; ret: what a good CPU does to the tile
        ("4889f7b90004000031c0f3aac3", True),
        ("c3", False),
        ("0f0b", False),  # ud2: an illegal instruction on every CPU
    ],
)  # fmt: skip
def test_the_child_judges_by_the_bytes_that_the_code_left(code, expected):
    child = subprocess.run(
        [sys.executable, "-c", STAND_IN_CHILD, code], capture_output=True, text=True, check=False
    )
    probe = plan_answer(child.returncode, child.stdout)
    assert (probe.tile_operation, child.stderr) == (expected, "")
    assert ("SIGILL" in probe.reason) == (code == "0f0b")


REFUSING_CHILD = """
from resnet50_bench.host import amx_probe
def load_code(code):
    raise PermissionError(13, "Permission denied")
amx_probe.load_code = load_code
amx_probe.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the probe is for Linux")
def test_a_container_that_forbids_executable_memory_leaves_the_operation_unknown():
    child = subprocess.run(
        [sys.executable, "-c", REFUSING_CHILD], capture_output=True, text=True, check=True
    )
    probe = plan_answer(child.returncode, child.stdout)
    assert probe.tile_operation is None
    assert "(executable memory: Permission denied)" in probe.reason
