"""Kinds of core: from counters, from cpuid, from capacities, and from nothing at all."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.hosts.synthetic import Machine, write_files, write_host

from resnet50_bench.config import CoreKind
from resnet50_bench.host import core_kinds, cpuid
from resnet50_bench.host.core_kinds import read_core_kinds
from resnet50_bench.host.cpuid import load_cpuid, read_core_types
from resnet50_bench.host.machine import read_host

P, E, LP = CoreKind.P, CoreKind.E, CoreKind.LP
HYBRID = Machine(nodes=(4,), smt=2, efficient=2)
IS_X86 = os.uname().machine == "x86_64"


@pytest.mark.parametrize("kinds_by", ["counters", "capacity"])
def test_each_source_tells_the_same_kinds(tmp_path, kinds_by):
    machine = Machine(nodes=(7,), smt=2, efficient=2, low_power=1, kinds_by=kinds_by)
    host = read_host(write_host(tmp_path, machine))
    assert [(core.cpus, core.kind) for core in host.cores] == [
        ((0, 1), P), ((2, 3), P), ((4, 5), P), ((6, 7), P), ((8,), E), ((9,), E), ((10,), LP),
    ]  # fmt: skip
    assert host.core_kinds == (P, E, LP)


def test_absent_files_tell_nothing_and_are_no_error(tmp_path):
    root = write_host(tmp_path, Machine(nodes=(4,)))
    assert read_core_kinds(root, {0, 1, 2, 3}) == {}
    assert {core.kind for core in read_host(root).cores} == {None}


def test_counters_that_leave_a_cpu_out_are_not_believed(tmp_path):
    root = write_host(tmp_path, HYBRID)
    (root / "sys/devices/cpu_atom/cpus").unlink()
    assert read_core_kinds(root, set(range(6))) == {}
    assert read_core_kinds(root, {0, 3}) == {0: P, 3: P}


def test_favoured_cores_are_of_the_same_kind(tmp_path):
    capacities = {0: 1024, 1: 1009, 2: 980, 3: 1024}
    files = {f"sys/devices/system/cpu/cpu{n}/cpu_capacity": f"{c}\n" for n, c in capacities.items()}
    write_files(tmp_path, files)
    assert read_core_kinds(tmp_path, set(capacities)) == {}


def test_more_steps_of_capacity_than_kinds_share_the_last(tmp_path):
    capacities = {0: 1024, 1: 800, 2: 500, 3: 200, 4: 0}
    files = {f"sys/devices/system/cpu/cpu{n}/cpu_capacity": f"{c}\n" for n, c in capacities.items()}
    write_files(tmp_path, files)
    assert read_core_kinds(tmp_path, {0, 1, 2, 3}) == {0: P, 1: E, 2: LP, 3: LP}
    assert read_core_kinds(tmp_path, set(capacities)) == {}


def test_a_hybrid_cpu_without_counters_is_asked_itself(tmp_path, monkeypatch):
    root = write_host(tmp_path, Machine(nodes=(2,)))
    write_files(root, {"proc/cpuinfo": "vendor_id\t: GenuineIntel\n"})
    monkeypatch.setattr(core_kinds, "read_core_types", lambda _: {0: 0x40, 1: 0x20})
    assert read_core_kinds(root, {0, 1}) == {}  # a snapshot cannot be asked
    monkeypatch.setattr(core_kinds, "LIVE_ROOT", root)
    assert read_core_kinds(root, {0, 1}) == {0: P, 1: E}
    write_files(root, {"proc/cpuinfo": "vendor_id\t: AuthenticAMD\n"})
    assert read_core_kinds(root, {0, 1}) == {}


def answering(leaves: dict[int, tuple[int, int, int, int]]):
    return lambda: lambda leaf, _subleaf: leaves.get(leaf, (0, 0, 0, 0))


ALDER_LAKE = {0: (0x20, 0, 0, 0), 7: (0, 0, 0, 1 << 15), 0x1A: (0x40000001, 0, 0, 0)}


def test_leaf_1a_is_asked_on_each_cpu_and_leaves_the_affinity_alone():
    before = os.sched_getaffinity(0)
    assert read_core_types(sorted(before), answering(ALDER_LAKE)) == dict.fromkeys(before, 0x40)
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    "leaves",
    [
        ALDER_LAKE | {0: (0x16, 0, 0, 0)},  # leaf 1AH is above its highest
        ALDER_LAKE | {7: (0, 0, 0, 0)},  # it is not hybrid
    ],
)
def test_a_cpu_that_is_not_hybrid_has_no_types(leaves):
    assert read_core_types([0], answering(leaves)) == {}


def test_a_process_that_may_not_execute_its_own_code_learns_nothing():
    def refuse():
        raise PermissionError(13, "Permission denied")

    assert read_core_types([0], refuse) == {}


@pytest.mark.skipif(not IS_X86, reason="cpuid is an instruction of x86")
def test_the_instruction_gives_this_cpus_maker():
    _, ebx, ecx, edx = load_cpuid()(0, 0)
    maker = b"".join(part.to_bytes(4, "little") for part in (ebx, edx, ecx)).decode()
    found = re.search(r"^vendor_id\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert found is not None
    assert found[1] == maker


@pytest.mark.skipif(shutil.which("objdump") is None, reason="binutils disassembles the bytes")
def test_the_bytes_are_the_instructions_their_comments_name(tmp_path):
    path = tmp_path / "code.bin"
    path.write_bytes(cpuid._CODE)
    text = subprocess.run(
        ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", path],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [
        " ".join(line.split("\t")[2].split()) for line in text.splitlines() if line.count("\t") == 2
    ]
    source = Path(cpuid.__file__).read_text().partition("_CODE = ")[2].partition("\n)\n")[0]
    comments = re.findall(r"#\s+(\w.*)", source)
    assert lines == [" ".join(comment.split()) for comment in comments]
