"""CTest's test cases in the image: the same folder of logs as a native run's."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resnet50_bench.contention.cpu_lock import PLACE_VARIABLE
from resnet50_bench.packaging.engine import ENGINE_VARIABLE, IMAGE_VARIABLE, OPTIONS_VARIABLE
from resnet50_bench.results.files import read_record

from .conftest import IMAGE
from .engine import PROJECT

pytestmark = pytest.mark.containers

CASE = "resnet50v1_5_tensorflow_xeon_public_inference_throughput_avx_fp32_gated"


@pytest.fixture
def environment(whole, tmp_path) -> dict[str, str]:
    return os.environ | {
        PLACE_VARIABLE: str(tmp_path),  # whatever else runs on this machine
        ENGINE_VARIABLE: shlex.join(whole.podman_command()),
        OPTIONS_VARIABLE: shlex.join(whole.run_options()),
        IMAGE_VARIABLE: IMAGE,
    }


def configure(folder: Path, *options: str) -> Path:
    if shutil.which("cmake") is None or shutil.which("make") is None:
        pytest.skip("cmake or make is not installed")
    subprocess.run(
        ["cmake", "-S", PROJECT, "-B", folder, "-DPLATFORM=AVX2", f"-DR50_PYTHON={sys.executable}",
         *options], check=True, capture_output=True,
    )  # fmt: skip
    return folder / "workload/ResNet50-TensorFlow-Xeon-Public"


@pytest.mark.parametrize(("configured", "given"), [(["-DBACKEND=docker"], []), ([], ["--docker"])])
def test_a_case_leaves_the_files_of_a_native_run(tmp_path, environment, configured, given):
    words = ["-R", f"{CASE}$", "--set", "ENGINE=null", "--set", "CORES_PER_INSTANCE=1"]
    native = configure(tmp_path / "native")
    subprocess.run([native / "ctest.sh", *words], check=True, capture_output=True, env=environment)
    docker = configure(tmp_path / "docker", *configured)
    subprocess.run(
        [docker / "ctest.sh", *words, *given], check=True, capture_output=True, env=environment
    )
    (here,), (inside,) = (list((folder / f"logs-{CASE}").iterdir()) for folder in (native, docker))
    assert {path.name for path in inside.iterdir()} == {
        *(path.name for path in here.iterdir()), "status", "output.log",
    }  # fmt: skip
    first, second = read_record(here), read_record(inside)
    assert first.config == second.config
    assert second.status == "completed"
    assert second.command[1] == "run"
    assert second.host.hostname != ""


def test_what_is_wrong_is_said_before_a_container_starts(whole, tmp_path, environment):
    folder = configure(tmp_path / "build", "-DBACKEND=docker")
    before = whole.podman("ps", "--all", "--quiet")
    done = subprocess.run(
        [folder / "ctest.sh", "-R", f"{CASE}$", "--set", "STEPS=ten", "-V"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode != 0
    assert "'ten' must be a whole number" in done.stdout + done.stderr
    assert whole.podman("ps", "--all", "--quiet") == before


def test_another_backend_is_refused_when_it_is_configured(tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    done = subprocess.run(
        ["cmake", "-S", PROJECT, "-B", tmp_path, "-DBACKEND=cloud", f"-DR50_PYTHON={sys.executable}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "BACKEND=cloud: native or docker" in done.stderr
