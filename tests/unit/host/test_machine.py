from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hosts.synthetic import (
    CGROUPS,
    GENOA_NPS4,
    GIB,
    GNR_SNC3,
    SPR,
    SPR_SNC4,
    SRF,
    Machine,
    Numbering,
    write_files,
    write_host,
)

from resnet50_bench.errors import HostError
from resnet50_bench.host.cgroups import read_oom_kills
from resnet50_bench.host.kernel_files import parse_cpu_list
from resnet50_bench.host.machine import (
    Core,
    Host,
    Node,
    format_cpu_list,
    read_host,
)

if TYPE_CHECKING:
    from pathlib import Path

TOPOLOGY = "sys/devices/system/cpu/cpu{}/topology"


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,8\n", (0, 1, 2, 3, 8)),
        ("0-1\n\0\0", (0, 1)),
        ("0,2,4\0", (0, 2, 4)),
        ("\n", ()),
        ("", ()),
        ("5", (5,)),
        ("8,0-1,1", (0, 1, 8)),
    ],
)
def test_a_cpu_list_is_parsed(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpu_list(text) == cpus


@pytest.mark.parametrize("text", ["3-1", "a", "1-", "-1", "1-2-3", "0x3", "1 2"])
def test_what_is_no_cpu_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a CPU list"):
        parse_cpu_list(text)


def test_a_cpu_list_is_formatted_as_ranges() -> None:
    assert format_cpu_list((0, 1, 2, 8)) == "0-2,8"
    assert format_cpu_list((8, 1, 0, 2)) == "0-2,8"
    assert format_cpu_list((4, 6)) == "4,6"
    assert format_cpu_list(()) == ""


@given(st.frozensets(st.integers(0, 2000)))
def test_a_formatted_list_is_parsed_back(cpus: frozenset[int]) -> None:
    assert parse_cpu_list(format_cpu_list(tuple(cpus))) == tuple(sorted(cpus))


@pytest.mark.parametrize(
    ("machine", "counts"),
    [
        (SPR, (2, 112, 224, 2)),
        (SPR_SNC4, (2, 112, 224, 8)),
        (GENOA_NPS4, (2, 192, 384, 8)),
        (SRF, (2, 288, 288, 2)),
        (GNR_SNC3, (2, 256, 512, 6)),
        (Machine(nodes=(1,)), (1, 1, 1, 1)),
    ],
    ids=["spr", "spr-snc4", "genoa-nps4", "srf", "gnr-snc3", "one-core"],
)
def test_big_and_small_machines_are_read(
    tmp_path: Path, machine: Machine, counts: tuple[int, int, int, int]
) -> None:
    sockets, cores, cpus, nodes = counts
    host = read_host(write_host(tmp_path, machine))
    assert (host.total_sockets, host.total_cores, host.online_cpus) == (sockets, cores, cpus)
    assert (len(host.sockets), host.physical_cores, len(host.allowed_cpus)) == (
        sockets,
        cores,
        cpus,
    )
    assert len(host.nodes) == nodes
    assert host.cores == machine.cores()
    assert host.nodes == machine.memory_nodes()
    assert [host.cores_per_socket(socket) for socket in host.sockets] == [
        cores // sockets
    ] * sockets
    assert host.smt is (cpus > cores)


def test_threads_of_a_core_are_found_in_every_numbering(tmp_path: Path) -> None:
    expected = {
        Numbering.SIBLINGS_LAST: [((0, 4), 0), ((1, 5), 0), ((2, 6), 1), ((3, 7), 1)],
        Numbering.SOCKETS_INTERLEAVED: [((0, 4), 0), ((2, 6), 0), ((1, 5), 1), ((3, 7), 1)],
        Numbering.SIBLINGS_ADJACENT: [((0, 1), 0), ((2, 3), 0), ((4, 5), 1), ((6, 7), 1)],
    }
    for numbering, cores in expected.items():
        machine = Machine(packages=2, nodes=(2,), smt=2, numbering=numbering)
        host = read_host(write_host(tmp_path / numbering.name, machine))
        assert [(core.cpus, core.socket) for core in host.cores] == cores
        assert [core.node for core in host.cores] == [0, 0, 1, 1]


def test_uneven_nodes_keep_their_cores(tmp_path: Path) -> None:
    host = read_host(write_host(tmp_path, GNR_SNC3))
    counts = [sum(core.node == node.id for core in host.cores) for node in host.nodes]
    assert counts == [43, 43, 42, 43, 43, 42]


@pytest.mark.parametrize(
    "names",
    [("core_cpus_list",), ("thread_siblings_list",), ("core_cpus",), ("thread_siblings",)],
)
def test_each_sibling_file_is_enough(tmp_path: Path, names: tuple[str, ...]) -> None:
    machine = Machine(nodes=(40,), smt=2, sibling_files=names)
    assert read_host(write_host(tmp_path, machine)).cores == machine.cores()


def test_without_sibling_files_each_cpu_is_a_core(tmp_path: Path) -> None:
    host = read_host(write_host(tmp_path, Machine(nodes=(2,), smt=2, sibling_files=())))
    assert [core.cpus for core in host.cores] == [(0,), (1,), (2,), (3,)]
    assert host.smt is False


def test_trailing_nuls_are_ignored(tmp_path: Path) -> None:
    machine = Machine(packages=2, nodes=(2, 2), smt=2, nul="\0\0\0")
    host = read_host(write_host(tmp_path, machine))
    assert host.cores == machine.cores()
    assert host.nodes == machine.memory_nodes()


@pytest.mark.parametrize(
    ("offline", "cores", "smt"),
    [
        ({0}, [(4,), (1, 5), (2, 6), (3, 7)], True),
        ({4, 5, 6, 7}, [(0,), (1,), (2,), (3,)], False),
        ({1, 5, 6}, [(0, 4), (2,), (3, 7)], True),
    ],
)
def test_offline_cpus_do_not_count(
    tmp_path: Path, offline: set[int], cores: list[tuple[int, ...]], smt: bool
) -> None:
    host = read_host(write_host(tmp_path, Machine(nodes=(4,), smt=2, offline=frozenset(offline))))
    assert sorted(core.cpus for core in host.cores) == sorted(cores)
    assert host.online_cpus == 8 - len(offline)
    assert host.smt is smt


def test_without_the_online_list_each_cpu_is_asked(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine(nodes=(4,), offline=frozenset({2})))
    (root / "sys/devices/system/cpu/online").unlink()
    (root / "sys/devices/system/cpu/cpufreq").mkdir()
    assert read_host(root).allowed_cpus == (0, 1, 3)


def test_package_ids_may_be_sparse_or_absent(tmp_path: Path) -> None:
    sparse = read_host(write_host(tmp_path / "a", Machine(packages=2, package_ids=(0, 36))))
    assert sparse.sockets == (0, 36)
    assert sparse.cores_per_socket(36) == 2
    assert sparse.cores_per_socket(1) == 0
    unknown = read_host(write_host(tmp_path / "b", Machine(package_ids=(-1,))))
    assert unknown.sockets == (0,)
    root = write_host(tmp_path / "c", Machine())
    (root / TOPOLOGY.format(0) / "physical_package_id").unlink()
    assert read_host(root).sockets == (0,)


def test_nodes_without_cpus_are_kept(tmp_path: Path) -> None:
    host = read_host(write_host(tmp_path, Machine(packages=2, memory_only_nodes=2)))
    assert host.nodes[1:] == (
        Node(1, (2, 3), 64 * GIB),
        Node(2, (), 64 * GIB),
        Node(3, (), 64 * GIB),
    )


def test_a_machine_without_nodes_has_one(tmp_path: Path) -> None:
    host = read_host(write_host(tmp_path, Machine(packages=2, has_nodes=False)))
    assert host.nodes == (Node(0, (0, 1, 2, 3), 64 * GIB),)
    assert {core.node for core in host.cores} == {0}


def test_a_node_may_have_only_a_mask(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine(packages=2, nodes=(2,)))
    node = root / "sys/devices/system/node/node1"
    (node / "cpulist").unlink()
    (node / "cpumap").write_text("00000000,0000000c\n")
    assert read_host(root).nodes[1].cpus == (2, 3)


def test_a_cpu_of_a_missing_node_is_near_none(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine(packages=2, nodes=(2,)))
    shutil.rmtree(root / "sys/devices/system/node/node1")
    assert [core.node for core in read_host(root).cores] == [0, 0, None, None]


def test_a_cpu_in_two_nodes_belongs_to_the_lower_and_is_near_both(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine(packages=2, nodes=(2,)))
    node = root / "sys/devices/system/node/node0/cpulist"
    node.write_text("0-2\n")
    host = read_host(root)
    assert [core.node for core in host.cores] == [0, 0, 0, 1]
    assert [node.cpus for node in host.nodes] == [(0, 1, 2), (2, 3)]


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"cpu2/topology/core_cpus_list": "2-3"}, "CPU 0 has CPUs 0,2 as its core, and CPU 2 has 2-3"),
        ({"cpu0/topology/core_cpus_list": "0-2"}, "CPU 0 has CPUs 0-2 as its core, and CPU 1 has 1,3"),
        ({"cpu0/topology/core_cpus_list": "1,3"}, "CPU 0 has CPUs 1,3 as its core, and CPU 1 has 1,3"),
        ({"cpu2/topology/physical_package_id": "1"}, "CPUs 0,2 as one core, and that core on sockets 0-1"),
    ],
)  # fmt: skip
def test_cpus_that_disagree_about_their_core_are_refused(
    tmp_path: Path, edits: dict[str, str], message: str
) -> None:
    root = write_host(tmp_path, Machine(nodes=(2,), smt=2))
    write_files(root / "sys/devices/system/cpu", edits)
    with pytest.raises(HostError, match=re.escape(message)) as caught:
        read_host(root)
    assert "no placement on such a topology could be believed" in (caught.value.advice or "")
    assert caught.value.exit_code == 3


