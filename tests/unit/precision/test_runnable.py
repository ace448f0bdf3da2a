from __future__ import annotations

import pytest
from tests.unit.precision.flags import GENOA, HASWELL, ICX, SKX, SPR, SRF, TURIN

from resnet50_bench.config import Precision
from resnet50_bench.errors import ExitCode, PrecisionError
from resnet50_bench.host.amx_probe import AmxProbe
from resnet50_bench.precision.runnable import default_precisions_on, plan_runnable, require_runnable

USABLE = AmxProbe(permitted=True, tile_operation=True, reason="works")
UNTRIED = AmxProbe(permitted=True, tile_operation=None, reason="no executable memory")
FAULTING = AmxProbe(permitted=True, tile_operation=False, reason="it ended in SIGILL")
REFUSED = AmxProbe(permitted=False, tile_operation=False, reason="arch_prctl: EPERM")


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
