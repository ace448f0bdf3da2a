from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hosts.synthetic import (
    GENOA_NPS4,
    GIB,
    GNR_SNC3,
    SPR,
    SPR_SNC4,
    SRF,
    Machine,
    Numbering,
)

from resnet50_bench.config import CaseType, CoreKind, Mode, RunConfig
from resnet50_bench.errors import PlacementError
from resnet50_bench.host.machine import Host
from resnet50_bench.placement.layout import plan_request
from resnet50_bench.placement.plan import plan_cores_per_instance_that_fits, plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.placement.slots import IdleCores, Placement, Slot
from resnet50_bench.report.terminal.placement_map import render_placement

THROUGHPUT = PlacementRequest(Mode.THROUGHPUT)
LATENCY = PlacementRequest(Mode.LATENCY)


def of_size(cores: int, **asked: object) -> PlacementRequest:
    return replace(PlacementRequest(Mode.THROUGHPUT, cores), **asked)


def restrict(host: Host, cpus: set[int]) -> Host:
    """The host as a container sees it that may use these CPUs only."""
    kept = (
        replace(core, cpus=tuple(cpu for cpu in core.cpus if cpu in cpus)) for core in host.cores
    )
    return replace(host, cores=tuple(core for core in kept if core.cpus))


def slot_cpus(placement: Placement) -> list[tuple[int, ...]]:
    return [slot.cpus for slot in placement.slots]


def cpu_range(low: int, high: int) -> tuple[int, ...]:
    return tuple(range(low, high + 1))


# Defaults of the modes


@pytest.mark.parametrize("mode", [Mode.THROUGHPUT, Mode.ACCURACY])
def test_throughput_and_accuracy_take_one_socket_per_instance(mode: Mode) -> None:
    placement = plan_placement(SPR.host(), PlacementRequest(mode))
    assert placement == Placement(
        slots=(
            Slot(instance=0, cpus=cpu_range(0, 55), cores=56, threads=56, sockets=(0,), nodes=(0,)),
            Slot(
                instance=1, cpus=cpu_range(56, 111), cores=56, threads=56, sockets=(1,), nodes=(1,)
            ),
        ),
        idle_cores=(),
        notes=(),
        cores_per_instance=56,
    )


def test_a_socket_of_four_nodes_is_one_instance_bound_to_them() -> None:
    placement = plan_placement(SPR_SNC4.host(), THROUGHPUT)
    assert [slot.nodes for slot in placement.slots] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert placement.notes == ("instance 0-1: straddles memory nodes",)


@pytest.mark.parametrize(
    ("machine", "instances", "idle"),
    [(SPR, 28, 0), (GENOA_NPS4, 48, 0), (SRF, 72, 0), (Machine(nodes=(6,)), 1, 2)],
)
def test_latency_takes_four_cores_per_instance(machine: Machine, instances: int, idle: int) -> None:
    placement = plan_placement(machine.host(), LATENCY)
    assert len(placement.slots) == instances
    assert placement.cores_per_instance == 4
    assert {slot.cores for slot in placement.slots} == {4}
    assert sum(group.cores for group in placement.idle_cores) == idle


@pytest.mark.parametrize("cores", [1, 3])
def test_latency_says_how_many_cores_are_missing(cores: int) -> None:
    with pytest.raises(PlacementError) as caught:
        plan_placement(Machine(nodes=(cores,)).host(), LATENCY)
    plural = "core" if cores == 1 else "cores"
    assert caught.value.message == (
        f"latency mode uses 4 cores per instance: this host has {cores} usable physical {plural}"
    )
    assert caught.value.advice == (
        f"--cores-per-instance {cores} runs it anyway, with smaller instances"
    )


def test_latency_does_not_add_up_sockets_unless_asked() -> None:
    host = Machine(packages=2, nodes=(3,)).host()
    with pytest.raises(PlacementError) as caught:
        plan_placement(host, LATENCY)
    assert caught.value.message.endswith("6 usable physical cores, 3 of them on its largest socket")
    assert caught.value.advice == (
        "--cores-per-instance 3 runs it anyway, with smaller instances, "
        "or --span-sockets to let an instance cross sockets"
    )
    placement = plan_placement(host, replace(LATENCY, span_sockets=True))
    assert slot_cpus(placement) == [(0, 1, 2, 3)]
    assert placement.slots[0].sockets == (0, 1)
    assert placement.notes == ("instance 0: crosses sockets", "instance 0: straddles memory nodes")