def test_numbers_may_have_holes(tmp_path: Path) -> None:
    machine = Machine(packages=2, nodes=(3,), smt=2, hole=(2, 1000))
    host = read_host(write_host(tmp_path, machine))
    assert host.cores == machine.cores()
    assert host.allowed_cpus == (0, 1, *range(1002, 1012))


def test_an_explicit_mask_limits_cores_and_threads(tmp_path: Path) -> None:
    root = write_host(tmp_path, SPR)
    host = read_host(root, allowed=frozenset({1, 57, 112, 113, 900}))
    assert host.cores == (Core((1, 113), 0, 0), Core((112,), 0, 0), Core((57,), 1, 1))
    assert host.allowed_cpus == (1, 57, 112, 113)
    assert (host.total_sockets, host.total_cores, host.online_cpus) == (2, 112, 224)
    assert host.smt is True


def test_a_mask_of_absent_cpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="none of the online CPUs 0-1 is allowed") as caught:
        read_host(write_host(tmp_path, Machine()), allowed=frozenset({7}))
    assert "--cpuset-cpus" in (caught.value.advice or "")


@pytest.mark.parametrize("files", CGROUPS.values(), ids=CGROUPS)
def test_the_limits_of_a_container_are_read(tmp_path: Path, files: dict[str, str]) -> None:
    root = write_host(tmp_path, Machine(nodes=(4,)))
    write_files(root, files)
    host = read_host(root)
    assert host.allowed_cpus == (0, 1)
    assert host.total_cores == 4
    assert host.quota_cpus == 1.5
    assert host.memory_limit_bytes == 2 * GIB
    assert read_oom_kills(root) == 2


