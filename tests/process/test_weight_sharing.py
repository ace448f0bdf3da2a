"""Weight sharing through the command line: one process, streams with cores of their own."""

from __future__ import annotations

import json

import pytest

from .conftest import MEASURE, STEPS

SHARED = [*MEASURE, "--weight-sharing", "--precision", "avx_int8", "--cores-per-instance", "1"]

pytestmark = pytest.mark.usefixtures("two_cores")


def test_streams_are_measured_one_by_one_in_one_process(r50, picture):
    ended = r50("run", *SHARED, "--instances", "2", "--dataset", picture, "--output", r50.output)
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "start 1 instance with 2 streams x 1 thread" in ended.stderr
    assert "common to 2 streams of 1 instance" in ended.stdout
    assert "2 streams hold 1 copy of the weights" in ended.stdout
    (item,) = r50.record().instances
    assert len(item.slot.streams) == len(item.streams) == 2
    assert [stream.cpus for stream in item.streams] == [*item.slot.streams]
    assert len({stream.cpus for stream in item.streams}) == 2
    assert all(len(stream.end_ns) >= STEPS for stream in item.streams)
    assert (item.start_ns, item.end_ns) == ((), ())
    assert item.proportional_bytes
    assert item.proportional_bytes <= item.resident_bytes
    kpi = r50("kpi", r50.folder()).stdout.splitlines()
    assert "Streams: 2" in kpi
    assert "Instances: 1" in kpi
    assert "## WEIGHT_SHARING: True" in kpi
    assert "## SHARE_PER: socket" in kpi
    log = r50.log()
    assert "Stream 0 of instance 0 Throughput: " in log
    assert "Stream 1 of instance 0 Throughput: " in log


def test_it_is_compared_with_separate_processes(r50):
    ended = r50("run", *SHARED, "--instances", "2", "--compare-unshared", "--json",
                "--output", r50.output)  # fmt: skip
    assert ended.code == 0, ended.stderr
    answer = json.loads(ended.stdout)
    figures = {row["name"]: row for row in answer["figures"]}
    assert (figures["Processes"]["shared"], figures["Processes"]["separate"]) == (1, 2)
    assert figures["Memory, all"]["shared"] > 0
    assert figures["Throughput"]["ratio"] == pytest.approx(
        figures["Throughput"]["shared"] / figures["Throughput"]["separate"]
    )
    assert {answer["shared"], answer["separate"]} == {path.name for path in r50.output.iterdir()}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--precision", "avx_fp32"], "avx_fp32 does not support it"),
        (
            ["--precision", "amx_bfloat32", "--force", "--batch-size", "0"],
            "--batch-size: '0' must be",
        ),
        (["--cores-per-instance", "2"], "use a --batch-size of 2 or more"),
    ],
)
def test_what_cannot_share_is_refused(r50, more, message):
    ended = r50("run", *SHARED, *more, "--output", r50.output)
    assert ended.code == 2
    assert message in ended.stderr
    assert not r50.output.exists()


def test_what_has_a_meaning_with_sharing_only_is_refused_without(r50):
    ended = r50("run", *MEASURE, "--share-per", "node", "--force")
    assert ended.code == 2
    assert "--share-per has a meaning with weight sharing only" in ended.stderr
    assert "--force has a meaning with weight sharing only" in ended.stderr
    ended = r50("run", *MEASURE, "--compare-unshared", "--output", r50.output)
    assert ended.code == 2
    assert "add --weight-sharing" in ended.stderr


def test_a_stream_that_fails_loses_the_instance(r50):
    more = ["--engine-option", "query_ms=5 fault=raise fault_query=30"]
    ended = r50("run", *SHARED, *more, "--output", r50.output)
    assert ended.code == 3
    assert "instance 0 was lost while measuring: exception" in ended.stdout