def test_latency_runs_with_smaller_instances_when_told() -> None:
    placement = plan_placement(Machine(nodes=(2,)).host(), PlacementRequest(Mode.LATENCY, 2))
    assert slot_cpus(placement) == [(0, 1)]


def test_the_request_follows_from_the_parameters() -> None:
    config = RunConfig(
        mode=Mode.LATENCY, cores_per_instance=3, instances=2, smt=True, span_sockets=True
    )
    assert plan_request(config) == PlacementRequest(
        Mode.LATENCY, 3, 2, use_smt=True, span_sockets=True
    )
    gated = RunConfig(mode=Mode.LATENCY, case_type=CaseType.GATED)
    assert plan_request(gated) == THROUGHPUT


# Masks that leave sockets uneven


def test_uneven_sockets_give_equal_instances_and_say_why_the_rest_is_idle() -> None:
    host = restrict(SPR.host(), {*range(30), *range(56, 76)})
    placement = plan_placement(host, THROUGHPUT)
    assert slot_cpus(placement) == [cpu_range(0, 19), cpu_range(56, 75)]
    assert placement.idle_cores == (
        IdleCores(
            10,
            cpu_range(20, 29),
            "socket 0: 10 of 30 cores idle: equal instances, one per socket, have 20 cores each; "
            "--cores-per-instance changes it",
        ),
    )
    assert placement.notes == ("this process may use 50 of 112 cores",)


def test_a_much_larger_socket_still_gets_one_instance() -> None:
    host = restrict(SPR.host(), {*range(30), 56})
    placement = plan_placement(host, THROUGHPUT)
    assert slot_cpus(placement) == [(0,), (56,)]
    assert [group.cpus for group in placement.idle_cores] == [cpu_range(1, 29)]
    more = plan_placement(host, replace(THROUGHPUT, instances=3))
    assert slot_cpus(more) == [(0,), (1,), (56,)]


# Sizes and numbers


def test_left_over_cores_are_explained_per_socket() -> None:
    placement = plan_placement(SPR.host(), of_size(13))
    assert len(placement.slots) == 8
    why = "too few for one more instance of 13 cores; --cores-per-instance changes it"
    assert placement.idle_cores == (
        IdleCores(4, cpu_range(52, 55), f"socket 0: 4 of 56 cores idle: {why}"),
        IdleCores(4, cpu_range(108, 111), f"socket 1: 4 of 56 cores idle: {why}"),
    )


def test_an_instance_larger_than_a_socket_needs_permission_to_span() -> None:
    with pytest.raises(PlacementError) as caught:
        plan_placement(SPR.host(), of_size(60))
    assert caught.value.message == (
        "--cores-per-instance 60 does not fit: this host has 112 usable physical cores, "
        "56 of them on its largest socket"
    )
    assert caught.value.advice == (
        "use --cores-per-instance 56 or less, or --span-sockets to let an instance cross sockets"
    )
    placement = plan_placement(SPR.host(), of_size(60, span_sockets=True))
    assert slot_cpus(placement) == [cpu_range(0, 59)]
    assert placement.slots[0].nodes == (0, 1)
    assert placement.idle_cores[0].cpus == cpu_range(60, 111)


@pytest.mark.parametrize("span_sockets", [False, True])
def test_an_instance_larger_than_the_host_never_fits(span_sockets: bool) -> None:
    with pytest.raises(PlacementError) as caught:
        plan_placement(SPR.host(), of_size(113, span_sockets=span_sockets))
    largest = 112 if span_sockets else 56
    assert caught.value.advice == f"use --cores-per-instance {largest} or less"


def test_spanning_uses_only_what_sockets_leave_over() -> None:
    placement = plan_placement(
        Machine(packages=2, nodes=(6,)).host(), of_size(4, span_sockets=True)
    )
    assert slot_cpus(placement) == [(0, 1, 2, 3), (4, 5, 10, 11), (6, 7, 8, 9)]
    assert placement.notes[0] == "instance 1: crosses sockets"
    assert placement.idle_cores == ()


