"""`r50 plan` and `r50 host`: what a person sees, and that nothing is started."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.hosts.synthetic import Machine, write_host

from resnet50_bench.config import CoreKind
from resnet50_bench.host.machine import Host, read_host
from resnet50_bench.placement.slots import Placement

from .conftest import COMMAND, QUICK

CGROUP_V1 = Path("/sys/fs/cgroup")


def test_a_machine_that_is_not_here(r50):
    ended = r50("plan", "--host", "2x8x2 snc2", "--cores-per-instance", "4", "--instances", "3")
    assert (ended.code, ended.stderr) == (0, "")
    assert [line.rstrip() for line in ended.stdout.splitlines()] == [
        "Host       2x8x2 snc2: 2 sockets, 4 memory nodes, 16 cores with 2 hardware threads each",
        "Instances  3 x 4 cores, 4 threads each; 12 of 16 cores in use",
        "Placement  socket 0  node 0  cpus 0-3    siblings 16-19  instance 0 (0-3)",
        "           socket 0  node 1  cpus 4-7    siblings 20-23  instance 1 (4-7)",
        "           socket 1  node 2  cpus 8-11   siblings 24-27  instance 2 (8-11)",
        "           socket 1  node 3  cpus 12-15  siblings 28-31  idle (12-15)",
        "           socket 1: 4 of 8 cores idle: --instances 3 leaves them free",
        "           siblings 16-27 idle: one thread per core; --smt uses all of a core",
    ]


def test_json_holds_host_request_and_placement(r50):
    ended = r50("plan", "--host", "2x56x2 snc4", "--mode", "latency", "--smt", "--json")
    answer = json.loads(ended.stdout)
    placement = msgspec.convert(answer["placement"], Placement, strict=False)
    assert len(placement.slots) == 28
    assert placement.slots[0].cpus == (0, 1, 2, 3, 112, 113, 114, 115)
    assert answer["request"]["use_smt"] is True
    assert len(msgspec.convert(answer["host"], Host, strict=False).cores) == 112


def test_gated_is_one_instance_per_socket(r50):
    plan = ["plan", "--host", "2x8", "--mode", "latency", "--json"]
    assert len(json.loads(r50(*plan).stdout)["placement"]["slots"]) == 4
    gated = json.loads(r50(*plan, "--case-type", "gated").stdout)
    assert [slot["cores"] for slot in gated["placement"]["slots"]] == [8, 8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "2x8", "--cores-per-instance", "9"], "--cores-per-instance 9 does not fit"),
        (["--host", "2x8", "--instances", "0"], "--instances: '0' must be a whole number, 1"),
        (["--host", "2x9 snc2"], "9 cores per socket cannot be divided into 2 equal memory"),
        (["--core-kind", "e", "--host", "2x8"], "--core-kind e: this host's cores are of one kind"),
        (["--core-kind", "x"], "--core-kind: 'x' must be one of p, e, lp, any"),
        (["--host", "nowhere.json"], "nowhere.json: No such file or directory"),
        (["--engine", "null"], "No such option '--engine'"),
    ],
)
def test_what_cannot_be_placed_is_refused(r50, arguments, message):
    ended = r50("plan", *arguments)
    assert (ended.code, ended.stdout) == (2, "")
    assert message in ended.stderr


def test_the_dry_run_of_a_run_shows_the_same_map(r50):
    asked = ["--cores-per-instance", "1", "--instances", "1"]
    plan, dry = r50("plan", *asked), r50("run", *QUICK, *asked, "--dry-run")
    maps = [ended.stdout.partition("Placement")[2] for ended in (plan, dry)]
    lines = [line.strip() for line in maps[0].splitlines()]
    assert lines[0].startswith("socket 0")
    assert [line.strip() for line in maps[1].splitlines()][: len(lines)] == lines


def test_a_host_is_captured_and_shown(r50):
    path = r50.root / "host.json"
    ended = r50("host", "capture", path)
    assert (ended.code, ended.stdout) == (0, f"wrote {path}\n")
    here, there = (json.loads(r50("host", "show", *name, "--json").stdout) for name in ([], [path]))
    names = ("cores", "nodes", "cpu_flags", "allowed_cpus", "quota_cpus", "memory_limit_bytes")
    assert [here[name] for name in names] == [there[name] for name in names]
    assert [core["cpus"] for core in here["cores"]] == [list(c.cpus) for c in read_host().cores]
    shown = r50("host", "show", path).stdout
    assert "hardware thread" in shown
    assert "socket 0  node 0" in shown
    piped = r50("host", "capture", "-")
    assert json.loads(piped.stdout)["host"]["cores"] == here["cores"]
    plan = r50("plan", "--host", path, "--json")
    assert (
        json.loads(plan.stdout)["placement"]
        == json.loads(r50("plan", "--json").stdout)["placement"]
    )


def test_a_capture_that_cannot_be_written(r50):
    ended = r50("host", "capture", r50.root / "nowhere" / "host.json")
    assert ended.code == 3
    assert ended.stderr.startswith(f"error: cannot write {r50.root}/nowhere/host.json: No such")


def test_an_affinity_is_honoured_and_shown(r50, two_cores):
    first = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(first), *COMMAND]
    shown = r50("host", "show", command=command).stdout
    assert f"CPUs {first} allowed, 1 of " in shown
    assert "not allowed (" in shown
    plan = r50("plan", command=command).stdout
    assert f"instance 0 ({first}), not allowed (" in plan
    assert "this process may use 1 of " in plan


def test_a_fractional_quota_of_cgroup_v1_is_honoured_and_shown(r50, two_cores):
    with cgroup_v1("cpu", r50.mark) as folder:
        (folder / "cpu.cfs_period_us").write_text("100000")
        (folder / "cpu.cfs_quota_us").write_text("150000")
        command = [
            "sh",
            "-c",
            f'echo $$ > {folder}/cgroup.procs && exec "$@"',
            "sh",
            *COMMAND,
        ]
        shown = r50("host", "show", command=command).stdout
        plan = r50("plan", command=command).stdout
    assert "CPU quota 1.5" in shown
    assert "1 x 1 core, 1 thread each" in plan
    assert "idle: the CPU quota of 1.5 CPUs pays for 1 core" in plan


def test_a_cpuset_of_cgroup_v1_is_honoured_and_shown(r50, two_cores):
    last = max(os.sched_getaffinity(0))
    with cgroup_v1("cpuset", r50.mark) as folder:
        (folder / "cpuset.mems").write_text((folder.parent / "cpuset.mems").read_text())
        (folder / "cpuset.cpus").write_text(str(last))
        command = [
            "sh",
            "-c",
            f'echo $$ > {folder}/cgroup.procs && exec "$@"',
            "sh",
            *COMMAND,
        ]
        plan = r50("plan", command=command).stdout
    assert f"instance 0 ({last}), not allowed (" in plan


def test_a_hybrid_cpu_is_planned_shown_and_recorded(r50, two_cores):
    """In a mount namespace whose /sys says that one core is an E core, where that can be made."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if cpus != [0, 1]:
        pytest.skip("CPUs 0 and 1 are not both allowed")
    root = write_host(r50.root / "host", Machine(nodes=(2,), efficient=1))
    inside = ["unshare", "--mount", "sh", "-c", f'mount --bind {root}/sys /sys && exec "$@"', "sh"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this process may make no mount namespace")
    command = [*inside, "taskset", "-c", "0,1", *COMMAND]
    plan = r50("plan", command=command).stdout
    assert "2 cores: 1 P with 1 hardware thread each, 1 E with 1 hardware thread each" in plan
    assert "P cores  cpus 0  instance 0 (0)" in plan
    assert "E cores  cpus 1  idle (1)" in plan
    ended = r50("run", *QUICK, "--core-kind", "e", "--output", r50.output, command=command)
    assert ended.code == 0, ended.stderr
    record = r50.record()
    assert record.config.core_kind is CoreKind.E
    assert [(core.cpus, core.kind) for core in record.host.cores] == [
        ((0,), CoreKind.P), ((1,), CoreKind.E),
    ]  # fmt: skip
    (slot,) = record.placement.slots
    assert (slot.cpus, slot.core_kind) == ((1,), CoreKind.E)
    assert record.instances[0].seen.cpus == (1,)


@contextmanager
def cgroup_v1(controller: str, name: str):
    """A real cgroup of our own; skipped where none can be made."""
    folder = CGROUP_V1 / controller / f"r50-{name}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup v1 can be made: {error}")
    try:
        yield folder
    finally:
        folder.rmdir()
