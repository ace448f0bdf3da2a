"""Ctrl-C, SIGTERM and SIGKILL, at r50 itself."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import GIVE_UP_SECONDS, QUICK, instances, wait_until

STARTING = "load, fill the feed, warm up"
MEASURING = "measure for about"
LONG = {
    STARTING: ["--engine-option", "fault=hang"],
    MEASURING: ["--engine-option", "query_ms=50", "--steps", "100000"],
}
"""Stage -> what makes it last."""

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def count(cores) -> int:
    return min(2, cores)


def start(r50, stage: str, count: int):
    """Start a run and return it once it is in the stage, with all its workers."""
    process = r50.start("run", *QUICK, *LONG[stage], *instances(count), "--output", r50.output)
    r50.wait_for_stderr(process, stage)
    wait_until(lambda: len(r50.live()) == 1 + count, "the workers")
    return process


def assert_interrupted(r50, process, code: int) -> None:
    ended = r50.end(process)
    assert r50.live() == {}
    assert ended.code == code
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert f"interrupted; the record is in {r50.folder()}" in ended.stderr
    assert r50.record().status == "interrupted"
    assert [item.exit.kind for item in r50.record().instances] == ["stopped"] * len(
        r50.record().placement.slots
    )
    assert "Verdict: INVALID" in r50.log().splitlines()
    shown = r50("show", r50.folder())
    assert shown.code == 1
    assert "\nINVALID\n" in shown.stdout
    assert "failed: the run was interrupted before it was complete" in shown.stdout.splitlines()
    assert "Throughput" not in shown.stdout


@pytest.mark.parametrize("stage", LONG)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_r50(r50, count, number, stage):
    process = start(r50, stage, count)
    process.send_signal(number)
    assert_interrupted(r50, process, SIGNALS[number])


def test_ctrl_c_reaches_the_whole_process_group(r50, count):
    process = start(r50, MEASURING, count)
    os.killpg(process.pid, signal.SIGINT)
    assert_interrupted(r50, process, 130)


@pytest.mark.parametrize("second", SIGNALS)
def test_an_impatient_second_signal(r50, count, second):
    process = start(r50, MEASURING, count)
    process.send_signal(signal.SIGINT)
    process.send_signal(second)
    # Two signals at once are delivered by number, and SIGINT has the lower one.
    assert_interrupted(r50, process, 130)


@pytest.mark.parametrize("stage", LONG)
def test_workers_die_with_a_killed_r50(r50, count, stage):
    process = start(r50, stage, count)
    process.kill()
    assert process.wait(GIVE_UP_SECONDS) == -signal.SIGKILL
    wait_until(lambda: r50.live() == {}, "the workers' end")
    assert r50.record().status == "running"
    shown = r50("show", r50.folder())
    assert shown.code == 1
    assert "\nINVALID\n" in shown.stdout
    line = "failed: the run never came to its end: r50 itself was killed"
    assert line in shown.stdout.splitlines()