def test_fewer_instances_take_turns_on_sockets_and_nodes() -> None:
    host = SPR_SNC4.host()
    assert slot_cpus(plan_placement(host, of_size(7, instances=3))) == [
        cpu_range(0, 6),
        cpu_range(14, 20),
        cpu_range(56, 62),
    ]
    placement = plan_placement(host, of_size(7, instances=8))
    assert [slot.nodes for slot in placement.slots] == [(node,) for node in range(8)]
    assert [group.reason for group in placement.idle_cores] == [
        f"socket {socket}: 28 of 56 cores idle: --instances 8 leaves them free" for socket in (0, 1)
    ]


def test_as_many_instances_as_fit_may_be_asked_for() -> None:
    assert len(plan_placement(SPR.host(), replace(THROUGHPUT, instances=2)).slots) == 2
    assert len(plan_placement(SPR.host(), of_size(14, instances=8)).slots) == 8


def test_too_many_instances_name_the_most_that_fit() -> None:
    with pytest.raises(PlacementError) as caught:
        plan_placement(SPR.host(), replace(THROUGHPUT, instances=8))
    assert caught.value.message == (
        "--instances 8 does not fit: this host has room for 2 of 56 cores each"
    )
    assert caught.value.advice == "use --instances 2 or less, or --cores-per-instance 14"
    with pytest.raises(PlacementError) as caught:
        plan_placement(SPR.host(), of_size(1, instances=113))
    assert caught.value.advice == "use --instances 112 or less"


@pytest.mark.parametrize(
    ("request_", "flag"),
    [
        (of_size(0), "--cores-per-instance"),
        (of_size(-4), "--cores-per-instance"),
        (replace(THROUGHPUT, instances=0), "--instances"),
    ],
)
def test_less_than_one_is_refused(request_: PlacementRequest, flag: str) -> None:
    with pytest.raises(PlacementError, match=f"^{flag} is (0|-4)$"):
        plan_placement(SPR.host(), request_)


# Memory nodes


def test_instances_stay_inside_nodes_where_as_many_fit() -> None:
    placement = plan_placement(SPR_SNC4.host(), of_size(7))
    assert len(placement.slots) == 16
    assert {len(slot.nodes) for slot in placement.slots} == {1}
    assert placement.notes == ()


def test_instances_cross_nodes_only_for_left_over_cores() -> None:
    placement = plan_placement(SPR_SNC4.host(), of_size(4))
    assert len(placement.slots) == 28
    straddling = [slot.instance for slot in placement.slots if len(slot.nodes) > 1]
    assert [placement.slots[index].cpus for index in straddling[:2]] == [
        (12, 13, 26, 27),
        (40, 41, 54, 55),
    ]
    assert len(straddling) == 4
    assert placement.notes == ("instance 3,10,17,24: straddles memory nodes",)
    assert placement.idle_cores == ()


def test_uneven_nodes_are_packed_one_by_one() -> None:
    placement = plan_placement(GNR_SNC3.host(), of_size(42))
    assert [slot.nodes for slot in placement.slots] == [(node,) for node in range(6)]
    assert [group.cpus for group in placement.idle_cores] == [(42, 85), (170, 213)]


def test_cores_far_from_memory_are_bound_to_all_of_it() -> None:
    machine = Machine(packages=2, nodes=(4, 4), empty_nodes=frozenset({1}), memory_only_nodes=1)
    placement = plan_placement(machine.host(), of_size(4))
    assert [slot.nodes for slot in placement.slots] == [(0,), (0, 2, 3, 4), (2,), (3,)]
    assert placement.notes == (
        "instance 1: has cores on a node without usable memory: bound to all nodes that have it",
    )


def test_memory_that_is_out_of_bounds_is_not_bound_to() -> None:
    host = replace(SPR_SNC4.host(), allowed_nodes=(0, 1, 4))
    placement = plan_placement(host, of_size(14))
    assert [slot.nodes for slot in placement.slots] == [
        (0,), (1,), (0, 1, 4), (0, 1, 4), (4,), (0, 1, 4), (0, 1, 4), (0, 1, 4),
    ]  # fmt: skip
    assert placement.notes == (
        "instance 2-3,5-7: has cores on a node without usable memory: bound to all nodes that "
        "have it",
    )


