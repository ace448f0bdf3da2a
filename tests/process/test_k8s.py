"""`r50 k8s`, as its user calls it."""

from __future__ import annotations

import yaml


def test_the_manifest_goes_to_standard_output(r50):
    ended = r50("k8s", "throughput_amx_int8_gated", "--cpus", "112", "--set", "SEED=7")
    assert (ended.code, ended.stderr) == (0, "")
    found = yaml.safe_load(ended.stdout)
    assert found["metadata"]["name"] == "r50-throughput-amx-int8-gated"
    (container,) = found["spec"]["template"]["spec"]["containers"]
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert {
        "MODE": "throughput",
        "PRECISION": "amx_int8",
        "CASE_TYPE": "gated",
        "SEED": "7",
    }.items() <= (values.items())


def test_everything_wrong_is_said_at_once(r50):
    ended = r50(
        "k8s", "throughput_avx_fp32", "--cpus", "3.5", "--set", "BATCHSIZE=1", "--memory", "x"
    )
    assert ended.code == 2
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 3
    assert "there is no parameter BATCHSIZE; did you mean BATCH_SIZE?" in ended.stderr


def test_an_unknown_case_is_refused_with_the_nearest(r50):
    ended = r50("k8s", "troughput_avx_fp32", "--cpus", "4")
    assert ended.code == 2
    assert "did you mean inference_throughput_avx_fp32?" in ended.stderr


def test_a_job_makes_one_run(r50):
    ended = r50("k8s", "throughput_avx_fp32", "--cpus", "4", "--set", "SEED=1 2")
    assert ended.code == 2
    assert "a job makes one run: give each parameter one value" in ended.stderr


def test_a_chart_is_written_again_and_nothing_else_is_written_over(r50, tmp_path):
    chart = tmp_path / "chart"
    for cpus in ("4", "8"):
        assert r50("k8s", "throughput_avx_fp32", "--cpus", cpus, "--chart", chart).code == 0
    assert yaml.safe_load((chart / "values.yaml").read_text())["cpus"] == 8
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.txt").touch()
    ended = r50("k8s", "throughput_avx_fp32", "--cpus", "4", "--chart", tmp_path / "other")
    assert ended.code == 2
    assert "holds something else" in ended.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["mine.txt"]


def test_an_mpi_job_may_have_processes_per_socket(r50):
    ended = r50("k8s", "throughput_avx_fp32", "--cpus", "4", "--nodes", "2", "--kind", "mpi",
                "--set", "NUM_MPI=2")  # fmt: skip
    assert ended.code == 0, ended.stderr
    assert yaml.safe_load(ended.stdout)["kind"] == "MPIJob"
