"""Writes the `/proc` and `/sys` of a made-up machine, with only the files `read_host` looks at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.config import CoreKind
from resnet50_bench.host.machine import Core, Host, Node, format_cpu_list

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30


class Numbering(Enum):
    """How the firmware and the kernel number hardware threads."""

    SIBLINGS_LAST = "all first threads, socket by socket, then all second threads"
    SOCKETS_INTERLEAVED = "first threads alternate between the sockets, then all second threads"
    SIBLINGS_ADJACENT = "the threads of a core follow each other"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine of equal sockets.

    Attributes:
        packages: how many sockets.
        nodes: the cores of each memory node of a socket.
        smt: hardware threads per core; of the P cores, on a hybrid CPU.
        efficient, low_power: how many cores of a socket, its last, are E and LP-E cores of one
            thread each. CPUs are then numbered with the threads of a core side by side.
        kinds_by: what tells the kinds of core: `counters` or `capacity`; "" for nothing.
        numbering: how these are numbered.
        hole: from which CPU number on, how many numbers are left out.
        package_ids: the kernel's ids of the sockets; () for 0, 1, ...
        offline: CPUs that are switched off.
        memory_only_nodes: nodes without CPUs, after all others.
        empty_nodes: ids of nodes without memory.
        node_bytes: the memory of every other node.
        has_nodes: whether the kernel shows memory nodes at all.
        unlisted_nodes: ids of nodes that the kernel does not show.
        emulated_nodes: by how many nodes, in a row, the CPUs of a node are listed (numa=fake).
        sibling_files: which of the files that list siblings exist.
        nul: what follows the newline of list files.
    """

    packages: int = 1
    nodes: tuple[int, ...] = (2,)
    smt: int = 1
    efficient: int = 0
    low_power: int = 0
    kinds_by: str = "counters"
    numbering: Numbering = Numbering.SIBLINGS_LAST
    hole: tuple[int, int] = (0, 0)
    package_ids: tuple[int, ...] = ()
    offline: frozenset[int] = frozenset()
    memory_only_nodes: int = 0
    empty_nodes: frozenset[int] = frozenset()
    node_bytes: int = 64 * GIB
    has_nodes: bool = True
    unlisted_nodes: frozenset[int] = frozenset()
    emulated_nodes: int = 1
    sibling_files: tuple[str, ...] = ("core_cpus_list", "thread_siblings_list")
    nul: str = ""

    @property
    def cores_per_package(self) -> int:
        return sum(self.nodes)

    @property
    def performance(self) -> int:
        """The P cores of a socket; all its cores where the CPU is not hybrid."""
        return self.cores_per_package - self.efficient - self.low_power

    @property
    def is_hybrid(self) -> bool:
        return self.performance < self.cores_per_package

    @property
    def numbers(self) -> tuple[int, ...]:
        """All CPU numbers, offline or not."""
        every = (
            cpu
            for package in range(self.packages)
            for core in range(self.cores_per_package)
            for cpu in self.threads(package, core)
        )
        return tuple(sorted(every))

    def package_id(self, package: int) -> int:
        return self.package_ids[package] if self.package_ids else package

    def kind(self, core: int) -> CoreKind | None:
        """Of a core, by its place in its socket."""
        if not (self.is_hybrid and self.kinds_by):
            return None
        if core < self.performance:
            return CoreKind.P
        return CoreKind.E if core < self.performance + self.efficient else CoreKind.LP

    def threads(self, package: int, core: int) -> tuple[int, ...]:
        """The CPU numbers of a core."""
        first, count = self.hole
        return tuple(cpu + count * (cpu >= first) for cpu in self._count_threads(package, core))

    def _count_threads(self, package: int, core: int) -> tuple[int, ...]:
        """The same, without a hole."""
        if self.is_hybrid:
            before = package * (self.cores_per_package + self.performance * (self.smt - 1))
            extra = min(core, self.performance) * (self.smt - 1)
            threads = self.smt if core < self.performance else 1
            return tuple(before + core + extra + thread for thread in range(threads))
        total = self.packages * self.cores_per_package
        linear = package * self.cores_per_package + core
        if self.numbering is Numbering.SIBLINGS_ADJACENT:
            return tuple(linear * self.smt + thread for thread in range(self.smt))
        if self.numbering is Numbering.SOCKETS_INTERLEAVED:
            linear = core * self.packages + package
        return tuple(thread * total + linear for thread in range(self.smt))

    def node(self, package: int, core: int) -> int | None:
        """The id of the memory node of a core, the first where several list it."""
        if not self.has_nodes:
            return 0
        within = next(i for i in range(len(self.nodes)) if core < sum(self.nodes[: i + 1]))
        node = (package * len(self.nodes) + within) * self.emulated_nodes
        return None if node in self.unlisted_nodes else node

    def cores(self) -> tuple[Core, ...]:
        """The cores with a CPU online, in the order of `Host.cores`."""
        cores = []
        for package in range(self.packages):
            for core in range(self.cores_per_package):
                cpus = tuple(c for c in self.threads(package, core) if c not in self.offline)
                if cpus:
                    place = self.package_id(package), self.node(package, core)
                    cores.append(Core(cpus, *place, self.kind(core)))
        return tuple(sorted(cores, key=lambda c: (c.socket, c.node is None, c.node or 0, c.cpus)))

    def memory_nodes(self) -> tuple[Node, ...]:
        """The nodes, as `Host.nodes` has them."""
        cpus_of: dict[int | None, list[int]] = defaultdict(list)
        for core in self.cores():
            cpus_of[core.node] += core.cpus
        with_cpus = self.packages * len(self.nodes) * self.emulated_nodes
        return tuple(
            Node(
                node,
                tuple(sorted(cpus_of[node - node % self.emulated_nodes]))
                if node < with_cpus
                else (),
                0 if node in self.empty_nodes else self.node_bytes,
            )
            for node in range(with_cpus + self.memory_only_nodes)
            if node not in self.unlisted_nodes
        )

    def host(self, *, quota_cpus: float | None = None, available_bytes: int = 64 * GIB) -> Host:
        """The machine as `read_host` would return it, without any file."""
        cores = self.cores()
        cpus = tuple(sorted(cpu for core in cores for cpu in core.cpus))
        return Host(
            hostname="synthetic",
            kernel="6.1.0",
            cpu_model="Synthetic CPU",
            cpu_flags=("avx", "avx2", "fma"),
            cores=cores,
            nodes=self.memory_nodes(),
            total_sockets=self.packages,
            total_cores=len(cores),
            online_cpus=len(cpus),
            allowed_cpus=cpus,
            quota_cpus=quota_cpus,
            memory_total_bytes=64 * GIB,
            memory_available_bytes=available_bytes,
            memory_limit_bytes=None,
            governor=None,
            turbo=None,
            transparent_hugepage=None,
            numa_balancing=None,
            smt=self.smt > 1,
            virtualization=None,
            load_average_1min=None,
        )