# Hardware threads


def test_siblings_stay_idle_by_default_and_are_used_when_asked() -> None:
    machine = Machine(nodes=(4,), smt=2, numbering=Numbering.SIBLINGS_ADJACENT)
    assert slot_cpus(plan_placement(machine.host(), THROUGHPUT)) == [(0, 2, 4, 6)]
    (slot,) = plan_placement(machine.host(), replace(THROUGHPUT, use_smt=True)).slots
    assert (slot.cpus, slot.cores, slot.threads) == (cpu_range(0, 7), 4, 8)


def test_a_missing_sibling_keeps_instances_equal() -> None:
    host = restrict(Machine(nodes=(4,), smt=2).host(), set(range(7)))
    placement = plan_placement(host, of_size(2, use_smt=True))
    assert slot_cpus(placement) == [(0, 1), (2, 3)]
    assert placement.notes == (
        "no second hardware thread is usable on every core: one thread per core",
    )


# CPU quota


@pytest.mark.parametrize(
    ("quota", "slots"),
    [
        (56.0, [cpu_range(0, 55)]),
        (4.5, [cpu_range(0, 3)]),
        (60.0, [cpu_range(0, 29), cpu_range(56, 85)]),
        (112.0, [cpu_range(0, 55), cpu_range(56, 111)]),
    ],
)
def test_the_default_size_respects_the_quota(quota: float, slots: list[tuple[int, ...]]) -> None:
    placement = plan_placement(SPR.host(quota_cpus=quota), THROUGHPUT)
    assert slot_cpus(placement) == slots
    assert all("the CPU quota of" in group.reason for group in placement.idle_cores)


def test_a_quota_limits_the_number_of_instances_and_says_so() -> None:
    placement = plan_placement(SPR.host(quota_cpus=13.9), LATENCY)
    assert slot_cpus(placement) == [cpu_range(0, 3), cpu_range(4, 7), cpu_range(56, 59)]
    quota = "the CPU quota of 13.9 CPUs pays for 13 cores"
    assert placement.notes == (quota,)
    assert [group.reason for group in placement.idle_cores] == [
        f"socket 0: 48 of 56 cores idle: {quota}",
        f"socket 1: 52 of 56 cores idle: {quota}",
    ]


def test_a_quota_that_takes_nothing_away_is_not_blamed_for_idle_cores() -> None:
    host = replace(restrict(SPR.host(), {*range(30), *range(56, 76)}), quota_cpus=45.0)
    placement = plan_placement(host, THROUGHPUT)
    assert [len(cpus) for cpus in slot_cpus(placement)] == [20, 20]
    assert "equal instances, one per socket" in placement.idle_cores[0].reason


def test_hardware_threads_count_against_the_quota() -> None:
    placement = plan_placement(SPR.host(quota_cpus=8.0), of_size(2, use_smt=True))
    assert slot_cpus(placement) == [(0, 1, 112, 113), (56, 57, 168, 169)]


def test_less_than_one_cpu_runs_one_core_with_a_warning() -> None:
    placement = plan_placement(Machine(nodes=(2,)).host(quota_cpus=0.5), THROUGHPUT)
    assert slot_cpus(placement) == [(0,)]
    assert placement.notes == (
        "the CPU quota of 0.5 CPUs pays for 1 core",
        "the CPU quota is less than one core: results will be throttled",
    )


def test_a_quota_below_the_size_is_refused() -> None:
    with pytest.raises(PlacementError) as caught:
        plan_placement(SPR.host(quota_cpus=2.5), LATENCY)
    assert caught.value.message.endswith(", and the CPU quota of 2.5 CPUs pays for 2 cores")
    assert (caught.value.advice or "").startswith("--cores-per-instance 2 runs it anyway")


# Memory


