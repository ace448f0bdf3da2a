"""`r50 run` with several engines, through the command line."""

from __future__ import annotations

import json
import signal

from resnet50_bench.results.files import find_runs, read_record

from .conftest import R50

QUICK = ["--steps", "50", "--warmup-steps", "1"]
ALONE = ["run", "--engine", "null,"]
"""A list of one, which any machine can run."""

WITH_LACKING = ["run", "--engine", "null,zentf", "--precision", "avx_int8"]
"""One that any machine can run, and one that none can."""


def test_engines_are_measured_in_rounds_and_put_into_one_table(r50: R50) -> None:
    ended = r50(*WITH_LACKING, "--skip-unrunnable", *QUICK, "--repeat", "2", "--json",
                "--output", r50.output)  # fmt: skip
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    row, lacking = found["engines"]
    assert (lacking["engine"], lacking["rounds"], lacking["runs"]) == ("zentf", 0, [])
    assert lacking["reason"].startswith("the zentf engine has no avx_int8; it has avx_fp32")
    assert (row["engine"], row["rounds"], row["reason"]) == ("null", 2, None)
    assert row["figures"]["latency_ms"] >= 1
    folders = list(find_runs(r50.output))
    modes = [read_record(folder).config.mode.value for folder in folders]
    assert sorted(modes) == ["latency", "latency", "throughput", "throughput"]
    assert sorted(row["runs"]) == sorted(folder.name for folder in folders)
    assert "round 2 of 2: null, latency" in ended.stderr


def test_what_cannot_be_had_is_told_before_anything_is_measured(r50: R50) -> None:
    for flags, text in (
        (["--engine", "null,no-such"], "--engine no-such: there is no such engine"),
        (["--engine", "all", "--instances", "100000"], "error: --instances 100000 does not fit"),
        (
            ["--engine", "all", "--engine-option", "calers=2"],
            "\nerror: zentf: --engine-option calers: the zentf engine has no options",
        ),
        (["--engine", ","], "--engine ,: it names no engine"),
        (WITH_LACKING[1:], "the zentf engine has no avx_int8"),
        ([*WITH_LACKING[1:], "--skip-unrunnable", "--steps", "0"], "--steps"),
        (["--engine", "null,", "--mode", "accuracy"], "accuracy"),
        (["--engine", "null,", "--tuned"], "--tuned cannot be had with several engines"),
        (["--engine", "null,", "--set", "BATCH_SIZE=1 2"], "in one configuration"),
    ):
        ended = r50("run", *flags, "--output", r50.output)
        assert ended.code == 2, (flags, ended.stderr)
        assert text in ended.stderr
    assert not r50.output.exists()


def test_where_no_engine_can_run_the_comparison_is_skipped_when_asked(r50: R50) -> None:
    none = ["run", "--engine", "zentf,onnxruntime", "--precision", "amx_bfloat16"]
    refused = r50(*none, "--output", r50.output)
    assert refused.code == 2
    skipped = r50(*none, "--skip-unrunnable", "--output", r50.output)
    assert skipped.code == 77
    assert skipped.stdout.startswith("SKIPPED: zentf: the zentf engine has no amx_bfloat16")
    assert "onnxruntime: the onnxruntime engine has no amx_bfloat16" in skipped.stdout
    assert not r50.output.exists()


def test_an_interrupted_comparison_shows_what_was_measured(r50: R50) -> None:
    process = r50.start(*ALONE, *QUICK, "--repeat", "50", "--output", r50.output)
    r50.wait_for_stderr(process, "round 1 of 50: null, latency")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert "images/s" in ended.stdout
    assert "what was measured is kept in" in ended.stderr
