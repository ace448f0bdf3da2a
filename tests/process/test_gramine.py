"""Runs inside gramine's twin: the worker with the manifest's program, variables and streams."""

from __future__ import annotations

import os

import pytest
from tests.gramine_twin import make_gramine

from .conftest import MEASURE, instances

KEY = ".config/gramine/enclave-key.pem"


@pytest.fixture
def gramine(tmp_path) -> dict[str, str]:
    """The environment of a machine with gramine, as far as this can be made up."""
    (tmp_path / "gramine").mkdir()
    folder = make_gramine(tmp_path / "gramine")
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def run(r50, gramine, *arguments: object):
    return r50("run", *MEASURE, *instances(1), "--gramine", "direct", "--output", r50.output,
               *arguments, env=gramine)  # fmt: skip


def test_a_run_is_whole_and_its_worker_has_the_plans_variables_only(r50, gramine):
    ended = run(r50, gramine | {"SECRET": "x"}, "--customer-env", "GIVEN=yes")
    assert ended.code == 0, ended.stderr
    record = r50.record()
    assert record.status == "completed"
    assert record.instances[0].queries == record.workload.steps
    manifest = (r50.folder() / "enclave_instance_000.manifest").read_text()
    assert 'loader.env.GIVEN = "yes"' in manifest
    assert "SECRET" not in manifest
    assert record.launch.command[0] == "gramine-direct"


def test_a_file_that_changed_since_is_a_lost_instance(r50, gramine, tmp_path):
    twin = tmp_path / "gramine/gramine-manifest"
    twin.write_text(twin.read_text() + (
        "\ntext = open(sys.argv[2]).read()\n"
        "start = text.index('sha256 = \"') + 10\n"
        "open(sys.argv[2], 'w').write(text[:start] + '0' * 64 + text[start + 64:])\n"
    ))  # fmt: skip
    ended = run(r50, gramine)
    assert ended.code == 3
    assert "instance 0 was lost" in ended.stdout
    assert "differs from the manifest's" in (r50.folder() / "instance_000.log").read_text()


def test_a_tool_that_fails_is_named_with_what_it_said(r50, gramine, tmp_path):
    twin = tmp_path / "gramine/gramine-manifest"
    twin.write_text("#!/bin/sh\necho 'no such thing' >&2\nexit 1\n")
    ended = run(r50, gramine)
    assert ended.code == 3
    assert "error: gramine-manifest failed: no such thing" in ended.stderr


def test_the_ratio_to_the_native_run_for_each_batch_size(r50, gramine):
    ended = run(r50, gramine, "--set", "BATCH_SIZE=1 2", "--set", "STEPS=20", "--compare-native")
    assert ended.code == 2  # --batch-size stands on the line, too
    ended = r50("run", "--engine", "null", "--steps", "20", "--warmup-steps", "2", *instances(1),
                "--gramine", "direct", "--set", "BATCH_SIZE=1 2", "--compare-native",
                "--output", r50.output, env=gramine)  # fmt: skip
    assert ended.code == 0, ended.stderr
    head, first, second = ended.stdout.splitlines()[-3:]
    assert head.split() == [
        "batch",
        "size",
        "native",
        "direct",
        "ratio",
        "native",
        "direct",
        "ratio",
    ]
    assert (first.split()[0], second.split()[0]) == ("1", "2")
    for line in (first, second):
        native, inside, ratio = map(float, line.split()[1:4])
        assert abs(inside / native - ratio) < 0.001
    assert len(list(r50.output.iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--gramine", "sgx", "--onednn-verbose"],
            "--onednn-verbose: cannot be had with --gramine",
        ),
        (["--gramine", "direct", "--allocator", "jemalloc"], "--allocator: cannot be had with"),
        (["--remote-attestation", "dcap"], "--remote-attestation has a meaning in an enclave only"),
        (["--compare-native"], "--compare-native compares the speed inside gramine"),
    ],
)
def test_what_cannot_be_had_there_is_refused(r50, arguments, problem):
    ended = r50("run", "--engine", "null", *arguments)
    assert ended.code == 2
    assert problem in ended.stderr


def test_an_sgx_case_says_what_is_missing_and_is_skipped_where_that_is_asked(r50):
    name = "sgx_inference_throughput_avx_fp32_gated"
    ended = r50("run", name, "--engine", "null", env={"PATH": "/usr/bin:/bin"})
    if ended.code == 0:
        pytest.skip("this machine has SGX and gramine")
    assert ended.code == 2
    assert ended.stderr.startswith("error: instances cannot run inside gramine (sgx) here: ")
    skipped = r50(
        "run", name, "--engine", "null", "--skip-unrunnable", env={"PATH": "/usr/bin:/bin"}
    )
    assert skipped.code == 77


def test_the_manifest_can_be_seen_without_gramine(r50):
    ended = r50("enclave", "sgx_inference_throughput_avx_fp32", "--set", "ENGINE=null",
                "--set", "REMOTE_ATTESTATION=dcap")  # fmt: skip
    assert ended.code == 0, ended.stderr
    assert 'sgx.remote_attestation = "dcap"' in ended.stdout
