"""Described hosts: the plans expected of each, and what holds for any plan on any of them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from tests.hosts.described import HOSTS, PLANS, Described, list_requests, render_plans

from resnet50_bench.config import CoreKind, Mode, RunConfig
from resnet50_bench.errors import ConfigError, PlacementError
from resnet50_bench.host.machine import Core, Host
from resnet50_bench.placement.layout import plan_fewer, plan_layout
from resnet50_bench.report.terminal.placement_map import describe_instances, render_placement

if TYPE_CHECKING:
    from resnet50_bench.placement.slots import Placement, Slot

each_host = pytest.mark.parametrize("described", HOSTS, ids=lambda host: host.name)


# A host of 1,024 CPUs is thousands of small files, which some disks take seconds for.
IN_MEMORY = Path("/dev/shm")


@cache
def read(name: str) -> Host:
    described = next(host for host in HOSTS if host.name == name)
    with TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        return described.read(Path(folder))


@cache
def list_plans(described: Described) -> list[tuple[RunConfig, Placement]]:
    """Many plans of the host: of its requests, of small sizes, and of few instances."""
    asked = [*list_requests(described).values()]
    kinds = [None, *CoreKind] if described.machine.is_hybrid else [None]
    for kind in kinds:
        for size in (1, 2, 3, 5, 9):
            for smt in (False, True):
                more = {"cores_per_instance": size, "smt": smt, "core_kind": kind}
                asked += [more, more | {"span_sockets": True, "instances": 2}]
    plans = []
    for parameters in asked:
        config = RunConfig(**parameters)
        try:
            plans.append((config, plan_layout(config, read(described.name))))
        except (PlacementError, ConfigError) as error:
            assert error.message
    assert plans
    return plans


@cache
def core_of(name: str) -> dict[int, Core]:
    return {cpu: core for core in read(name).cores for cpu in core.cpus}


def cores_of(described: Described, slot: Slot) -> set[Core]:
    by_cpu = core_of(described.name)
    return {by_cpu[cpu] for cpu in slot.cpus}


def test_there_is_a_file_of_plans_for_each_host_and_no_other():
    assert len(HOSTS) >= 12
    assert {path.stem for path in PLANS.iterdir()} == {host.name for host in HOSTS}


@each_host
def test_the_plans_are_those_expected(described):
    expected = (PLANS / f"{described.name}.txt").read_text()
    assert render_plans(described, read(described.name)) == expected


@each_host
def test_the_host_is_read_as_it_was_described(described):
    host = read(described.name)
    assert set(host.allowed_cpus) == described.allowed
    assert set(core_of(described.name)) == described.allowed
    every = [
        core for core in described.machine.cores() if described.allowed.intersection(core.cpus)
    ]
    assert [(core.socket, core.node, core.kind) for core in host.cores] == [
        (core.socket, core.node, core.kind) for core in every
    ]
    assert host.nodes == described.machine.memory_nodes() or not described.machine.has_nodes


@each_host
def test_no_cpu_is_given_twice_and_none_that_is_not_allowed(described):
    for config, placement in list_plans(described):
        pinned = Counter(cpu for slot in placement.slots for cpu in slot.cpus)
        assert max(pinned.values()) == 1, config
        assert pinned.keys() <= described.allowed, config


@each_host
def test_every_core_is_in_one_instance_or_idle_with_its_reason(described):
    host = read(described.name)
    for config, placement in list_plans(described):
        counted = Counter(core for slot in placement.slots for core in cores_of(described, slot))
        for idle in placement.idle_cores:
            counted.update({core_of(described.name)[cpu] for cpu in idle.cpus})
            assert len(idle.cpus) == idle.cores
            assert idle.reason
        assert counted == dict.fromkeys(host.cores, 1), config


@each_host
def test_instances_are_equal_and_keep_to_one_kind_of_core(described):
    host = read(described.name)
    for config, placement in list_plans(described):
        streams = [stream for slot in placement.slots for stream in slot.streams]
        if not config.weight_sharing:
            assert len({(slot.cores, slot.threads) for slot in placement.slots}) == 1, config
        assert len({len(stream) for stream in streams}) <= 1, config
        for slot in placement.slots:
            assert {core.kind for core in cores_of(described, slot)} == {slot.core_kind}
        kinds = {slot.core_kind for slot in placement.slots}
        if config.core_kind is not CoreKind.ANY:
            asked = config.core_kind or (host.core_kinds or (None,))[0]
            assert kinds == ({asked} if described.machine.is_hybrid else {None}), config


@each_host
def test_no_instance_crosses_nodes_or_sockets_unless_it_must(described):
    """An instance crosses only where no node, or socket, has the cores for it left."""
    host = read(described.name)
    for config, placement in list_plans(described):
        used = {core for slot in placement.slots for core in cores_of(described, slot)}
        free = [core for core in host.cores if core not in used]
        for slot in placement.slots if not config.weight_sharing else ():
            cores = cores_of(described, slot)
            own_sockets = {core.socket for core in cores}
            assert tuple(sorted(own_sockets)) == slot.sockets
            assert len(own_sockets) == 1 or config.span_sockets
            if len({core.node for core in cores}) > 1:
                left = Counter(
                    (core.socket, core.node)
                    for core in free
                    if core.socket in own_sockets and core.kind is slot.core_kind
                )
                assert max(left.values(), default=0) < slot.cores, (config, slot)
            if len(own_sockets) > 1:
                left = Counter(core.socket for core in free if core.kind is slot.core_kind)
                assert max(left.values(), default=0) < slot.cores, (config, slot)


@each_host
def test_as_many_instances_as_possible_stay_inside_a_node(described):
    host = read(described.name)
    if host.quota_cpus is not None:
        return
    for size in range(1, 9):
        of_node = Counter((core.socket, core.node, core.kind) for core in host.cores)
        kind = (host.core_kinds or (None,))[0]
        possible = sum(count // size for place, count in of_node.items() if place[2] is kind)
        try:
            placement = plan_layout(RunConfig(cores_per_instance=size), host)
        except PlacementError:
            assert possible == 0
            continue
        inside = [
            slot
            for slot in placement.slots
            if len({core.node for core in cores_of(described, slot)}) == 1
        ]
        assert len(inside) == possible, size


@each_host
def test_memory_is_bound_to_the_nodes_of_the_cores_or_to_all_that_have_any(described):
    host = read(described.name)
    allowed = {node.id for node in host.nodes if node.memory_bytes}
    allowed &= set(host.allowed_nodes or allowed)
    for config, placement in list_plans(described):
        for slot in placement.slots:
            near = {node.id for node in host.nodes if not set(slot.cpus).isdisjoint(node.cpus)}
            unlisted = any(core.node is None for core in cores_of(described, slot))
            is_near = near <= allowed and not unlisted
            assert set(slot.nodes) == (near if is_near else allowed), (config, slot)
            assert is_near or any("bound to all nodes" in note for note in placement.notes)


@each_host
def test_a_quota_pays_for_the_cpus_in_use(described):
    host = read(described.name)
    if host.quota_cpus is None:
        return
    for config, placement in list_plans(described):
        threads = sum(slot.threads for slot in placement.slots)
        assert threads <= host.quota_cpus or threads == 1, config


@each_host
def test_notes_name_instances_that_exist_and_the_map_shows_them(described):
    host = read(described.name)
    for config, placement in list_plans(described):
        last = placement.slots[-1].instance
        for note in placement.notes:
            if note.startswith("instance "):
                numbers = note.removeprefix("instance ").partition(":")[0]
                assert max(map(int, numbers.replace("-", ",").split(","))) <= last, (config, note)
        lines = "\n".join(render_placement(host, placement))
        for socket in host.sockets:
            assert f"socket {socket} " in lines
        for node in host.nodes:
            assert f"node {node.id} " in lines + " "
        assert describe_instances(placement).startswith(f"{len(placement.slots)} x ")


@each_host
@pytest.mark.parametrize("sharing", [False, True])
def test_few_batches_leave_cores_idle_and_lose_none(described, sharing):
    host = read(described.name)
    config = RunConfig(mode=Mode.ACCURACY, weight_sharing=sharing, cores_per_instance=1)
    placement = plan_layout(config, host, 1000)
    fewer = plan_fewer(config, host, placement, 1)
    assert len(fewer.slots) == 1
    used = cores_of(described, fewer.slots[0])
    idle = {core_of(described.name)[cpu] for group in fewer.idle_cores for cpu in group.cpus}
    assert used.isdisjoint(idle)
    assert used | idle == set(host.cores)