@pytest.mark.parametrize(
    ("bytes_per_instance", "cores"),
    [(GIB // 2, 1), (GIB, 2), (4 * GIB, 7), (32 * GIB, 29), (33 * GIB, None), (65 * GIB, None)],
)
def test_memory_sets_the_fewest_cores_per_instance(
    bytes_per_instance: int, cores: int | None
) -> None:
    host = SPR.host(available_bytes=64 * GIB)
    assert plan_cores_per_instance_that_fits(host, bytes_per_instance, THROUGHPUT) == cores


def test_the_memory_limit_counts_if_it_is_less() -> None:
    host = replace(SPR.host(available_bytes=64 * GIB), memory_limit_bytes=32 * GIB)
    assert plan_cores_per_instance_that_fits(host, 4 * GIB, THROUGHPUT) == 12
    host = replace(host, memory_limit_bytes=640 * GIB)
    assert plan_cores_per_instance_that_fits(host, 4 * GIB, THROUGHPUT) == 7


def test_one_instance_may_fit_only_across_sockets() -> None:
    host = SPR.host(available_bytes=64 * GIB)
    request = replace(THROUGHPUT, span_sockets=True)
    assert plan_cores_per_instance_that_fits(host, 33 * GIB, request) == 57


def test_a_fixed_number_of_instances_needs_its_memory() -> None:
    host = SPR.host(available_bytes=64 * GIB)
    request = replace(THROUGHPUT, instances=4)
    assert plan_cores_per_instance_that_fits(host, 16 * GIB, request) == 1
    assert plan_cores_per_instance_that_fits(host, 17 * GIB, request) is None


def test_a_placement_survives_a_json_record() -> None:
    placement = plan_placement(SPR_SNC4.host(), of_size(5))
    document = msgspec.json.encode(msgspec.to_builtins(placement))
    assert msgspec.convert(msgspec.json.decode(document), Placement) == placement


# Properties of any placement


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    nodes = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)))
    efficient = draw(st.integers(0, sum(nodes) - 1))
    machine = Machine(
        packages=draw(st.integers(1, 4)),
        nodes=nodes,
        smt=draw(st.integers(1, 2)),
        efficient=efficient,
        low_power=draw(st.integers(0, sum(nodes) - 1 - efficient)) if efficient else 0,
        kinds_by=draw(st.sampled_from(["counters", ""])),
        numbering=draw(st.sampled_from(Numbering)),
        empty_nodes=draw(st.frozensets(st.integers(0, 3), max_size=2)),
        unlisted_nodes=draw(st.frozensets(st.integers(0, 3), max_size=1)),
        hole=(draw(st.integers(0, 9)), draw(st.integers(0, 99))),
    )
    quota = draw(st.none() | st.floats(0.1, 120))
    host = machine.host(quota_cpus=quota)
    hidden = draw(st.frozensets(st.sampled_from(host.allowed_cpus)))
    kept = restrict(host, set(host.allowed_cpus) - hidden)
    return kept if kept.cores else host