SPR = Machine(packages=2, nodes=(56,), smt=2)
SPR_SNC4 = Machine(packages=2, nodes=(14, 14, 14, 14), smt=2)
GENOA_NPS4 = Machine(packages=2, nodes=(24, 24, 24, 24), smt=2)
SRF = Machine(packages=2, nodes=(144,))
GNR_SNC3 = Machine(packages=2, nodes=(43, 43, 42), smt=2)

CGROUPS = {
    "v2": {
        "proc/self/cgroup": "0::/kube/pod\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu cpuset memory\n",
        "sys/fs/cgroup/kube/pod/cpuset.cpus.effective": "0-1\n",
        "sys/fs/cgroup/kube/pod/cpu.max": "max 100000\n",
        "sys/fs/cgroup/kube/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/kube/pod/memory.max": f"{3 * GIB}\n",
        "sys/fs/cgroup/kube/memory.max": f"{2 * GIB}\n",
        "sys/fs/cgroup/kube/pod/memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
        "proc/vmstat": "nr_free_pages 1\noom_kill 9\n",
    },
    "v1": {
        "proc/self/cgroup": "4:memory:/job\n3:cpuset:/job\n2:cpu,cpuacct:/job\n1:name=systemd:/\n",
        "sys/fs/cgroup/cpuset/job/cpuset.cpus": "0-1\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "75000\n",
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/job/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "proc/vmstat": "oom_kill 9\n",
    },
    "hybrid": {
        "proc/self/cgroup": "3:memory:/\n2:cpu:/a/b\n1:cpuset:/\n0::/a\n",
        "sys/fs/cgroup/unified/a/cgroup.procs": "1\n",
        "sys/fs/cgroup/cpuset/cpuset.cpus": "0-1\n",
        "sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "150000\n",
        "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory/memory.oom_control": "oom_kill 2\n",
        "proc/vmstat": "oom_kill 9\n",
    },
    "namespaced v1": {
        "proc/self/cgroup": "3:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:cpuset:/docker/abc\n",
        "sys/fs/cgroup/cpuset/cpuset.cpus": "0-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory/memory.oom_control": "oom_kill 2\n",
    },
    "namespaced v2": {
        "proc/self/cgroup": "0::/../elsewhere\n",
        "sys/fs/elsewhere/cpu.max": "1000 100000\n",
        "sys/fs/cgroup/cpuset.cpus.effective": "0-1\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory.events": "oom_kill 2\n",
    },
}
"""The files of cgroups that all say: CPUs 0-1, 1.5 CPUs of time, 2 GiB, 2 processes killed."""


