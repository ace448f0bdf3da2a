"""r50 on CPUs that have no AVX2: it says what is missing and what helps, and never crashes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from .machine import NEHALEM, QEMU64, SANDY_BRIDGE, describe_cpu, find_obstacle, make_python

ASKED_VARIABLE = "R50_TEST_AVX2"


def read_python(folder, machine):
    if not os.environ.get(ASKED_VARIABLE):
        pytest.skip("takes minutes: `make test-avx2` runs it")
    obstacle = find_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    return make_python(folder, machine)


LACKS = {
    NEHALEM.name: "the CPU lacks avx, without which TensorFlow does not start",
    QEMU64.name: "the CPU lacks avx, without which TensorFlow does not start",
    SANDY_BRIDGE.name: "the CPU lacks avx2",
}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    return lambda machine: read_python(folder, machine)


each_machine = pytest.mark.parametrize(
    "machine", [NEHALEM, QEMU64, SANDY_BRIDGE], ids=lambda machine: machine.name
)


def r50(python: Path, folder, *arguments):
    environment = os.environ | {"XDG_CACHE_HOME": str(folder), "COLUMNS": "200"}
    return subprocess.run(
        [python, "-m", "resnet50_bench", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@each_machine
def test_doctor_says_of_every_precision_what_the_cpu_lacks(make, machine, tmp_path):
    ended = r50(make(machine), tmp_path, "doctor", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    answers = json.loads(ended.stdout)["precisions"]
    assert [answer["runnable"] for answer in answers] == [False] * 6
    assert [answer["emulated_possible"] for answer in answers] == [False] * 6
    assert {answer["reason"] for answer in answers} == {LACKS[machine.name]}
    assert all("use a CPU with AVX2" in answer["fix"] for answer in answers)


@each_machine
@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--precision", "avx_int8", "--emulated"]])
def test_a_run_is_refused_before_anything_starts(make, machine, tmp_path, flags):
    ended = r50(make(machine), tmp_path, "run", *flags)
    assert (ended.returncode, ended.stdout) == (2, "")
    first, second = ended.stderr.splitlines()
    assert first.startswith("error: this host cannot run --precision avx_")
    assert first.endswith(f": {LACKS[machine.name]}; it can run none of the precisions")
    assert second.startswith("  -> use a CPU with AVX2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("machine", [NEHALEM, QEMU64], ids=lambda machine: machine.name)
@pytest.mark.parametrize("command", [["prepare"], ["verify", "model.pb"]])
def test_a_model_is_refused_before_tensorflow_is_loaded(make, machine, tmp_path, command):
    ended = r50(make(machine), tmp_path, "model", *command)
    assert (ended.returncode, ended.stdout) == (2, "")
    first, second = ended.stderr.splitlines()
    assert first == f"error: {LACKS[machine.name]}"
    assert second.startswith("  -> use a CPU with AVX2")
    assert list(tmp_path.iterdir()) == []


def test_the_null_engine_is_refused_before_numpy_is_loaded(make, tmp_path):
    ended = r50(make(QEMU64), tmp_path, "run", "--engine", "null", "--steps", "2")
    assert (ended.returncode, ended.stdout) == (2, "")
    first, _ = ended.stderr.splitlines()
    assert first == "error: the CPU lacks sse4_2, without which numpy does not start"


def test_the_snapshot_is_the_outer_machines_but_for_name_and_flags():
    outer = (
        "processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2596.1\nflags\t\t: fpu avx512f\n\n"
    )
    assert describe_cpu(outer * 2, NEHALEM) == 2 * (
        "processor\t: 0\nmodel name\t: Nehalem (QEMU)\ncpu MHz\t\t: 2596.1\n"
        f"flags\t\t: {NEHALEM.flags}\n\n"
    )
