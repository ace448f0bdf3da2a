"""CMake and CTest, the real ones, on the test cases of this checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from resnet50_bench.cases.catalog import design_cases
from resnet50_bench.cases.platforms import detect_platform
from resnet50_bench.config import Platform
from resnet50_bench.host.machine import read_host
from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.results.files import read_record

from .conftest import GIVE_UP_SECONDS, R50, wait_until

ROOT = Path(__file__).parents[2]
WORKLOAD = "workload/ResNet50-TensorFlow-Xeon-Public"
PLATFORM = detect_platform(read_host())
QUICK = ["--set", "ENGINE=null/STEPS=20/WARMUP_STEPS=1/CORES_PER_INSTANCE=1/INSTANCES=1"]


def find_program(name: str) -> str | None:
    """On the PATH, else where the PyPI wheel of CMake puts it."""
    beside = Path(sys.executable).with_name(name)
    return shutil.which(name) or (str(beside) if beside.exists() else None)


CMAKE, CTEST = find_program("cmake"), find_program("ctest")

pytestmark = [
    pytest.mark.skipif(
        CMAKE is None or CTEST is None or shutil.which("make") is None,
        reason="cmake, ctest and make are needed: apt install cmake make, or pip install cmake",
    ),
    pytest.mark.skipif(PLATFORM is None, reason="no test case is designed for this CPU"),
]


def configure(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`mkdir build && cd build && cmake ..`, the build folder being elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [CMAKE, *options, ROOT], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"R50_PYTHON": sys.executable}, timeout=GIVE_UP_SECONDS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The workload's folder in a build folder; its logs are of the test that made them."""
    folder = tmp_path_factory.mktemp("build")
    done = configure(folder)
    assert done.returncode == 0, done.stderr
    return folder / WORKLOAD


