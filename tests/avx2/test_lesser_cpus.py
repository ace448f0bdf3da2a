"""r50 on CPUs that have no AVX: it says what is missing and what helps, and never crashes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from .machine import NEHALEM, QEMU64, describe_cpu, find_obstacle, make_python

ASKED_VARIABLE = "R50_TEST_AVX2"


def read_python(folder, machine):
    if not os.environ.get(ASKED_VARIABLE):
        pytest.skip("takes minutes: `make test-avx2` runs it")
    obstacle = find_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    return make_python(folder, machine)


@pytest.fixture(scope="module", params=[NEHALEM, QEMU64], ids=lambda machine: machine.name)
def python(request, tmp_path_factory) -> Path:
    return read_python(tmp_path_factory.mktemp("machine"), request.param)


def r50(python, folder, *arguments):
    environment = os.environ | {"XDG_CACHE_HOME": str(folder), "COLUMNS": "200"}
    return subprocess.run(
        [python, "-m", "resnet50_bench", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_doctor_says_of_every_precision_what_the_cpu_lacks(python, tmp_path):
    ended = r50(python, tmp_path, "doctor", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    answers = json.loads(ended.stdout)["precisions"]
    assert [answer["runnable"] for answer in answers] == [False] * 6
    assert [answer["emulated_possible"] for answer in answers] == [False] * 6
    assert all("avx2" in answer["reason"] or "amx" in answer["reason"] for answer in answers)
    assert all("use a CPU with AVX2" in answer["fix"] for answer in answers)


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--precision", "avx_int8", "--emulated"]])
def test_a_run_is_refused_before_anything_starts(python, tmp_path, flags):
    ended = r50(python, tmp_path, "run", *flags)
    assert (ended.returncode, ended.stdout) == (2, "")
    first, second = ended.stderr.splitlines()
    assert first.startswith("error: this host cannot run --precision avx_")
    assert first.endswith("lacks avx2; it can run none of the precisions") or "--emulated" in flags
    assert second.startswith("  -> use a CPU with AVX2")
    assert list(tmp_path.iterdir()) == []


def test_preparing_a_model_names_the_cpu(python, tmp_path):
    ended = r50(python, tmp_path, "model", "prepare")
    assert ended.returncode == 3
    assert "error: preparing a model needs TensorFlow, which cannot run on this CPU" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_snapshot_is_the_outer_machines_but_for_name_and_flags():
    outer = (
        "processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2596.1\nflags\t\t: fpu avx512f\n\n"
    )
    assert describe_cpu(outer * 2, NEHALEM) == 2 * (
        "processor\t: 0\nmodel name\t: Nehalem (QEMU)\ncpu MHz\t\t: 2596.1\n"
        f"flags\t\t: {NEHALEM.flags}\n\n"
    )
