from __future__ import annotations

from dataclasses import replace

from tests.hosts.synthetic import GENOA_NPS4, GIB, SPR, Machine, Numbering

from resnet50_bench.config import CoreKind, Mode, Precision, RunConfig
from resnet50_bench.host.machine import Core, Host
from resnet50_bench.host.specs import describe_host
from resnet50_bench.placement.layout import plan_layout
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.report.terminal.host import list_host_rows, render_nodes
from resnet50_bench.report.terminal.placement_map import describe_instances, render_placement

THROUGHPUT = PlacementRequest(Mode.THROUGHPUT)


def of_size(cores: int, **asked: object) -> PlacementRequest:
    return replace(PlacementRequest(Mode.THROUGHPUT, cores), **asked)


def draw(host: Host, request: PlacementRequest) -> list[str]:
    return render_placement(host, plan_placement(host, request))


def restrict(host: Host, cpus: set[int]) -> Host:
    """The host as a container sees it that may use these CPUs only."""
    kept = (
        Core(tuple(cpu for cpu in core.cpus if cpu in cpus), core.socket, core.node)
        for core in host.cores
    )
    return replace(
        host, cores=tuple(core for core in kept if core.cpus), allowed_cpus=tuple(sorted(cpus))
    )


def test_a_small_machine() -> None:
    assert draw(Machine(nodes=(2,)).host(), THROUGHPUT) == [
        "socket 0  node 0  cpus 0-1  instance 0 (0-1)",
    ]


def test_instances_siblings_idle_cores_and_why() -> None:
    host = Machine(packages=2, nodes=(5, 5), smt=2).host()
    few = "too few for one more instance of 4 cores; --cores-per-instance changes it"
    assert draw(host, of_size(4, instances=3)) == [
        "socket 0  node 0  cpus 0-4    siblings 20-24  instance 0 (0-3), idle (4)",
        "socket 0  node 1  cpus 5-9    siblings 25-29  instance 1 (5-8), idle (9)",
        "socket 1  node 2  cpus 10-14  siblings 30-34  instance 2 (10-13), idle (14)",
        "socket 1  node 3  cpus 15-19  siblings 35-39  idle (15-19)",
        f"socket 0: 2 of 10 cores idle: {few}",
        f"socket 1: 2 of 10 cores idle: {few}",
        "socket 1: 4 of 10 cores idle: --instances 3 leaves them free",
        "siblings 20-23,25-28,30-33 idle: one thread per core; --smt uses all of a core",
    ]


def test_hardware_threads_at_work_and_straddling_instances() -> None:
    host = Machine(nodes=(3, 3), smt=2).host()
    assert draw(host, of_size(2, use_smt=True)) == [
        "socket 0  node 0  cpus 0-2  siblings 6-8   instance 0 (0-1,6-7), part of 1 (2,8)",
        "socket 0  node 1  cpus 3-5  siblings 9-11  instance 2 (3-4,9-10), part of 1 (5,11)",
        "instance 1: straddles memory nodes",
    ]


def test_an_instance_larger_than_a_node() -> None:
    host = Machine(nodes=(3, 3)).host()
    few = "too few for one more instance of 5 cores; --cores-per-instance changes it"
    assert draw(host, of_size(5)) == [
        "socket 0  node 0  cpus 0-2  part of instance 0 (0-2)",
        "socket 0  node 1  cpus 3-5  part of instance 0 (3-4), idle (5)",
        f"socket 0: 1 of 6 cores idle: {few}",
        "instance 0: straddles memory nodes",
    ]


def test_many_instances_are_ranges_on_every_line() -> None:
    assert draw(describe_host("2x128x2"), of_size(4, instances=64)) == [
        "socket 0  node 0  cpus 0-127    siblings 256-383  instance 0-31 (0-127)",
        "socket 1  node 1  cpus 128-255  siblings 384-511  instance 32-63 (128-255)",
        "siblings 256-511 idle: one thread per core; --smt uses all of a core",
    ]
    lines = draw(GENOA_NPS4.host(), of_size(5))
    assert lines[0].endswith("instance 0-3 (0-19), part of 4 (20-23)")
    assert lines[1].endswith("instance 5-8 (24-43), part of 4,9 (44-47)")
    assert len(lines) == 8 + 2 + 1 + 1
    assert max(map(len, lines)) < 120


def test_sixteen_sockets_of_a_thousand_instances_fit_a_screen() -> None:
    lines = draw(describe_host("16x64x2 snc2"), of_size(1, instances=1000))
    assert len(lines) == 32 + 16 + 1  # nodes, sockets with idle cores, siblings
    assert max(map(len, lines)) < 120


def test_interleaved_numbers_do_not_fill_the_screen() -> None:
    host = replace(SPR, numbering=Numbering.SOCKETS_INTERLEAVED).host()
    assert draw(host, THROUGHPUT)[:2] == [
        "socket 0  node 0  cpus 56 of 0-110  siblings 56 of 112-222  instance 0 (56 of 0-110)",
        "socket 1  node 1  cpus 56 of 1-111  siblings 56 of 113-223  instance 1 (56 of 1-111)",
    ]


def test_what_a_container_forbids_is_on_the_map() -> None:
    machine = Machine(packages=2, nodes=(4, 4), memory_only_nodes=1)
    host = replace(restrict(machine.host(), {0, 1, 2, 4}), quota_cpus=2.5)
    assert draw(host, of_size(1)) == [
        "socket 0  node 0  cpus 0-2  instance 0 (0), idle (1-2), not allowed (3)",
        "socket 0  node 1  cpus 4    instance 1 (4), not allowed (5-7)",
        "          node 2            not allowed (8-11)",
        "          node 3            not allowed (12-15)",
        "          node 4            no cores, 64.0 GiB",
        "socket 0: 2 of 4 cores idle: the CPU quota of 2.5 CPUs pays for 2 cores",
        "this process may use 4 of 16 cores",
    ]