def write_files(root: Path, files: dict[str, str]) -> None:
    """Write each text below `root`, making folders as needed."""
    for folder in dict.fromkeys((root / name).parent for name in files):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).write_text(text)


def write_host(root: Path, machine: Machine) -> Path:
    """Write the snapshot folder of the machine and return it."""
    online = tuple(cpu for cpu in machine.numbers if cpu not in machine.offline)
    files = {
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Synthetic CPU\nflags\t\t: fma avx avx2\n\n",
        "proc/meminfo": f"MemTotal: {64 << 20} kB\nMemFree: {8 << 20} kB\nMemAvailable: {32 << 20} kB\n",
        "sys/devices/system/cpu/online": f"{format_cpu_list(online)}\n{machine.nul}",
    }
    for package in range(machine.packages):
        for core in range(machine.cores_per_package):
            files.update(_core_files(machine, package, core))
    if machine.has_nodes:
        for node in machine.memory_nodes():
            files.update(_node_files(machine, node))
    if machine.is_hybrid:
        files.update(_kind_files(machine))
    write_files(root, files)
    return root


def _core_files(machine: Machine, package: int, core: int) -> dict[str, str]:
    online = tuple(cpu for cpu in machine.threads(package, core) if cpu not in machine.offline)
    mask = sum(1 << cpu for cpu in online)
    files = {}
    for cpu in machine.threads(package, core):
        folder = f"sys/devices/system/cpu/cpu{cpu}"
        if cpu:
            # The first CPU can seldom be switched off and then has no such file.
            files[f"{folder}/online"] = f"{int(cpu in online)}\n"
        if cpu not in online:
            # An offline CPU keeps its folder and loses its topology.
            continue
        files[f"{folder}/topology/physical_package_id"] = (
            f"{machine.package_id(package)}\n{machine.nul}"
        )
        for name in machine.sibling_files:
            text = format_cpu_list(online) if name.endswith("_list") else _mask_words(mask)
            files[f"{folder}/topology/{name}"] = f"{text}\n{machine.nul}"
    return files


_CAPACITIES = {CoreKind.P: 1024, CoreKind.E: 578, CoreKind.LP: 240}
_COUNTERS = {CoreKind.P: "cpu_core", CoreKind.E: "cpu_atom", CoreKind.LP: "cpu_lowpower"}


def _kind_files(machine: Machine) -> dict[str, str]:
    """What tells the kinds of core; favoured cores of one kind have a little more capacity."""
    kinds = {cpu: core.kind for core in machine.cores() for cpu in core.cpus if core.kind}
    if machine.kinds_by == "capacity":
        return {
            f"sys/devices/system/cpu/cpu{cpu}/cpu_capacity": f"{_CAPACITIES[kind] - cpu % 3}\n"
            for cpu, kind in kinds.items()
        }
    return {
        f"sys/devices/{name}/cpus": format_cpu_list(
            tuple(cpu for cpu in kinds if kinds[cpu] is kind)
        )
        + "\n"
        for kind, name in _COUNTERS.items()
        if kind in kinds.values()
    }


def _mask_words(mask: int) -> str:
    digits = f"{mask:x}"
    digits = digits.zfill(-(-len(digits) // 8) * 8)
    return ",".join(digits[start : start + 8] for start in range(0, len(digits), 8))


def _node_files(machine: Machine, node: Node) -> dict[str, str]:
    folder = f"sys/devices/system/node/node{node.id}"
    kib = (node.memory_bytes or 0) >> 10
    return {
        f"{folder}/cpulist": f"{format_cpu_list(node.cpus)}\n{machine.nul}",
        f"{folder}/meminfo": f"\nNode {node.id} MemTotal:       {kib} kB\nNode {node.id} MemFree: 1 kB\n",
    }