@pytest.fixture(autouse=True)
def fresh_logs(built):
    yield
    for path in [*built.glob("logs-*"), *built.glob("nohup.*"), *built.glob("*.xml")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def ctest_sh(r50: R50, built: Path):
    def call(*arguments: object, **options):
        return r50(*arguments, command=["./ctest.sh"], cwd=built, **options)

    return call


def names(platform: Platform, *, all_precisions: bool = False) -> list[str]:
    return [case.name for case in design_cases(platform, all_precisions=all_precisions)]


def listed(text: str) -> list[tuple[int, str]]:
    found = re.findall(r"^  Test +#(\d+): (\S+)$", text, re.MULTILINE)
    return [(int(number), name) for number, name in found]


def runs(built: Path) -> list[Path]:
    return sorted(path.parent for path in built.glob("logs-*/*/record.json"))


class TestConfigure:
    def test_the_ten_of_spr_are_numbered_as_in_the_workloads_readme(self, r50, tmp_path):
        folder = tmp_path / "spr"
        assert configure(folder, "-DPLATFORM=SPR").returncode == 0
        ended = r50("-N", command=["./ctest.sh"], cwd=folder / WORKLOAD)
        assert ended.code == 0, ended.stderr
        assert listed(ended.stdout) == list(enumerate(names(Platform.SPR), 1))
        assert "  Test  #1: test_" in ended.stdout
        assert "  Test #10: test_" in ended.stdout
        assert ended.stdout.endswith("\nTotal Tests: 10\n")

    def test_every_precision(self, r50, tmp_path):
        folder = tmp_path / "all"
        assert configure(folder, "-DPLATFORM=ICX", "-DR50_ALL_PRECISIONS=ON").returncode == 0
        ended = r50("-N", command=[CTEST], cwd=folder)
        expected = names(Platform.ICX, all_precisions=True)
        assert [name for _, name in listed(ended.stdout)] == expected

    def test_an_unknown_platform(self, tmp_path):
        done = configure(tmp_path / "rome", "-DPLATFORM=ROME")
        assert done.returncode != 0
        assert "--platform ROME: the platforms are" in " ".join(done.stderr.split())

    def test_a_python_without_this_package(self, tmp_path):
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\necho no module named resnet50_bench >&2\nexit 1\n")
        python.chmod(0o755)
        done = configure(tmp_path / "none", f"-DR50_PYTHON={python}")
        assert done.returncode != 0
        assert "has no resnet50-bench. Run `make setup` in" in " ".join(done.stderr.split())


class TestCtest:
    def test_list_select_and_exclude(self, ctest_sh, r50, built):
        everything = list(enumerate(names(PLATFORM), 1))
        assert listed(ctest_sh("-N").stdout) == everything
        assert listed(r50("-N", command=[CTEST], cwd=built).stdout) == everything
        throughput = [item for item in everything if "throughput" in item[1]]
        assert listed(ctest_sh("-N", "-R", "throughput").stdout) == throughput
        plain = [item for item in throughput if not item[1].endswith(("_gated", "_pkm"))]
        assert listed(ctest_sh("-R", "throughput", "-E", "gated|pkm", "-N").stdout) == plain
        gated = [item for item in everything if item[1].endswith("_gated")]
        assert listed(r50("-N", "-L", "gated", command=[CTEST], cwd=built).stdout) == gated

    def test_the_properties_of_a_test(self, r50, built):
        ended = r50("--show-only=json-v1", command=[CTEST], cwd=built)
        for item in json.loads(ended.stdout)["tests"]:
            properties = {entry["name"]: entry["value"] for entry in item["properties"]}
            mode = item["name"].partition("inference_")[2].partition("_")[0]
            assert mode in properties["LABELS"]
            assert properties["TIMEOUT"] == 7200.0
            assert properties["RUN_SERIAL"] is True
            assert properties["SKIP_RETURN_CODE"] == 77

    def test_a_case_runs_and_others_are_skipped_with_the_reason(self, r50, built):
        options = "--engine null --steps 20 --warmup-steps 1"
        ended = r50(
            "-R", "gated|accuracy", "-E", "sgx", "--output-junit", "junit.xml", command=[CTEST],
            cwd=built, env={"R50_CTEST_OPTIONS": options},
        )  # fmt: skip
        assert ended.code == 0, ended.stdout
        suite = ET.parse(built / "junit.xml").getroot()
        states = {item.get("name").rpartition("_")[2]: item for item in suite.iter("testcase")}
        assert states.pop("gated").get("status") == "run"
        (skipped,) = states.values()
        assert skipped.get("status") == "notrun"
        assert "give --dataset PATH" in skipped.findtext("system-out")
        (run,) = runs(built)
        assert run.parent.name.startswith("logs-resnet50v1_5_tensorflow_xeon_public_inference_")
        assert read_record(run).workload.steps == 20

    def test_a_failure_is_a_failure(self, ctest_sh):
        fault = ["--set", "ENGINE_OPTION=fault=exit"]
        ended = ctest_sh("-R", "inference_throughput.*_gated", "-E", "sgx", *QUICK, *fault, "-V")
        assert ended.code == 8
        assert "0% tests passed, 1 tests failed out of 1" in ended.stdout
        assert "instance 0 was lost while loading: exit code: 5" in ended.stdout


class TestExtensions:
    SELECT = ("-R", "inference_throughput.*_gated$", "-E", "sgx")

    def test_set_loop_and_run(self, ctest_sh, built):
        ended = ctest_sh(*self.SELECT, *QUICK, "--set", "SEED=1 2 3 ...9 |2", "--run", "2", "-V")
        assert ended.code == 0, ended.stdout
        assert [read_record(path).config.seed for path in runs(built)] == [2, 2, 4, 4, 6, 6, 8, 8]
        assert "Test timeout computed to be: 57600" in ended.stdout

    def test_loop_starts_the_values_again(self, ctest_sh, built):
        ended = ctest_sh(*self.SELECT, *QUICK, "--set", "SEED=1 2", "--loop", "3")
        assert ended.code == 0, ended.stdout
        assert [read_record(path).config.seed for path in runs(built)] == [1, 2, 1]

    def test_customer_env_with_spaces(self, ctest_sh, built):
        ctest_sh(*self.SELECT, *QUICK, "--set", "CUSTOMER_ENV=A=1 B='two words; $(id)'")
        (run,) = runs(built)
        assert read_record(run).config.customer_env == {"A": "1", "B": "two words; $(id)"}

    def test_testcase_and_config(self, ctest_sh, r50, built):
        path = r50.root / "test-config.yaml"
        path.write_text("*_gated:\n    STEPS: 11\n    SEED: 5\n")
        (name,) = [item for item in names(PLATFORM) if re.search("_gated", item)][:1]
        single = QUICK[1].replace("STEPS=20/", "", 1)
        ended = ctest_sh("--testcase", name, "--config", path, "--set", single)
        assert ended.code == 0, ended.stdout
        assert "out of 1\n" in ended.stdout
        (run,) = runs(built)
        config = read_record(run).config
        assert (config.steps, config.seed) == (11, 5)

    def test_an_unknown_testcase(self, ctest_sh):
        ended = ctest_sh("--testcase", "inference_throughput_avx_fp23")
        assert ended.code == 2
        assert "did you mean inference_throughput_avx_fp32?" in ended.stderr

    def test_wrong_sets_are_refused_before_ctest_starts(self, ctest_sh):
        ended = ctest_sh("-V", "--set", "STEPS=1 2 ...9", "--set", "SEED")
        assert (ended.code, ended.stdout) == (2, "")
        assert ended.stderr.splitlines() == [
            "error: --set STEPS=1 2 ...9: `...` needs three numbers before it",
            "error: --set SEED: give NAME=VALUE, e.g. BATCH_SIZE=32",
        ]
        unknown = ctest_sh("-V", "--set", "STEP=1", "--set", "SEED=x")
        assert unknown.code == 2
        assert len(unknown.stderr.splitlines()) == 2

    def test_dry_run_shows_the_plan_and_runs_nothing(self, ctest_sh, built):
        ended = ctest_sh(*self.SELECT, *QUICK, "--dry-run")
        assert ended.code == 0
        assert "Each instance" in ended.stdout
        assert runs(built) == []

    def test_describe_params(self, ctest_sh):
        ended = ctest_sh("--describe-params")
        assert ended.code == 0
        for parameter in PARAMETERS:
            assert f"{parameter.name}: {parameter.help}\n" in ended.stdout

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--burst", "2"], ["--prepare-sut"], ["--reuse-sut", "-V"], ["--cleanup-sut"],
            ["--options", "--docker"], ["--options=--docker -v"], ["--burst=2"],
            ["--push-docker-image", "x"], ["--check-docker-image"],
            ["--attach", "x"], ["--noenv"],
        ],
    )  # fmt: skip
    def test_options_without_meaning_here_say_so(self, ctest_sh, arguments):
        ended = ctest_sh(*arguments)
        assert (ended.code, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"error: {arguments[0].partition('=')[0]} ")
        assert len(ended.stderr.split()) > 8

    def test_testset(self, ctest_sh, r50, built):
        path = r50.root / "testset.yaml"
        (gated,) = [item for item in names(PLATFORM) if item.endswith("_gated")][:1]
        path.write_text(
            f"PLATFORM: SPR\nBENCHMARK: ResNet50-TensorFlow-Xeon-Public\ntestcase: {gated}\n"
            "loop: 2\nSEED: 1 2\n---\ntestcase: [/gated/, '!/sgx/']\nSEED: 3\n"
        )
        ended = ctest_sh("--testset", path, *QUICK)
        assert ended.code == 0, ended.stdout + ended.stderr
        configs = [read_record(run).config for run in runs(built)]
        assert [config.seed for config in configs] == [1, 2, 3]
        assert [config.platform for config in configs] == [Platform.SPR, Platform.SPR, None]

    def test_a_testset_for_a_cloud_is_refused_in_full(self, ctest_sh, r50):
        path = r50.root / "testset.yaml"
        path.write_text("BENCHMARK: dummy\nTERRAFORM_OPTIONS: --docker\nloop: 0\n")
        ended = ctest_sh("--testset", path)
        assert ended.code == 2
        tails = [line.partition("document 1, ")[2] for line in ended.stderr.splitlines()]
        assert [tail.partition(":")[0] for tail in tails] == [
            "TERRAFORM_OPTIONS", "BENCHMARK", "loop", "testcase",
        ]  # fmt: skip

    def test_nohup_and_stop(self, ctest_sh, built, r50):
        nothing = ctest_sh("--stop")
        assert nothing.code == 2
        assert nothing.stderr.startswith("error: nothing was started with --nohup")
        started = ctest_sh(*self.SELECT, "--set", "ENGINE=null", "--set", "MIN_TIME=300", "-V",
                           "--nohup")  # fmt: skip
        assert started.code == 0, started.stderr
        output = built / "nohup.out"
        wait_until(lambda: "[4/4]" in output.read_text(), "[4/4]")
        again = ctest_sh("--nohup")
        assert again.code == 2
        assert "running in the background already" in again.stderr
        assert ctest_sh("--stop").code == 0
        wait_until(lambda: r50.live() == {}, "its end")
        (run,) = runs(built)
        assert read_record(run).status == "interrupted"

    def test_outside_a_build_folder(self, r50):
        ended = r50("ctest", "-N")
        assert ended.code == 2
        assert "there is no CTestTestfile.cmake in" in ended.stderr


def test_kpi_of_a_test_case(ctest_sh, built, r50):
    ctest_sh(*TestExtensions.SELECT, *QUICK)
    ended = r50(command=["./kpi.sh"], cwd=built)
    assert ended.code == 0, ended.stderr
    assert "## CASE_TYPE: gated" in ended.stdout
    assert "\n*Throughput (images/s): " in ended.stdout