def test_a_quota_that_leaves_nothing_idle_is_on_the_map() -> None:
    host = Machine(nodes=(1,)).host(quota_cpus=0.5)
    assert draw(host, THROUGHPUT) == [
        "socket 0  node 0  cpus 0  instance 0 (0)",
        "the CPU quota of 0.5 CPUs pays for 1 core",
        "the CPU quota is less than one core: results will be throttled",
    ]


def test_instances_in_one_line() -> None:
    one = plan_placement(Machine(nodes=(1,)).host(), THROUGHPUT)
    assert describe_instances(one) == "1 x 1 core, 1 thread each"
    both = plan_placement(SPR.host(), replace(of_size(14), use_smt=True))
    assert describe_instances(both) == "8 x 14 cores, 28 threads each"


def test_a_host_with_every_limit() -> None:
    machine = Machine(packages=2, nodes=(4,), smt=2)
    host = replace(
        restrict(machine.host(), {0, 1, 8, 9}),
        quota_cpus=1.5,
        memory_limit_bytes=2 * GIB,
        allowed_nodes=(0,),
        virtualization="hypervisor",
        turbo=False,
    )
    assert list_host_rows(host) == [
        ("Host", "synthetic, kernel 6.1.0"),
        ("CPU", "Synthetic CPU"),
        ("Cores", "2 of 8 usable, on 1 of 2 sockets, 2 hardware threads each"),
        ("Memory", "64.0 GiB on 2 memory nodes"),
        (
            "Limits",
            "CPUs 0-1,8-9 allowed, 4 of 16 online; CPU quota 1.5; memory 2.0 GiB; memory of node "
            "0 only",
        ),
        ("Turbo", "off"),
        ("Hypervisor", "yes, unnamed"),
    ]
    assert render_nodes(host) == [
        "socket 0  node 0  cpus 0-1  siblings 8-9  64.0 GiB, not allowed (2-3,10-11)",
        "          node 1                          not allowed (4-7,12-15)",
    ]


def test_a_described_host_claims_nothing() -> None:
    rows = dict(list_host_rows(describe_host("1x8")))
    assert rows == {
        "Host": "1x8",
        "CPU": "unknown",
        "Cores": "8 of 8 usable, on 1 of 1 socket, 1 hardware thread each",
        "Memory": "size unknown, on 1 memory node",
        "Limits": "none",
    }
    assert render_nodes(describe_host("1x8")) == ["socket 0  node 0  cpus 0-7  size unknown"]


def test_streams_that_share_weights_are_listed_with_their_cpus():
    host = describe_host("2x4x2")
    config = RunConfig(
        precision=Precision.AVX_INT8, weight_sharing=True, cores_per_instance=2, batch_size=8
    )
    placement = plan_layout(config, host)
    assert describe_instances(placement) == "2 x 4 cores, 4 threads each, in 2 streams of 2 threads"
    lines = render_placement(host, placement)
    assert "streams of instance 0: 0 (0-1), 1 (2-3)" in lines
    assert "streams of instance 1: 0 (4-5), 1 (6-7)" in lines


def test_a_hybrid_cpu_has_a_line_for_each_kind_of_core() -> None:
    host = Machine(nodes=(6,), smt=2, efficient=3, low_power=1).host()
    assert draw(host, of_size(1, core_kind=CoreKind.E, instances=2)) == [
        "socket 0  node 0  P cores     cpus 0,2  siblings 1,3  idle (0,2)",
        "socket 0  node 0  E cores     cpus 4-6                instance 0 (4), 1 (5), idle (6)",
        "socket 0  node 0  LP-E cores  cpus 7                  idle (7)",
        "socket 0: 1 of 3 E cores idle: --instances 2 leaves them free",
        "socket 0: 2 P cores idle: instances are on E cores; --core-kind p uses these instead, "
        "--core-kind any uses all",
        "socket 0: 1 LP-E core idle: instances are on E cores; --core-kind lp uses these instead, "
        "--core-kind any uses all",
    ]
    placement = plan_placement(host, of_size(1, core_kind=CoreKind.E))
    assert describe_instances(placement) == "3 x 1 E core, 1 thread each"
    assert dict(list_host_rows(host))["Cores"] == (
        "6 of 6 usable, on 1 of 1 socket: 2 P with 2 hardware threads each, "
        "3 E with 1 hardware thread each, 1 LP-E with 1 hardware thread each"
    )


def test_nodes_that_share_cpus_and_cpus_of_no_node_are_told() -> None:
    shared = Machine(nodes=(2,), emulated_nodes=2).host()
    assert draw(shared, THROUGHPUT) == [
        "socket 0  node 0  cpus 0-1  instance 0 (0-1)",
        "          node 1            the same CPUs as node 0",
    ]
    unlisted = Machine(packages=2, nodes=(2,), unlisted_nodes=frozenset({1})).host()
    assert draw(unlisted, THROUGHPUT) == [
        "socket 0  node 0   cpus 0-1  instance 0 (0-1)",
        "socket 1  no node  cpus 2-3  instance 1 (2-3)",
        "instance 1: has CPUs that no memory node lists: bound to all nodes that have memory",
    ]
