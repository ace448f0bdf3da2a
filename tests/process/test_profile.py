"""`r50 profile`, and the log it reads."""

from __future__ import annotations

import json

from tests.records import make_record
from tests.traces import write_query

from resnet50_bench.instance.job import MEASURE_BEGIN, MEASURE_END, TRACE_BEGIN
from resnet50_bench.results.files import write_record

from .conftest import MEASURE, instances

CONVOLUTION = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core,forward_training,"
    "src:f32::blocked:acdb::f0 wei:f32:a:blocked:Acdb64a::f0 dst:f32::blocked:acdb::f0,,"
    "alg:convolution_direct,mb2_ic64oc64,1.5\n"
)


def make_run(r50, **logs: str):
    folder = r50.root / "run"
    folder.mkdir()
    write_record(folder, make_record())
    for name, text in logs.items():
        (folder / f"{name}.log").write_text(text)
    return folder


def test_the_log_of_the_kernels_has_marks_and_nothing_else_goes_there(r50, picture):
    """The null engine prints nothing of its own."""
    arguments = [*MEASURE, *instances(1), "--dataset", picture, "--onednn-verbose"]
    ended = r50("run", *arguments, "--output", r50.output)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "oneDNN writes a line per primitive while it measures" in ended.stderr
    assert r50.record().launch.environment["ONEDNN_VERBOSE"] == "1"
    log = (r50.folder() / "onednn_000.log").read_text()
    assert log == f"{MEASURE_BEGIN}\n{MEASURE_END}\n"
    assert (r50.folder() / "instance_000.log").read_text() == ""
    profile = r50("profile", r50.folder())
    assert (profile.code, profile.stdout) == (2, "")
    assert profile.stderr == (
        "error: the null engine writes no trace of oneDNN's, so there is nothing to profile\n"
        "  -> give a run of --engine tensorflow\n"
    )


def test_what_is_printed_on_stderr_goes_to_the_instances_log(r50, picture):
    arguments = [*MEASURE, *instances(1), "--dataset", picture, "--onednn-verbose"]
    arguments += ["--engine-option", "query_ms=5 fault=raise fault_query=8"]
    ended = r50("run", *arguments, "--output", r50.output)
    assert ended.code == 3
    assert (r50.folder() / "onednn_000.log").read_text() == f"{MEASURE_BEGIN}\n"
    log = (r50.folder() / "instance_000.log").read_text()
    assert log.startswith("Traceback")
    assert r50.record().instances[0].log_tail == log


def test_without_it_there_is_no_such_log(finished):
    runner, _ = finished
    assert list(runner.folder().glob("onednn_*")) == []


def test_a_trace_as_text_and_as_json(r50):
    folder = make_run(r50, trace_000=f"{CONVOLUTION}{TRACE_BEGIN}\n{CONVOLUTION * 2}")
    ended = r50("profile", folder)
    assert (ended.code, ended.stderr) == (0, "")
    assert "convolution  f32    avx512_core      2  3.0  100.0%" in ended.stdout.splitlines()
    assert "mb2_ic64oc64" in ended.stdout
    assert "costliest" not in r50("profile", folder, "--top", "0").stdout
    assert "cannot be told apart: mb2_ic64oc64 is no convolution" in ended.stdout
    by_file = r50("profile", folder / "record.json", "--json", "--instance", "0")
    summary = json.loads(by_file.stdout)
    assert (summary["part"], summary["total_ms"]) == ("traced", 3.0)


def test_measured_queries_and_all(r50):
    log = f"{CONVOLUTION * 3}{MEASURE_BEGIN}\n{CONVOLUTION}{MEASURE_END}\n{CONVOLUTION}"
    folder = make_run(r50, onednn_001=log)
    measured, everything = (
        json.loads(r50("profile", folder, "--json", *extra).stdout) for extra in ([], ["--all"])
    )
    assert (measured["kernels"][0]["calls"], everything["kernels"][0]["calls"]) == (1, 5)
    assert measured["instances"] == [1]


def test_what_cannot_be_profiled(r50):
    ended = r50("profile", r50.root / "nothing")
    assert ended.code == 2
    assert f"error: no run at {r50.root / 'nothing'}" in ended.stderr
    folder = make_run(r50)
    ended = r50("profile", folder)
    assert ended.code == 2
    assert ended.stderr == (
        f"error: no oneDNN trace in {folder}\n  -> run it again with --onednn-verbose\n"
    )
    assert "--instance 7: the run's are 0-1" in r50("profile", folder, "--instance", "7").stderr


def test_the_convolutions_one_by_one(r50):
    query = "".join(f"{line}\n" for line in write_query())
    log = f"{query}{MEASURE_BEGIN}\n{query * 2}{MEASURE_END}\n"
    folder = make_run(r50, onednn_000=log)
    ended = r50("profile", folder)
    assert (ended.code, ended.stderr) == (0, "")
    assert "53 convolutions took 1431.0 ms of a query, on 2 cores" in ended.stdout.splitlines()
    table = r50("profile", folder, "--layers", "csv").stdout.splitlines()
    assert [line.partition(",")[0] for line in table] == [
        "layer", "conv2d", *(f"conv2d_{number}" for number in range(1, 53)),
    ]  # fmt: skip
    alone = json.loads(r50("profile", folder, "--layers", "json").stdout)
    assert alone["query_ms"] == 1431.0
    assert json.loads(r50("profile", folder, "--json").stdout)["layers"] == alone
    refused = r50("profile", folder, "--layers", "xml")
    assert (refused.code, "'xml' is not one of" in refused.stderr) == (2, True)
