"""`r50 roofline` measures for real, keeps the answer, and leaves nothing behind when interrupted."""

from __future__ import annotations

import json
import os
import signal

import pytest

from resnet50_bench.contention.cpu_lock import PLACE_VARIABLE, hold_cpus

FASTEST = 8 * 16 * 2 * 64 * 2 * 6.5e9
"""Operations a second that no core comes near: AMX's 2048 in a cycle, eight times."""


@pytest.fixture
def cached(r50):
    return {"R50_CACHE_DIR": str(r50.root / "cache")}


def test_it_is_measured_once_and_then_shown(r50, cached):
    first = r50("roofline", "--json", env=cached)
    assert first.code == 0, first.stderr
    assert "measuring CPU" in first.stderr
    answer = json.loads(first.stdout)
    assert answer["cpus"]
    found = [item for item in answer["peaks"] if item["absent"] is None]
    for item in found:
        assert 0 < item["operations_per_s"] < FASTEST * len(answer["cpus"])
        assert item["operations_per_s"] == max(item["rounds"])
        assert len(item["rounds"]) == 3
    assert all(item["bytes_per_s"] > 0 for item in answer["bandwidths"])
    assert {item["kind"] for item in answer["peaks"]} == {
        *(item["kind"] for item in found),
        *(name for name in answer["absent"] if " " not in name),
    }
    again = r50("roofline", "--format", "csv", env=cached)
    assert again.code == 0
    assert again.stderr == ""
    assert again.stdout.count("\n") == 1 + 9 + 8


def test_an_interrupt_leaves_no_process_and_no_answer(r50, cached):
    process = r50.start("roofline", env=cached)
    r50.wait_for_stderr(process, "measuring CPU")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert r50.live() == {}
    assert not list((r50.root / "cache").glob("limits/*"))


def test_cpus_that_a_run_holds_are_not_measured(r50, cached):
    environ = {PLACE_VARIABLE: str(r50.root)}
    with hold_cpus(os.sched_getaffinity(0), ["r50", "run"], environ):
        ended = r50("roofline", "--again", env=cached)
    assert ended.code == 3
    assert f"held by pid {os.getpid()}: r50 run" in ended.stderr
    assert "--wait" in ended.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("all", "--cpus 'all' is no list of CPUs"),
        ("", "--cpus '' is no list of CPUs"),
        ("60000", "may not use CPU 60000"),
    ],
)
def test_other_cpus_are_refused(r50, cached, text, problem):
    ended = r50("roofline", "--cpus", text, env=cached)
    assert ended.code == 2
    assert problem in ended.stderr
    assert "-> " in ended.stderr
