"""Ctrl-C, SIGTERM and SIGKILL, at r50 itself."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

import pytest

from .conftest import GIVE_UP_SECONDS, QUICK, instances, wait_until

STARTING = "load, fill the feed, warm up"
MEASURING = "measure for about"
SHORTLY = "measure for about "  # those that are left end by themselves
LONG = {
    SHORTLY: ["--engine-option", "query_ms=50", "--steps", "100"],
    STARTING: ["--engine-option", "fault=hang"],
    MEASURING: ["--engine-option", "query_ms=50", "--steps", "100000"],
}
"""Stage -> what makes it last."""

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def find_pinned(r50, parent: int) -> list[int]:
    """The workers that have read their job: each has taken its one CPU."""
    pinned = []
    for pid in r50.live().keys() - {parent}:
        with suppress(ProcessLookupError):
            if len(os.sched_getaffinity(pid)) == 1:
                pinned.append(pid)
    return pinned


@pytest.fixture
def start(r50, cores, picture):
    """Starts a run and returns it once it is in the stage, with all its workers."""
    count = min(2, cores)

    def start(stage: str):
        arguments = [*QUICK, *instances(count), "--dataset", picture, "--output", r50.output]
        process = r50.start("run", *arguments, *LONG[stage])
        r50.wait_for_stderr(process, stage)
        wait_until(lambda: len(find_pinned(r50, process.pid)) == count, "the workers")
        return process

    return start


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
def test_a_signal_to_r50(r50, start, number, stage):
    process = start(stage)
    process.send_signal(number)
    assert_interrupted(r50, process, SIGNALS[number])


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_workers_are_being_started(r50, number, cores, picture):
    arguments = [*QUICK, *instances(min(2, cores)), "--dataset", picture]
    process = r50.start("run", *arguments, *LONG[MEASURING], "--output", r50.output)
    r50.wait_for_stderr(process, STARTING)
    process.send_signal(number)
    ended = r50.end(process)
    assert r50.live() == {}
    assert ended.code == SIGNALS[number]
    assert "Traceback" not in ended.stderr
    assert r50.record().status == "interrupted"


def test_ctrl_c_reaches_the_whole_process_group(r50, start):
    process = start(MEASURING)
    os.killpg(process.pid, signal.SIGINT)
    assert_interrupted(r50, process, 130)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_an_impatient_second_signal(r50, start, second):
    process = start(MEASURING)
    process.send_signal(signal.SIGINT)
    process.send_signal(second)
    # Two signals at once are delivered by number, and SIGINT has the lower one.
    assert_interrupted(r50, process, 130)


@pytest.mark.parametrize("stage", LONG)
def test_workers_die_with_a_killed_r50(r50, start, stage):
    process = start(stage)
    process.kill()
    assert process.wait(GIVE_UP_SECONDS) == -signal.SIGKILL
    wait_until(lambda: r50.live() == {}, "the workers' end")
    assert r50.record().status == "running"
    shown = r50("show", r50.folder())
    assert shown.code == 1
    assert "\nINVALID\n" in shown.stdout
    line = "failed: the run never came to its end: r50 itself was killed"
    assert line in shown.stdout.splitlines()


HOOK = """import os, signal, sys

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
"""


@pytest.mark.parametrize(
    "module",
    ["click", "resnet50_bench.cli", "resnet50_bench.cli.run.points", "msgspec", "rich.console"],
)
def test_ctrl_c_while_a_module_is_imported(r50, module):
    (hooks := r50.root / "hooks").mkdir()
    (hooks / "sitecustomize.py").write_text(HOOK.format(module=module))
    command = [sys.executable, "-m", "resnet50_bench"]
    env = {"PYTHONPATH": str(hooks)}
    ended = r50("run", *QUICK, "--output", r50.output, command=command, env=env)
    assert (ended.code, ended.stdout, ended.stderr) == (130, "", "interrupted\n")
    assert not r50.output.exists()


def test_a_signal_to_an_instance_is_the_cause_of_its_end(r50, start):
    """It is no exception in it, so there is no traceback in its log."""
    process = start(SHORTLY)
    os.kill(r50.find_worker(0), signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 3
    assert "instance 0 was lost while measuring: signal: SIGINT (Interrupt)" in ended.stdout
    assert "Traceback" not in ended.stdout
