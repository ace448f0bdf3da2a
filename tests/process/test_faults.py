"""Instances that are lost: in every way, in every phase."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pytest

from resnet50_bench.verdict.instances import LOST_INSTANCES_LINE
from resnet50_bench.verdict.judge import judge

from .conftest import QUICK, STEPS, WARMUP_STEPS, assert_nothing_left, instances, make_r50

PHASES = {"loading": -1, "warming up": 1, "measuring": WARMUP_STEPS + 5}
"""Phase -> the call of the engine that fails."""

CAUSES = {
    "hang": ("deadline", "no answer in time, so r50 ended it"),
    "kill": ("signal", "SIGKILL (Killed)"),
    "exit": ("exit code", "5"),
    "raise": ("exception", "RuntimeError: the null engine was told to fail"),
    "oom": (
        "out of memory",
        "MemoryError: Unable to allocate 2.00 GiB for an array with shape (2147483648,) and data "
        "type uint8",
    ),
    "shape": ("exception", "ValueError: the engine answered (1, 1), not (1, 1001)"),
}
SILENT = {"hang", "kill", "exit"}
"""Faults that leave nothing in the instance's own log."""

TIMEOUT_SECONDS = 6
AT_ONCE = 5


class Case(NamedTuple):
    """One fault in one phase."""

    fault: str
    phase: str


CASES = [Case(fault, phase) for fault in CAUSES for phase in PHASES]


def options(case: Case, *, instance: int) -> str:
    return (
        f"query_ms=5 fault={case.fault} fault_instance={instance} fault_query={PHASES[case.phase]}"
    )


@pytest.fixture(scope="module")
def runs(cores, picture, tmp_path_factory):
    """Every case as a run whose last instance fails; several at a time, as they mostly wait."""
    count = min(2, cores)

    def run(case: Case):
        runner = make_r50(tmp_path_factory.mktemp("fault"))
        arguments = [*QUICK, "--dataset", picture, *instances(count), "--output", runner.output]
        arguments += ["--engine-option", options(case, instance=count - 1)]
        if case.fault == "hang":
            arguments += ["--timeout", str(TIMEOUT_SECONDS)]
        return runner, runner("run", *arguments)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures: dict[Case, Future] = {case: pool.submit(run, case) for case in CASES}
    return {case: future.result() for case, future in futures.items()}


@pytest.fixture(params=CASES, ids=lambda case: f"{case.fault} while {case.phase}")
def lost(request, runs):
    runner, ended = runs[request.param]
    assert_nothing_left(runner)
    return request.param, runner, ended


def test_who_how_and_when(lost):
    case, r50, ended = lost
    kind, detail = CAUSES[case.fault]
    # A wrong shape shows when an answer is looked at, which loading has none of.
    phase = "warming up" if case == ("shape", "loading") else case.phase
    record = r50.record()
    assert ended.code == 3
    assert record.status == "lost instances"
    *others, item = record.instances
    assert (item.exit.kind, item.exit.detail, item.phase) == (kind, detail, phase)
    assert item.started
    assert not item.reported
    assert item.end_ns == ()
    who = item.slot.instance
    assert (
        f"failed: instance {who} was lost while {phase}: {kind}: {detail}"
        in ended.stdout.splitlines()
    )
    launched = len(record.instances)
    # Before the word, the others may not have come far when the one is lost.
    started = launched if phase == "measuring" else sum(each.started for each in record.instances)
    survived = len(others) if phase == "measuring" else 0
    assert (
        f"failed: {launched} instances launched, {started} started, {survived} reported"
        in ended.stdout.splitlines()
    )
    assert "Traceback" not in ended.stderr

    for other in others:
        if phase == "measuring":
            assert other.exit.kind == "ok"
            assert other.reported
            assert len(other.end_ns) >= STEPS
        else:
            assert (other.exit.kind, other.exit.detail) == ("stopped", "ended by r50")


def test_no_kpi_anywhere(lost):
    case, r50, ended = lost
    record = r50.record()
    kpi = r50("kpi", r50.folder())
    assert kpi.code == 3
    for text in (ended.stdout, kpi.stdout, r50.log()):
        assert LOST_INSTANCES_LINE in text.splitlines()
    assert not [line for line in kpi.stdout.splitlines() if line[:1] not in ("#", "")]
    assert "\nThroughput" not in "\n" + ended.stdout
    assert "Total " not in r50.log()
    assert "Verdict: INVALID" in r50.log().splitlines()
    assert "\nINVALID\n" in ended.stdout

    shares = case.phase == "measuring" and len(record.instances) == 2
    assert ("Subtotal" in ended.stdout) == shares
    assert ("1 of 2 instances survived" in kpi.stdout) == shares
    assert ("which is no KPI" in kpi.stdout) == shares


def test_the_output_of_the_lost_is_shown(lost):
    case, r50, ended = lost
    item = r50.record().instances[-1]
    who = item.slot.instance
    _, detail = CAUSES[case.fault]
    heading = f"last output of instance {who}:"
    if case.fault in SILENT:
        assert item.log_tail == ""
        assert heading not in ended.stdout
        return
    lines = ended.stdout.splitlines()
    below = lines[lines.index(heading) + 1 :]
    # numpy names its own class of MemoryError in a traceback.
    assert detail.partition(": ")[2] in "\n".join(line for line in below if line.startswith("  "))
    assert item.log_tail == (r50.folder() / f"instance_{who:03d}.log").read_text()
    assert item.log_tail.startswith("Traceback")


def test_advice_names_the_flag(runs):
    def advice(fault: str) -> str | None:
        findings = judge(runs[Case(fault, "measuring")][0].record()).failures
        return next(item.advice for item in findings if "was lost" in item.message)

    assert advice("hang") == "look at its log; --timeout SECONDS gives it longer"
    assert "--" in advice("oom")
    assert advice("kill").startswith("if memory ran out: ")
    assert advice("raise") is None


def test_show_repeats_it(runs, r50):
    runner, ended = runs[Case("raise", "measuring")]
    shown = r50("show", runner.folder())
    assert (shown.code, shown.stdout, shown.stderr) == (3, ended.stdout, "")
    summary = json.loads(r50("show", "--json", runner.folder()).stdout)
    assert summary["kpis"] is None
    assert summary["valid"] is False
    assert (summary["survivors_subtotal"] is None) == (len(summary["instances"]) == 1)


def test_killed_from_outside_while_measuring(r50, picture, two_cores):
    arguments = [*QUICK, *instances(2), "--dataset", picture, "--output", r50.output]
    arguments += ["--engine-option", "query_ms=30"]
    process = r50.start("run", *arguments)
    r50.wait_for_stderr(process, "measure for about")
    os.kill(r50.find_worker(0), signal.SIGKILL)
    ended = r50.end(process)
    assert ended.code == 3
    line = "failed: instance 0 was lost while measuring: signal: SIGKILL (Killed)"
    assert line in ended.stdout.splitlines()
    assert LOST_INSTANCES_LINE in ended.stdout.splitlines()
    killed, survivor = r50.record().instances
    assert killed.exit.kind == "signal"
    assert len(survivor.end_ns) == STEPS
    assert "Subtotal" in ended.stdout
