"""Test cases by name, and several runs in one go, through the command line."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from resnet50_bench.cases.catalog import design_cases
from resnet50_bench.cases.platforms import detect_platform
from resnet50_bench.config import CaseType, Mode, Platform, Precision
from resnet50_bench.host.machine import read_host
from resnet50_bench.results.files import read_record
from resnet50_bench.results.kpi import run_kpis

from .conftest import COMMAND, QUICK, R50, instances

ONE = [*QUICK, *instances(1)]
NULL = ["--engine", "null", "--warmup-steps", "1"]
LARGE = {"numpy", "rich", "tensorflow", "cv2", "httpx", "yaml"}


def folders(r50: R50) -> list[Path]:
    return sorted(path for path in r50.output.iterdir() if path.is_dir())


def summary(r50: R50) -> list[dict]:
    (path,) = r50.output.glob("*-sweep.json")
    return json.loads(path.read_text())["points"]


class TestList:
    def test_the_ten_of_spr(self, r50):
        ended = r50("cases", "--platform", "spr")
        assert (ended.code, ended.stderr) == (0, "")
        listed = re.findall(r"^  Test +#(\d+): (\S+)$", ended.stdout, re.MULTILINE)
        names = [case.name for case in design_cases(Platform.SPR)]
        assert listed == [(str(number), name) for number, name in enumerate(names, 1)]
        assert "  Test  #1: test_" in ended.stdout
        assert "  Test #10: test_" in ended.stdout

    def test_a_ctest_file_that_cannot_be_written(self, r50):
        for place in (r50.root / "nowhere" / "x.cmake", r50.root / ("x" * 300)):
            ended = r50("cases", "--platform", "SPR", "--ctest", place)
            assert ended.code == 2
            assert ended.stderr.startswith(f"error: --ctest {place}: ")
        folder = r50("cases", "--platform", "SPR", "--ctest", r50.root)
        assert folder.code == 2
        assert "is a directory" in folder.stderr

    def test_genoa_says_what_it_takes(self, r50):
        ended = r50("cases", "--platform", "GENOA")
        first = ended.stdout.splitlines()[0]
        assert "default precision avx_bfloat16, of avx_fp32, avx_int8, avx_bfloat16" in first

    def test_this_machine_with_reasons(self, r50):
        platform = detect_platform(read_host())
        if platform is None:
            pytest.skip("no test case is designed for a CPU without AVX2")
        listed = json.loads(r50("cases", "--json", "--all").stdout)
        assert listed["platform"] == platform.value
        designed = design_cases(platform, all_precisions=True)
        assert [item["name"] for item in listed["cases"]] == [case.name for case in designed]
        assert [item["number"] for item in listed["cases"]] == list(range(1, len(designed) + 1))
        assert all(item["reason"] for item in listed["cases"])
        assert not any(item["runnable"] for item in listed["cases"] if item["sgx"])
        assert listed["cases"][3]["runnable"] or "lacks" in listed["cases"][3]["reason"]

    def test_an_unknown_platform(self, r50):
        ended = r50("cases", "--platform", "ROME")
        assert ended.code == 2
        assert ended.stderr.startswith("error: --platform ROME: the platforms are GNR, SPR, ")

    def test_it_imports_nothing_large(self, r50):
        ended = r50("cases", command=[sys.executable, "-X", "importtime", *COMMAND[1:]])
        lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
        assert "resnet50_bench" in imported
        assert imported & LARGE <= {"numpy"}  # engines.base names numpy's types


class TestRun:
    def test_gated_means_its_amounts(self, r50):
        ended = r50("run", "throughput_avx_fp32_gated", *NULL, "--output", r50.output)
        assert ended.code == 0, ended.stderr
        record = r50.record()
        assert record.config.case_type is CaseType.GATED
        assert record.config.precision is Precision.AVX_FP32
        assert (record.workload.steps, record.workload.batch_size) == (10, 1)
        first = record.host.sockets[0]
        assert record.placement.cores_per_instance == record.host.cores_per_socket(first)

    def test_a_full_name_with_and_without_test(self, r50):
        name = "resnet50v1_5_tensorflow_xeon_public_inference_latency_avx_int8"
        for text in (name, f"test_{name}"):
            ended = r50("run", text, *ONE, "--dry-run", "--json")
            config = json.loads(ended.stdout)["config"]
            assert (config["mode"], config["precision"]) == ("latency", "avx_int8")

    def test_pkm_marks_the_measured_region(self, r50):
        ended = r50("run", "throughput_avx_fp32_pkm", *ONE, "--output", r50.output)
        assert ended.code == 0, ended.stderr
        phrases = [line.strip() for line in ended.stderr.splitlines() if "measured region" in line]
        assert phrases == ["r50: measured region begins", "r50: measured region ends"]
        text = (r50.folder() / "region.log").read_text()
        found = re.fullmatch(
            r"r50: measured region begins at (\d+) ns\nr50: measured region ends at (\d+) ns\n",
            text,
        )
        (instance,) = r50.record().instances
        assert int(found[1]) <= instance.start_ns[0]
        assert int(found[2]) >= instance.end_ns[-1]

    def test_other_cases_mark_nothing(self, r50):
        ended = r50("run", "throughput_avx_fp32_gated", *ONE, "--output", r50.output)
        assert "measured region" not in ended.stderr
        assert not (r50.folder() / "region.log").exists()

    @pytest.mark.parametrize(
        ("case", "reason"),
        [
            ("sgx_throughput_amx_bfloat16_gated", "instances cannot run inside gramine (sgx) here"),
        ],
    )
    def test_what_this_version_cannot_run(self, r50, case, reason):
        ended = r50("run", case, *ONE, "--output", r50.output)
        assert ended.code == 2
        assert reason in ended.stderr
        skipped = r50("run", case, *ONE, "--skip-unrunnable", "--output", r50.output)
        assert skipped.code == 77
        assert skipped.stdout.startswith("SKIPPED: ")
        assert reason in skipped.stdout
        assert not r50.output.exists()

    def test_accuracy_is_skipped_until_it_gets_images_and_weights(self, r50, picture):
        case = ["run", "inference_accuracy_avx_fp32", "--output", r50.output]
        ended = r50(*case)
        assert ended.code == 2
        assert "give --dataset PATH" in ended.stderr
        skipped = r50(*case, "--skip-unrunnable", "--set", "STEPS=20")
        assert skipped.code == 77
        assert skipped.stdout.startswith("SKIPPED: ")
        assert "give --dataset PATH" in skipped.stdout
        wrong = r50(*case, "--skip-unrunnable", "--batch-size", "0")
        assert wrong.code == 2
        (labels := r50.root / "val_map.txt").write_text("0.jpg 5\n")
        more = ["--engine", "null", "--dataset", picture, "--labels", labels, "--steps", "20"]
        given = r50(*case, "--skip-unrunnable", *more)
        assert given.code == 0, given.stderr
        assert "--steps and --min-time have no meaning in accuracy mode" in given.stderr

    def test_latency_on_too_few_cores_is_skipped_and_runs_when_asked_to(self, r50, cores):
        if cores >= 4:
            pytest.skip("this host has four cores")
        case = ["run", "inference_latency_avx_fp32", *QUICK, "--skip-unrunnable"]
        ended = r50(*case, "--output", r50.output)
        assert ended.code == 77
        assert ended.stdout == (
            "SKIPPED: latency mode uses 4 cores per instance: this host has "
            f"{cores} usable physical core{'s' * (cores != 1)}\n"
        )
        asked = r50(*case, "--cores-per-instance", "1", "--output", r50.output)
        assert asked.code == 0
        assert r50.record().config.mode is Mode.LATENCY

    def test_a_wrong_request_is_not_skipped(self, r50):
        case = ["run", "inference_throughput_avx_fp32", *NULL, "--skip-unrunnable"]
        assert r50(*case, "--steps", "0").code == 2
        assert r50(*case, "--cores-per-instance", "100000").code == 2

    def test_an_unknown_case(self, r50):
        ended = r50("run", "inference_latency_avx_fp23")
        assert ended.code == 2
        assert ended.stderr.splitlines() == [
            "error: there is no test case 'inference_latency_avx_fp23'; did you mean "
            "inference_latency_avx_fp32?",
            "  -> `r50 cases --all` lists the names",
        ]

    def test_a_test_config(self, r50):
        path = r50.root / "test-config.yaml"
        path.write_text("*_gated:\n  STEPS: 7\n  SEED: 3\n*_pkm:\n  STEPS: 1\n")
        plan = ["run", "throughput_avx_fp32_gated", *NULL, *instances(1), "--config", path]
        ended = r50(*plan, "--set", "SEED=4", "--dry-run", "--json")
        config = json.loads(ended.stdout)["config"]
        assert (config["steps"], config["seed"], config["case_type"]) == (7, 4, "gated")
        alone = r50("run", *ONE, "--config", path, "--dry-run")
        assert (alone.code, "none is named" in alone.stderr) == (2, True)


class TestSweep:
    def test_one_folder_for_each_combination(self, r50):
        ended = r50(
            "run", *NULL, *instances(1), "--set", "BATCH_SIZE=1 2 4 ...8", "--set", "STEPS=20 30",
            "--output", r50.output,
        )  # fmt: skip
        assert ended.code == 0, ended.stderr
        assert ended.stdout.count("\nVALID\n") == 4
        rows = summary(r50)
        assert [row["set"] for row in rows] == [
            {"BATCH_SIZE": "1", "STEPS": "20"}, {"BATCH_SIZE": "2", "STEPS": "30"},
            {"BATCH_SIZE": "4", "STEPS": "20"}, {"BATCH_SIZE": "8", "STEPS": "30"},
        ]  # fmt: skip
        assert sorted(row["folder"] for row in rows) == [path.name for path in folders(r50)]
        for row in rows:
            record = read_record(r50.output / row["folder"])
            assert record.workload.batch_size == int(row["set"]["BATCH_SIZE"])
            assert record.workload.steps == int(row["set"]["STEPS"])
            assert row["kpi"] == f"{run_kpis(record).images_per_s:.2f} images/s"

    def test_failures_are_kept_and_the_worst_code_counts(self, r50):
        settings = ["--set", "ENGINE_OPTION=query_ms=1/BATCH_SIZE=1 2"]
        fails = ["--set", "ENGINE_OPTION=fault=exit"]
        ended = r50(
            "run", *NULL, "--steps", "20", *instances(1), *settings, *fails, "--continue",
            "--output", r50.output,
        )  # fmt: skip
        assert ended.code == 3
        assert [row["exit_code"] for row in summary(r50)] == [3, 3]
        assert [read_record(path).status for path in folders(r50)] == ["lost instances"] * 2

    def test_without_continue_it_stops(self, r50):
        ended = r50(
            "run", *NULL, "--steps", "20", *instances(1), "--engine-option", "fault=exit",
            "--loop", "3", "--output", r50.output,
        )  # fmt: skip
        assert ended.code == 3
        assert [row["exit_code"] for row in summary(r50)] == [3, None, None]
        assert len(folders(r50)) == 1

    def test_what_cannot_run_is_refused_before_anything_does(self, r50):
        wide = ["--set", "CORES_PER_INSTANCE=1 100000 200000"]
        common = ["run", *NULL, "--steps", "20", *wide, "--output", r50.output]
        ended = r50(*common)
        assert ended.code == 2
        starts = [line.partition(": ")[2][:26] for line in ended.stderr.splitlines()]
        assert starts == ["CORES_PER_INSTANCE=100000:", "CORES_PER_INSTANCE=200000:"]
        assert not r50.output.exists()
        assert r50(*common, "--continue").code == 2
        assert [row["exit_code"] for row in summary(r50)] == [0, 2, 2]
        assert len(folders(r50)) == 1

    def test_a_sweep_of_which_nothing_can_run_is_skipped_too(self, r50, cores):
        if cores >= 4:
            pytest.skip("this host has four cores")
        case = ["run", "inference_latency_avx_fp32", *NULL, "--set", "BATCH_SIZE=1 2"]
        for more in ([], ["--continue"]):
            ended = r50(*case, *more, "--skip-unrunnable", "--output", r50.output)
            assert (ended.code, ended.stdout[:40]) == (
                77,
                "SKIPPED: latency mode uses 4 cores per i",
            )
        assert not r50.output.exists()

    def test_every_problem_at_once(self, r50):
        ended = r50(
            "run", "--set", "STEPS=1 x", "--set", "FOO=1", "--set", "PRECISION=avx_fp32",
            "--weight-sharing", "--num-mpi", "2", "--mode", "accuracy", "--data-type", "dummy",
            "--function", "training", "--output", r50.output,
        )  # fmt: skip
        assert ended.code == 2
        for start in (
            "error: --set STEPS: 'x' must be a whole number",
            "error: --set FOO: there is no parameter FOO",
            "error: --weight-sharing True: avx_fp32 does not support it",
            "error: --num-mpi 2: without MPI there is nothing to multiply",
            "error: --mode accuracy: generated images have no right answer",
            "error: --function: 'training' must be inference",
        ):
            assert any(line.startswith(start) for line in ended.stderr.splitlines()), start
        assert not r50.output.exists()

    def test_what_this_host_cannot_do_is_told_with_the_rest(self, r50, cores):
        many = str(cores + 1)
        more = ["--cores-per-instance", many, "--precision", "avx_fp32", "--weight-sharing"]
        ended = r50("run", *more, "--function", "training", "--output", r50.output)
        assert ended.code == 2
        lines = ended.stderr.splitlines()
        for start in (
            "error: --function: 'training' must be inference",
            "error: --weight-sharing True: avx_fp32 does not support it",
            f"error: --cores-per-instance {many} does not fit",
        ):
            assert any(line.startswith(start) for line in lines), start
        assert not r50.output.exists()

    def test_a_dry_run_prints_every_plan(self, r50):
        ended = r50("run", *ONE, "--set", "SEED=1 2", "--dry-run")
        assert ended.code == 0
        assert re.findall(r"^run .*", ended.stdout, re.MULTILINE) == [
            "run 1 of 2: SEED=1", "run 2 of 2: SEED=2",
        ]  # fmt: skip
        points = json.loads(r50("run", *ONE, "--set", "SEED=1 2", "--dry-run", "--json").stdout)
        assert [item["config"]["seed"] for item in points["points"]] == [1, 2]

    def test_json_is_the_summary(self, r50):
        ended = r50("run", *ONE, "--set", "SEED=1 2", "--json", "--output", r50.output)
        assert json.loads(ended.stdout)["points"] == summary(r50)

    def test_ctrl_c_ends_the_sweep(self, r50):
        process = r50.start(
            "run", *NULL, "--min-time", "300", *instances(1), "--set", "SEED=1 2", "--continue",
            "--output", r50.output,
        )  # fmt: skip
        r50.wait_for_stderr(process, "[4/4]")
        process.send_signal(signal.SIGINT)
        assert r50.end(process).code == 130
        assert len(folders(r50)) == 1
        assert read_record(folders(r50)[0]).status == "interrupted"


def test_customer_env_reaches_the_instances_unevaluated(r50):
    process = r50.start(
        "run", *NULL, "--min-time", "300", *instances(1), "--output", r50.output,
        "--set", "CUSTOMER_ENV=A=1 B='$(id) $HOME' C=x/y",
    )  # fmt: skip
    r50.wait_for_stderr(process, "[4/4]")
    environ = Path(f"/proc/{r50.find_worker(0)}/environ").read_bytes().split(b"\0")
    process.send_signal(signal.SIGINT)
    r50.end(process)
    assert {b"A=1", b"B=$(id) $HOME", b"C=x/y"} <= set(environ)


def test_the_kpi_header_has_the_seeds_parameters(r50):
    named = {
        "FUNCTION": "inference", "MODE": "throughput", "CASE_TYPE": "gated",
        "PRECISION": "avx_fp32", "DATA_TYPE": "dummy", "BATCH_SIZE": "1",
        "CORES_PER_INSTANCE": "1", "STEPS": "20", "WEIGHT_SHARING": "False", "VERBOSE": "False",
        "ONEDNN_VERBOSE": "False", "MPI": "False", "NUM_MPI": "1", "CUSTOMER_ENV": "A=1 B=2",
        "INSTANCE_MODE": "flex", "PLATFORM": "SPR", "TOPOLOGY": "resnet50v1_5",
        "WORKLOAD": "resnet50v1_5_tensorflow_xeon_public",
    }  # fmt: skip
    ended = r50("run", "--from-env", *NULL, *instances(1), "--output", r50.output, env=named)
    assert ended.code == 0, ended.stderr
    header = dict(re.findall(r"^## (\w+): (.*)$", r50("kpi", r50.folder()).stdout, re.MULTILINE))
    assert {name: header.get(name) for name in named} == named


def test_as_a_module_it_imports_nothing_from_the_working_directory(r50):
    for name in ("socket.py", "numpy.py", "click.py", "pathlib.py"):
        (r50.cwd / name).write_text("raise RuntimeError('taken from the working directory')\n")
    ended = r50("cases", "--platform", "SPR", command=[sys.executable, "-m", "resnet50_bench"])
    assert ended.code == 0, ended.stderr
    assert "10 test cases" in ended.stdout