requests = st.builds(
    PlacementRequest,
    mode=st.sampled_from(Mode),
    cores_per_instance=st.none() | st.integers(1, 9),
    instances=st.none() | st.integers(1, 12),
    use_smt=st.booleans(),
    span_sockets=st.booleans(),
    per_socket=st.none() | st.integers(1, 3),
    core_kind=st.none() | st.sampled_from(CoreKind),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(hosts(), requests)
def test_every_placement_is_sound(host: Host, request_: PlacementRequest) -> None:
    try:
        placement = plan_placement(host, request_)
    except PlacementError as error:
        assert error.advice
        return
    core_of = {cpu: core for core in host.cores for cpu in core.cpus}
    pinned = [cpu for slot in placement.slots for cpu in slot.cpus]
    idle = [cpu for group in placement.idle_cores for cpu in group.cpus]
    assert len(set(pinned + idle)) == len(pinned + idle)
    assert set(pinned + idle) <= set(core_of)
    used_cores, idle_cores = ({core_of[cpu] for cpu in cpus} for cpus in (pinned, idle))
    assert used_cores.isdisjoint(idle_cores)
    assert used_cores | idle_cores == set(host.cores)
    assert sum(group.cores for group in placement.idle_cores) == len(idle_cores)
    assert {slot.cores for slot in placement.slots} == {placement.cores_per_instance}
    assert len({slot.threads for slot in placement.slots}) == 1
    assert [slot.instance for slot in placement.slots] == list(range(len(placement.slots)))
    assert request_.per_socket or request_.instances in {None, len(placement.slots)}
    for slot in placement.slots:
        cores = {core_of[cpu] for cpu in slot.cpus}
        assert len(cores) == slot.cores
        assert {core.kind for core in cores} == {slot.core_kind}
        assert slot.threads == len(slot.cpus)
        assert slot.sockets == tuple(sorted({core.socket for core in cores}))
        assert request_.span_sockets or len(slot.sockets) == 1
        assert request_.use_smt or slot.cpus == tuple(sorted(core.cpus[0] for core in cores))
    assert host.quota_cpus is None or len(pinned) <= max(1, host.quota_cpus) or len(used_cores) == 1
    assert render_placement(host, placement)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(hosts(), st.integers(1, 9))
def test_as_many_instances_as_possible_stay_inside_a_node(host: Host, size: int) -> None:
    kind = (host.core_kinds or (None,))[0]
    of_kind = tuple(core for core in host.cores if core.kind is kind)
    host = replace(host, quota_cpus=None, cores=of_kind)
    sizes: dict[tuple[int, int], int] = {}
    for core in host.cores:
        sizes[core.socket, core.node] = sizes.get((core.socket, core.node), 0) + 1
    per_socket = [host.cores_per_socket(socket) // size for socket in host.sockets]
    if not any(per_socket):
        with pytest.raises(PlacementError):
            plan_placement(host, of_size(size))
        return
    placement = plan_placement(host, of_size(size))
    node_of = {cpu: core.node for core in host.cores for cpu in core.cpus}
    inside = [slot for slot in placement.slots if len({node_of[cpu] for cpu in slot.cpus}) == 1]
    assert len(placement.slots) == sum(per_socket)
    assert len(inside) == sum(count // size for count in sizes.values())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(hosts(), requests, st.integers(1, 70))
def test_the_suggested_size_is_the_first_whose_memory_fits(
    host: Host, request_: PlacementRequest, bytes_in_gib: int
) -> None:
    wanted = bytes_in_gib * GIB
    kind = request_.core_kind if request_.core_kind in {*host.core_kinds, CoreKind.ANY} else None
    request_ = replace(request_, per_socket=None, core_kind=kind)
    suggested = plan_cores_per_instance_that_fits(host, wanted, request_)
    fitting = []
    for size in range(1, len(host.cores) + 1):
        try:
            placement = plan_placement(host, replace(request_, cores_per_instance=size))
        except PlacementError:
            continue
        if len(placement.slots) * wanted <= host.memory_available_bytes:
            fitting.append(size)
    assert suggested == (fitting[0] if fitting else None)


class TestPerSocket:
    @pytest.mark.parametrize("mode", [Mode.THROUGHPUT, Mode.LATENCY])
    def test_they_share_every_socket_evenly(self, mode):
        placement = plan_placement(SPR.host(), PlacementRequest(mode, per_socket=4))
        assert placement.cores_per_instance == 14
        assert [slot.sockets for slot in placement.slots] == [(0,)] * 4 + [(1,)] * 4
        assert placement.slots[1].cpus == cpu_range(14, 27)
        assert placement.idle_cores == ()

    def test_one_is_a_whole_socket(self):
        placement = plan_placement(SPR.host(), PlacementRequest(Mode.LATENCY, per_socket=1))
        assert [slot.cores for slot in placement.slots] == [56, 56]

    def test_cores_that_cannot_be_divided_are_idle_and_named(self):
        placement = plan_placement(SPR.host(), PlacementRequest(Mode.THROUGHPUT, per_socket=5))
        assert placement.cores_per_instance == 11
        assert [idle.reason for idle in placement.idle_cores] == [
            f"socket {socket}: 1 of 56 cores idle: equal instances, 5 per socket, have 11 cores "
            "each; --cores-per-instance changes it"
            for socket in (0, 1)
        ]

    def test_a_size_leaves_the_rest_free(self):
        request = of_size(4, per_socket=2)
        placement = plan_placement(SPR.host(), request)
        assert [slot.sockets for slot in placement.slots] == [(0,), (0,), (1,), (1,)]
        assert placement.idle_cores[0].reason == (
            "socket 0: 48 of 56 cores idle: --num-mpi 2 leaves them free"
        )

    @pytest.mark.parametrize(
        ("request_", "message", "advice"),
        [
            (
                PlacementRequest(Mode.THROUGHPUT, per_socket=57),
                "--num-mpi 57 does not fit: 56 usable cores per socket",
                "use --num-mpi 56 or less",
            ),
            (
                of_size(20, per_socket=3),
                "--num-mpi 3 does not fit: a socket of this host has room for 2 of 20 cores each",
                "use --num-mpi 2 or less, or a smaller --cores-per-instance",
            ),
        ],
    )
    def test_more_than_fit_are_refused(self, request_, message, advice):
        with pytest.raises(PlacementError) as caught:
            plan_placement(SPR.host(), request_)
        assert (caught.value.message, caught.value.advice) == (message, advice)

    def test_the_smallest_socket_counts(self):
        host = restrict(Machine(packages=2, nodes=(8,)).host(), set(range(12)))
        placement = plan_placement(host, PlacementRequest(Mode.THROUGHPUT, per_socket=2))
        assert [slot.cpus for slot in placement.slots] == [(0, 1), (2, 3), (8, 9), (10, 11)]


class TestCoreKinds:
    HYBRID = Machine(nodes=(16,), smt=2, efficient=8)

    def test_p_cores_are_used_unless_told(self):
        placement = plan_placement(self.HYBRID.host(), THROUGHPUT)
        assert slot_cpus(placement) == [tuple(range(0, 16, 2))]
        assert placement.slots[0].core_kind is CoreKind.P
        assert [idle.cpus for idle in placement.idle_cores] == [cpu_range(16, 23)]

    def test_fewer_instances_of_any_kind_are_on_the_fastest_first(self):
        request = of_size(4, core_kind=CoreKind.ANY, instances=3)
        placement = plan_placement(self.HYBRID.host(), request)
        assert [slot.core_kind for slot in placement.slots] == [CoreKind.P] * 2 + [CoreKind.E]

    def test_sockets_are_crossed_within_one_kind_only(self):
        host = Machine(packages=2, nodes=(6,), efficient=3).host()
        request = of_size(4, core_kind=CoreKind.ANY, span_sockets=True)
        placement = plan_placement(host, request)
        assert [(slot.sockets, slot.core_kind) for slot in placement.slots] == [
            ((0, 1), CoreKind.P), ((0, 1), CoreKind.E),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("machine", "request_", "message", "advice"),
        [
            (
                Machine(nodes=(4,)),
                of_size(1, core_kind=CoreKind.E),
                "--core-kind e: this host's cores are of one kind, as far as the kernel tells",
                "leave --core-kind out",
            ),
            (
                HYBRID,
                of_size(1, core_kind=CoreKind.LP),
                "--core-kind lp: this process may use P and E cores of this host and no other kind",
                "use --core-kind p, e or any, or leave it out",
            ),
            (
                Machine(nodes=(6,), efficient=4),
                of_size(3),
                "--cores-per-instance 3 does not fit: this host has 2 usable physical P cores",
                "use --cores-per-instance 2 or less, or --core-kind e, of which there are more cores",
            ),
            (
                Machine(nodes=(6,), efficient=4),
                of_size(5, core_kind=CoreKind.ANY),
                "--cores-per-instance 5 does not fit: this host has 6 usable physical cores of 2 "
                "kinds, at most 4 of one kind on a socket",
                "use --cores-per-instance 4 or less",
            ),
        ],
    )
    def test_what_there_is_not_is_refused(self, machine, request_, message, advice):
        with pytest.raises(PlacementError) as caught:
            plan_placement(machine.host(), request_)
        assert (caught.value.message, caught.value.advice) == (message, advice)

    def test_where_no_kind_is_known_all_cores_are_of_the_fastest(self):
        host = Machine(nodes=(4,)).host()
        asked = plan_placement(host, replace(THROUGHPUT, core_kind=CoreKind.P))
        assert asked == plan_placement(host, THROUGHPUT)


def test_a_quota_is_named_where_it_leaves_no_room_for_mpi() -> None:
    host = Machine(packages=2, nodes=(8,)).host(quota_cpus=3.5)
    with pytest.raises(PlacementError, match="room for 0 of 3 cores each, and the CPU quota"):
        plan_placement(host, of_size(3, per_socket=1))