def test_no_limit_of_cgroup_v1_is_none(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    limit = "sys/fs/cgroup/memory/memory.limit_in_bytes"
    write_files(root, {"proc/self/cgroup": "3:memory:/\n", limit: "9223372036854771712\n"})
    assert read_host(root).memory_limit_bytes is None


def test_controllers_may_be_on_the_v2_side_of_a_hybrid(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    quota = "sys/fs/cgroup/unified/a/cpu.max"
    write_files(root, {"proc/self/cgroup": "3:memory:/\n0::/a/b\n", quota: "50000 100000\n"})
    assert read_host(root).quota_cpus is None
    (root / "sys/fs/cgroup/unified/a/b").mkdir()
    assert read_host(root).quota_cpus == 0.5


def test_an_inner_cpuset_wins_and_an_empty_one_does_not(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine(nodes=(4,)))
    cgroup = "sys/fs/cgroup/cpuset/"
    write_files(root, {"proc/self/cgroup": "1:cpuset:/a/b\n", f"{cgroup}a/b/cpuset.cpus": "3\n"})
    write_files(root, {f"{cgroup}a/cpuset.cpus": "2-3\n", f"{cgroup}cpuset.cpus": "0-3\n"})
    assert read_host(root).allowed_cpus == (3,)
    assert read_host(root, allowed=frozenset({0})).allowed_cpus == (0,)
    (root / f"{cgroup}a/b/cpuset.cpus").write_text("\n")
    assert read_host(root).allowed_cpus == (2, 3)


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/pod\n", "sys/fs/cgroup/pod/cpuset.mems.effective"),
        ("3:cpuset:/pod\n", "sys/fs/cgroup/cpuset/pod/cpuset.mems"),
    ],
    ids=["v2", "v1"],
)
def test_memory_nodes_of_a_cpuset_are_read(tmp_path: Path, membership: str, file: str) -> None:
    root = write_host(tmp_path, Machine(packages=3))
    write_files(root, {"proc/self/cgroup": membership, file: "0,2\n"})
    assert read_host(root).allowed_nodes == (0, 2)
    (root / file).write_text("0-2\n")
    assert read_host(root).allowed_nodes is None
    (root / file).write_text("\n")
    assert read_host(root).allowed_nodes is None


def test_a_machine_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    host = read_host(root)
    assert host.quota_cpus is None
    assert host.memory_limit_bytes is None
    assert host.allowed_nodes is None
    assert read_oom_kills(root) == 0
    write_files(root, {"proc/vmstat": "nr_free_pages 1\noom_kill 9\n"})
    assert read_oom_kills(root) == 9


