"""The process that measures: what it is asked, and what becomes of one that dies."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.hosts.synthetic import Machine

from resnet50_bench.errors import HostError
from resnet50_bench.limits import measure
from resnet50_bench.limits.kernels import Kind
from resnet50_bench.limits.measure import choose_cpus, measure_roofline

FLAGS = ("avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_bf16")
HOST = replace(Machine(nodes=(2,), smt=2).host(), cpu_flags=FLAGS)

CHILD = """
import json, os, signal, sys, time
request = json.load(sys.stdin)
def say(**answer):
    print(json.dumps(answer), flush=True)
for number in range(request["rounds"]):
    for place, task in enumerate(request["tasks"]):
        say(name=task["name"])
        {misfortune}
        say(name=task["name"], rate=1e9 * (place + 1) + number)
"""


@pytest.fixture
def child(monkeypatch):
    def use(misfortune: str = "pass") -> None:
        command = (sys.executable, "-c", CHILD.replace("{misfortune}", misfortune))
        monkeypatch.setattr(measure, "_COMMAND", command)

    return use


def ignore(name: str, share: float) -> None:
    assert name
    assert 0 <= share <= 1


def test_one_cpu_of_each_core_is_used() -> None:
    assert len(choose_cpus(HOST)) == 2
    core = HOST.cores[1]
    assert choose_cpus(HOST, core.cpus) == core.cpus[:1]
    assert choose_cpus(HOST, core.cpus[1:]) == core.cpus[1:]


def test_the_best_round_counts_and_all_are_kept(child) -> None:
    child()
    found = measure_roofline(HOST, (0,), ignore)
    first = found.peaks[0]
    assert first.kind is Kind.AVX2_FP32
    assert first.rounds == (1e9, 1e9 + 1, 1e9 + 2)
    assert first.operations_per_s == 1e9 + 2
    assert found.find_peak(Kind.AVX512_BF16) is not None
    assert found.cpus == (0,)
    assert found.spread == pytest.approx(2e-9, rel=0.01)
    assert found.find_bandwidth("DRAM", "triad") is not None


def test_what_this_cpu_does_not_have_is_absent_with_its_reason(child) -> None:
    child()
    found = measure_roofline(HOST, (0,), ignore)
    assert found.find_peak(Kind.AMX_INT8) is None
    assert found.absent["amx_int8"] == "this CPU has no amx_int8, amx_tile"
    assert found.absent["avx_vnni_int8"] == "this CPU has no avx_vnni"


def test_an_instruction_that_ends_the_process_is_left_out_and_the_others_are_measured(
    child,
) -> None:
    child('task["kind"] == "avx512_bf16" and os.kill(os.getpid(), signal.SIGILL)')
    found = measure_roofline(HOST, (0,), ignore)
    assert found.absent["avx512_bf16"] == "the process that measured it ended by SIGILL"
    assert {item.kind for item in found.peaks} == {
        Kind.AVX2_FP32, Kind.AVX2_INT8, Kind.AVX512_FP32, Kind.AVX512_INT8,
    }  # fmt: skip
    assert all(len(item.rounds) == 3 for item in (*found.peaks, *found.bandwidths))


def test_what_the_process_refuses_is_absent(child) -> None:
    child(
        'if task["kind"] == "avx2_int8":\n'
        '            say(name=task["name"], failure="not today")\n'
        "            continue"
    )
    found = measure_roofline(HOST, (0,), ignore)
    assert found.absent["avx2_int8"] == "not today"
    assert found.find_peak(Kind.AVX2_FP32) is not None


def test_a_process_that_cannot_begin_is_an_error_of_the_host(monkeypatch) -> None:
    command = (sys.executable, "-c", "raise ImportError('llvmlite is broken')")
    monkeypatch.setattr(measure, "_COMMAND", command)
    with pytest.raises(HostError, match="exit code 1: ImportError: llvmlite is broken"):
        measure_roofline(HOST, (0,), ignore)


def test_a_process_that_cannot_be_started_is_an_error_of_the_host(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(measure, "_COMMAND", (str(tmp_path / "python"),))
    with pytest.raises(HostError, match="cannot be started"):
        measure_roofline(HOST, (0,), ignore)


def test_who_interrupts_it_leaves_no_process(child, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child(f"open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(60)")

    def interrupt(name: str, share: float) -> None:
        while not (file.exists() and file.read_text()):
            time.sleep(0.001)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_roofline(HOST, (0,), interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)
