from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resnet50_bench.host import amx_probe
from resnet50_bench.host.amx_probe import plan_answer, probe_amx

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


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ("", "the child ended before it asked)"),
        ("\n  \n", "the child ended before it asked)"),
        ("ld.so: cannot open shared object\nsecond\n", "asked: ld.so: cannot open shared object)"),
        (
            'Traceback (most recent call last):\n  File "amx_probe.py", line 15\n'
            "ModuleNotFoundError: No module named 'ctypes'\n",
            "asked: ModuleNotFoundError: No module named 'ctypes')",
        ),
        (
            "Fatal Python error: init_fs_encoding: failed to get the Python codec\nmore\n",
            "asked: Fatal Python error: init_fs_encoding: failed to get the Python codec)",
        ),
    ],
)
def test_why_the_probes_child_could_not_ask_is_told_in_its_own_words(errors, told):
    probe = plan_answer(1, "", errors)
    assert (probe.permitted, probe.tile_operation) == (False, None)
    assert told in probe.reason
    assert "\n" not in probe.reason


def test_what_the_probes_child_wrote_besides_its_answers_does_not_count():
    warned = "warning: something\n"
    output = GRANTED + '{"tile_operation": true}\n'
    assert plan_answer(0, output, warned) == plan_answer(0, output)


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