def test_settings_that_matter_are_read(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    write_files(
        root,
        {
            "proc/sys/kernel/hostname": "bench-1\n",
            "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
            "proc/sys/kernel/numa_balancing": "1\n",
            "proc/loadavg": "0.52 0.40 0.30 1/100 1234\n",
            "proc/cpuinfo": "model name\t: Some CPU @ 2.0GHz\nflags\t: vmx hypervisor avx2\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "1\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "sys/class/dmi/id/sys_vendor": "QEMU\n",
        },
    )
    host = read_host(root)
    assert (host.hostname, host.kernel) == ("bench-1", "6.1.0-28-amd64")
    assert (host.cpu_model, host.cpu_flags) == ("Some CPU @ 2.0GHz", ("avx2", "hypervisor", "vmx"))
    assert (host.governor, host.turbo) == ("performance,powersave", False)
    assert (host.transparent_hugepage, host.numa_balancing) == ("madvise", True)
    assert (host.virtualization, host.load_average_1min) == ("QEMU", 0.52)
    (root / "sys/class/dmi/id/sys_vendor").unlink()
    assert read_host(root).virtualization == "hypervisor"


def test_settings_that_are_absent_are_none(tmp_path: Path) -> None:
    host = read_host(write_host(tmp_path, Machine()))
    assert (host.governor, host.turbo, host.transparent_hugepage) == (None, None, None)
    assert (host.numa_balancing, host.virtualization, host.load_average_1min) == (None, None, None)
    assert (host.hostname, host.kernel) == ("unknown", "unknown")


@pytest.mark.parametrize(("boost", "turbo"), [("1\n", True), ("0\n", False)])
def test_turbo_is_read_from_boost_too(tmp_path: Path, boost: str, turbo: bool) -> None:
    root = write_host(tmp_path, Machine())
    write_files(root, {"sys/devices/system/cpu/cpufreq/boost": boost})
    assert read_host(root).turbo is turbo


def test_an_arm_cpu_is_named_by_its_numbers(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    text = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
    write_files(root, {"proc/cpuinfo": text})
    host = read_host(root)
    assert host.cpu_model == "Arm implementer 0x41 part 0xd40"
    assert host.cpu_flags == ("asimd", "fp")


def test_memory_is_read_in_bytes(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    host = read_host(root)
    assert (host.memory_total_bytes, host.memory_available_bytes) == (64 * GIB, 32 * GIB)
    write_files(root, {"proc/meminfo": "MemTotal: 2048 kB\nMemFree: 1024 kB\n"})
    assert read_host(root).memory_available_bytes == 1 << 20


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no CPU is listed below .*sys/devices/system/cpu"):
        read_host(tmp_path)


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    (root / TOPOLOGY.format(1) / "core_cpus_list").write_text("1-x\n")
    with pytest.raises(HostError, match=r"cpu1/topology/core_cpus_list holds '1-x'"):
        read_host(root)


def test_a_missing_meminfo_is_named(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine())
    (root / "proc/meminfo").unlink()
    with pytest.raises(HostError, match=r"proc/meminfo holds no MemTotal"):
        read_host(root)


def test_a_host_survives_a_json_record(tmp_path: Path) -> None:
    root = write_host(tmp_path, Machine(packages=2, smt=2))
    write_files(root, CGROUPS["v2"])
    host = read_host(root)
    document = msgspec.json.encode(msgspec.to_builtins(host))
    assert msgspec.convert(msgspec.json.decode(document), Host) == host


def test_this_machine_agrees_with_its_affinity() -> None:
    host = read_host()
    allowed = os.sched_getaffinity(0)
    assert set(host.allowed_cpus) == allowed
    assert sorted(cpu for core in host.cores for cpu in core.cpus) == sorted(allowed)
    assert 0 < host.memory_available_bytes <= host.memory_total_bytes
    assert host.hostname == os.uname().nodename
    assert read_oom_kills() >= 0


def test_this_machine_agrees_with_lscpu() -> None:
    if shutil.which("lscpu") is None:
        pytest.skip("lscpu is not installed")
    command = ["lscpu", "--json", "--extended=CPU,CORE,SOCKET"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    threads: dict[tuple[int, int], list[int]] = {}
    for row in json.loads(output)["cpus"]:
        if row["core"] in (None, "-"):
            continue
        threads.setdefault((int(row["socket"]), int(row["core"])), []).append(int(row["cpu"]))
    host = read_host(allowed=frozenset(range(8192)))
    assert {core.cpus for core in host.cores} == {tuple(sorted(cpus)) for cpus in threads.values()}
    assert host.total_sockets == len({socket for socket, _ in threads})
