"""r50's placement on two sockets, as another process of the same machine sees it."""

from __future__ import annotations

import json

import msgspec
import pytest

from resnet50_bench.host.machine import format_cpu_list
from resnet50_bench.placement.slots import Placement

from .scenarios import WANTED

pytestmark = pytest.mark.numa

MIN_PAGES = 64 * 256
"""64 MiB: less than a worker's images alone, which are 77 MB."""

MIN_SHARE = 0.99
MIN_BOUND_SHARE = 0.95


def last(outcomes, name):
    """The run, which comes last."""
    return outcomes[name][-1]


def test_the_machine_is_read_as_qemu_made_it(outcomes):
    host = json.loads(outcomes["look"][0].stdout)
    assert host["cores"] == [
        {"cpus": [0, 1], "socket": 0, "node": 0},
        {"cpus": [2, 3], "socket": 0, "node": 0},
        {"cpus": [4, 5], "socket": 1, "node": 1},
        {"cpus": [6, 7], "socket": 1, "node": 1},
    ]
    assert (host["total_sockets"], host["total_cores"], host["online_cpus"]) == (2, 4, 8)
    assert [node["cpus"] for node in host["nodes"]] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert all(900 << 20 < node["memory_bytes"] <= 1 << 30 for node in host["nodes"])
    assert (host["quota_cpus"], host["memory_limit_bytes"], host["allowed_nodes"]) == (
        None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize("name", WANTED)
def test_the_run_is_valid(outcomes, name):
    run = last(outcomes, name)
    assert run.code == 0, run.stdout + run.stderr
    assert run.stdout.endswith("VALID\n")


@pytest.mark.parametrize("name", WANTED)
def test_each_instance_is_where_it_was_planned(outcomes, name):
    plan, run = outcomes[name][-2:]
    planned = msgspec.convert(json.loads(plan.stdout)["placement"], Placement)
    assert run.record.placement == planned
    assert [(format_cpu_list(slot.cpus), set(slot.nodes)) for slot in planned.slots] == WANTED[name]
    assert len(run.workers) == len(WANTED[name])
    for instance, (cpus, _) in zip(run.record.instances, WANTED[name]):
        assert run.workers[instance.pid].cpus == (cpus,)


@pytest.mark.parametrize("name", WANTED)
def test_its_memory_is_really_on_its_node(outcomes, name):
    run = last(outcomes, name)
    for instance, (_, nodes) in zip(run.record.instances, WANTED[name]):
        pages = run.workers[instance.pid].pages_by_node()
        assert pages.total() > MIN_PAGES
        assert sum(pages[node] for node in nodes) >= MIN_SHARE * pages.total(), pages


@pytest.mark.parametrize("name", WANTED)
def test_its_memory_is_bound_to_its_node(outcomes, name):
    """All but the scratch memory of numpy's OpenBLAS, which asks for the nearest node itself."""
    run = last(outcomes, name)
    for instance, (_, nodes) in zip(run.record.instances, WANTED[name]):
        pages = run.workers[instance.pid].pages_by_policy()
        bound = f"bind:{format_cpu_list(tuple(nodes))}"
        assert pages.keys() <= {bound, "local"}
        assert pages[bound] >= MIN_BOUND_SHARE * pages.total(), pages


@pytest.mark.parametrize("name", WANTED)
def test_what_a_worker_says_of_itself_is_what_another_process_sees(outcomes, name):
    run = last(outcomes, name)
    for instance in run.record.instances:
        worker, seen = run.workers[instance.pid], instance.seen
        assert (format_cpu_list(seen.cpus),) == worker.cpus
        policy = f"{seen.memory_policy.mode}:{format_cpu_list(seen.memory_policy.nodes)}"
        assert worker.pages_by_policy().most_common(1)[0][0] == policy
        for node in (0, 1):
            counted = 4096 * worker.pages_by_node()[node]
            assert abs(seen.anonymous_bytes.get(node, 0) - counted) < 16 << 20


def test_one_thread_of_a_core_by_default_and_both_when_asked(outcomes):
    threads = {
        name: [slot.threads for slot in last(outcomes, name).record.placement.slots]
        for name in ("default", "smt")
    }
    assert threads == {"default": [2, 2], "smt": [4, 4]}
    assert "siblings 1,3,5,7 idle" in last(outcomes, "default").stdout
    assert "idle" not in last(outcomes, "smt").stdout


def test_a_cpuset_is_shown(outcomes):
    shown, plan = outcomes["cpuset"][:2]
    assert "CPUs 2-5 allowed, 4 of 8 online" in shown.stdout
    assert "cpus 2  siblings 3  instance 0 (2), not allowed (0-1)" in plan.stdout
    assert "cpus 4  siblings 5  instance 1 (4), not allowed (6-7)" in plan.stdout
    assert "this process may use 2 of 4 cores" in plan.stdout


def test_a_fractional_quota_is_shown(outcomes):
    shown, plan = outcomes["quota"][:2]
    assert "CPU quota 1.5; memory 1.0 GiB" in shown.stdout
    assert "idle: the CPU quota of 1.5 CPUs pays for 1 core" in plan.stdout
    host = last(outcomes, "quota").record.host
    assert (host.quota_cpus, host.memory_limit_bytes) == (1.5, 1 << 30)


def test_memory_nodes_out_of_bounds_are_shown(outcomes):
    assert "memory of node 0 only" in outcomes["far memory"][0].stdout
    assert last(outcomes, "far memory").record.host.allowed_nodes == (0,)
