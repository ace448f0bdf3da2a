"""Runs that keep the idle CPUs of this machine awake, or were to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from resnet50_bench.errors import RequestError
from resnet50_bench.host.cpu_latency import HIGHEST_US, check_limit

from .conftest import MEASURE, instances

READ_DEVICE = (
    "import pathlib, sys; from resnet50_bench.host.cpu_latency import CpuLatencyLimit, HIGHEST_US; "
    "print(CpuLatencyLimit(HIGHEST_US).read_us())"
)


@pytest.fixture
def device():
    try:
        check_limit(HIGHEST_US)
    except RequestError as error:
        pytest.skip(error.message)


@pytest.mark.usefixtures("device")
def test_the_limit_holds_while_the_instances_run_and_is_on_record(r50, picture):
    arguments = [*MEASURE, *instances(2), "--dataset", picture, "--cpu-latency-limit", "3"]
    ended = r50("run", *arguments, "--output", r50.output)
    assert ended.code == 0, ended.stdout + ended.stderr
    record = r50.record()
    assert record.config.cpu_latency_limit_us == 3
    assert [0 <= item.cpu_latency_limit_us <= 3 for item in record.instances] == [True, True]
    assert "idle CPUs of the machine held to 3 us" in ended.stdout
    assert "CPU_LATENCY_LIMIT: 3" in r50.log().splitlines()


@pytest.mark.usefixtures("device")
def test_the_plan_tells_of_the_limit(r50):
    ended = r50("run", *MEASURE, "--cpu-latency-limit", "7", "--dry-run")
    assert ended.code == 0, ended.stderr
    assert "idle CPUs of the machine will be held to 7 us" in ended.stdout
    assert "held to" not in r50("run", *MEASURE, "--dry-run").stdout


@pytest.mark.usefixtures("device")
def test_nothing_is_left_of_it_after_the_run(r50, picture):
    before = subprocess.run([sys.executable, "-c", READ_DEVICE], capture_output=True, check=True)
    arguments = [*MEASURE, *instances(1), "--dataset", picture, "--cpu-latency-limit", "1"]
    assert r50("run", *arguments, "--output", r50.output).code == 0
    after = subprocess.run([sys.executable, "-c", READ_DEVICE], capture_output=True, check=True)
    assert after.stdout == before.stdout != b"1\n"


def test_a_device_that_cannot_be_opened_ends_it_before_anything_is_measured(r50, tmp_path):
    missing = tmp_path / "no_device"
    code = (
        "import pathlib\n"
        "import resnet50_bench.planning.plan as plan\n"
        "check = plan.check_limit\n"
        f"plan.check_limit = lambda limit: check(limit, pathlib.Path({str(missing)!r}))\n"
        "from resnet50_bench.cli import main\n"
        "main()"
    )
    arguments = [*MEASURE, "--cpu-latency-limit", "0", "--output", r50.output]
    ended = r50("run", *arguments, command=[sys.executable, "-c", code])
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(
        f"error: --cpu-latency-limit 0: {missing}: No such file or directory\n  -> "
    )
    assert not r50.output.exists()
