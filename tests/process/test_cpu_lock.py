"""Two runs that want the same CPUs, and what a run says of others on its cores."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from resnet50_bench.contention.cpu_lock import FILE_NAME, PLACE_VARIABLE, find_held

from .conftest import COMMAND, GIVE_UP_SECONDS, MEASURE, QUICK, instances, wait_until

LONG = [*QUICK, *instances(1), "--engine-option", "query_ms=50", "--steps", "100000"]
MEASURING = "measure for about"


@pytest.fixture
def holder(r50, picture):
    """A run that measures until it is ended."""
    process = r50.start("run", *LONG, "--dataset", picture, "--output", r50.root / "held")
    r50.wait_for_stderr(process, MEASURING)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.wait(GIVE_UP_SECONDS)


@pytest.fixture
def short(r50, picture):
    return ["run", *MEASURE, *instances(1), "--dataset", picture, "--output", r50.output]


def test_a_second_run_is_refused_with_the_holders_name(r50, holder, short):
    ended = r50(*short)
    (folder,) = (r50.root / "held").iterdir()
    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr.startswith("error: CPU")
    assert f"held by pid {holder.pid}: r50 run --engine null" in ended.stderr
    assert f"run {folder})" in ended.stderr
    assert "-> --wait waits for their end" in ended.stderr
    assert not r50.output.exists()


def test_a_sweep_is_refused_before_its_first_point(r50, holder, short):
    ended = r50(*short, "--set", "SEED=1 2")
    assert ended.code == 3
    assert "held by pid" in ended.stderr
    assert not r50.output.exists()


def test_a_dry_run_tells(r50, holder, short):
    ended = r50(*short, "--dry-run")
    assert ended.code == 0
    assert f"held by pid {holder.pid}: " in ended.stderr
    (held,) = json.loads(r50(*short, "--dry-run", "--json").stdout)["held_by"]
    assert f"held by pid {holder.pid}: " in held


def test_one_that_waits_goes_on_when_the_holder_has_ended(r50, holder, short):
    process = r50.start(*short, "--wait")
    r50.wait_for_stderr(process, "waiting for CPU")
    holder.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 0, ended.stderr
    assert f"held by pid {holder.pid}: " in ended.stderr
    assert r50.record().status == "completed"


def test_ctrl_c_while_it_waits_leaves_nothing(r50, holder, short):
    process = r50.start(*short, "--wait")
    r50.wait_for_stderr(process, "waiting for CPU")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert (ended.code, ended.stdout) == (130, "")
    assert "Traceback" not in ended.stderr
    assert not r50.output.exists()
    assert holder.poll() is None


def test_a_killed_run_holds_nothing(r50, holder, short):
    holder.kill()
    wait_until(lambda: r50.live() == {}, "the workers' end")
    assert find_held(range(4096), {PLACE_VARIABLE: str(r50.root)}) == ()
    assert r50(*short).code == 0


@pytest.mark.usefixtures("two_cores")
def test_runs_on_other_cores_go_on_side_by_side(r50, holder, short):
    (held,) = find_held(range(4096), {PLACE_VARIABLE: str(r50.root)})
    last = held.cpus[-1] + 1
    ended = r50(*short, command=["taskset", "-c", str(last), *COMMAND])
    assert ended.code == 0, ended.stderr


def test_a_place_that_cannot_be_written_is_a_warning(r50, short):
    ended = r50(*short, env={PLACE_VARIABLE: "/proc/1"})
    assert ended.code == 0
    assert "warning: the CPUs cannot be locked: /proc/1/" in ended.stderr
    assert "warning: the CPUs were not locked against other runs" in ended.stdout
    assert r50.record().launch.cpu_lock is None


def test_the_lock_and_the_samples_are_on_record(finished):
    runner, _ = finished
    record = runner.record()
    assert record.launch.cpu_lock == str(runner.root / FILE_NAME)
    contention = record.contention
    first, last = contention.samples[0], contention.samples[-1]
    for item in record.instances:
        assert first.at_ns < item.start_ns[0] < item.end_ns[-1] < last.at_ns
        own = item.contention
        assert own.cpus == item.slot.cpus
        assert own.samples[0].at_ns < item.start_ns[0] < item.end_ns[-1] < own.samples[1].at_ns
        assert item.involuntary_switches >= 0
    assert set(contention.cpus) >= {cpu for item in record.instances for cpu in item.slot.cpus}
    assert all(a <= b for a, b in zip(first.own_ns, last.own_ns))
    assert Path(runner.root / FILE_NAME).exists()
