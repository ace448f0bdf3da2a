"""Reads the machine: cores, memory nodes, limits of the container, settings that sway a benchmark.

Everything comes from files below one folder (`/` or a snapshot of another machine), never from
`os.cpu_count()` or `lscpu`: those ignore the allowed mask of a container.

A physical core is known by the smallest CPU number in its sibling list, because `core_id` repeats
from package to package.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import CoreKind
from resnet50_bench.errors import HostError
from resnet50_bench.host.cgroups import (
    read_allowed_cpus,
    read_allowed_nodes,
    read_memory_limit,
    read_quota,
)
from resnet50_bench.host.core_kinds import read_core_kinds
from resnet50_bench.host.kernel_files import (
    LIVE_ROOT,
    list_numbered,
    parse_cpu_list,
    parse_cpu_mask,
    read_cpus,
    read_int,
    read_kib,
    read_switch,
    read_text,
    search,
)
from resnet50_bench.host.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_CPU = "sys/devices/system/cpu"
_NODE = "sys/devices/system/node"
_PACKAGE = "physical_package_id"
_MEND_TOPOLOGY = (
    "no placement on such a topology could be believed: mend the virtual machine's description of "
    "its CPUs, or update the kernel or the firmware"
)
_LIST_CHARS = 32
_HUGE_PAGES = "sys/kernel/mm/transparent_hugepage/enabled"


@dataclass(frozen=True, slots=True)
class Core:
    """One usable physical core.

    Attributes:
        cpus: its online, allowed hardware threads, lowest first; at least one.
        socket: the physical package id, as the kernel numbers it.
        node: the memory node the core belongs to, the lowest where several list its CPUs; None
            where none does.
        kind: of core, on a hybrid CPU; None where all are of one kind, or nothing tells.
    """

    cpus: tuple[int, ...]
    socket: int
    node: int | None
    kind: CoreKind | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One memory node; nodes without CPUs (CXL, HBM) are listed too.

    Attributes:
        id: the kernel's number.
        cpus: its online CPUs, allowed or not; with emulated nodes (numa=fake) a CPU is in several.
        memory_bytes: its memory; None when the kernel does not say.
    """

    id: int
    cpus: tuple[int, ...]
    memory_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What this process may use of the machine, and the machine's own size.

    Attributes:
        hostname, kernel, cpu_model: names; `unknown` where not readable.
        cpu_flags: the kernel's names of the CPU's features, sorted.
        cores: usable physical cores, at least one, by socket, node and lowest CPU.
        nodes: all memory nodes, by id.
        total_sockets, total_cores, online_cpus: how many sockets, physical cores and hardware
            threads are online, whether or not this process may use them.
        allowed_cpus: the online hardware threads this process may run on.
        quota_cpus: CPU time per time the cgroups grant; None without a quota.
        memory_total_bytes, memory_available_bytes: the machine's memory; what is left of it now.
            Both are 0 for a machine that is only described (`host_specs`).
        memory_limit_bytes: the smallest limit of the cgroups; None without a limit.
        governor: the cpufreq governors in use, comma separated.
        turbo: whether the CPU may pass its nominal frequency.
        transparent_hugepage: `always`, `madvise` or `never`.
        numa_balancing: whether the kernel migrates pages between nodes.
        smt: whether any online core has more than one online hardware thread.
        virtualization: who made the (virtual) machine, if a hypervisor runs it.
        load_average_1min: runnable tasks, averaged over the last minute.
        allowed_nodes: the memory nodes this process may take memory from; None for all of them.
        settings: of firmware and kernel; None for a machine that is only described, and in records
            of before they were read.
    """

    hostname: str
    kernel: str
    cpu_model: str
    cpu_flags: tuple[str, ...]
    cores: tuple[Core, ...]
    nodes: tuple[Node, ...]
    total_sockets: int
    total_cores: int
    online_cpus: int
    allowed_cpus: tuple[int, ...]
    quota_cpus: float | None
    memory_total_bytes: int
    memory_available_bytes: int
    memory_limit_bytes: int | None
    governor: str | None
    turbo: bool | None
    transparent_hugepage: str | None
    numa_balancing: bool | None
    smt: bool
    virtualization: str | None
    load_average_1min: float | None
    allowed_nodes: tuple[int, ...] | None = None
    settings: Settings | None = None

    @property
    def sockets(self) -> tuple[int, ...]:
        """The ids of the sockets that have a usable core, ascending."""
        return tuple(sorted({core.socket for core in self.cores}))

    @property
    def physical_cores(self) -> int:
        """How many physical cores are usable."""
        return len(self.cores)

    @property
    def core_kinds(self) -> tuple[CoreKind, ...]:
        """The kinds of the usable cores, the fastest first; () where they are of one, or untold."""
        return tuple(kind for kind in CoreKind if any(core.kind is kind for core in self.cores))

    def cores_per_socket(self, socket: int) -> int:
        """How many physical cores of this socket are usable; 0 for an unknown socket."""
        return sum(core.socket == socket for core in self.cores)


def format_cpu_list(cpus: tuple[int, ...]) -> str:
    """Return the shortest kernel list for the numbers: `(0, 1, 2, 8)` gives `0-2,8`."""
    runs: list[tuple[int, int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], cpu)
        else:
            runs.append((cpu, cpu))
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def short_list(cpus: Iterable[int]) -> str:
    """The CPU list, or how many CPUs of which range where it would be too long to read."""
    numbers = tuple(sorted(cpus))
    text = format_cpu_list(numbers)
    if len(text) <= _LIST_CHARS:
        return text
    return f"{len(numbers)} of {min(numbers)}-{max(numbers)}"


def list_limits(host: Host) -> list[str]:
    """Say what affinity and cgroups take away."""
    limits = []
    if len(host.allowed_cpus) < host.online_cpus:
        limits.append(
            f"CPUs {short_list(host.allowed_cpus)} allowed, {len(host.allowed_cpus)} of "
            f"{host.online_cpus} online"
        )
    if host.quota_cpus is not None:
        limits.append(f"CPU quota {host.quota_cpus:g}")
    if host.memory_limit_bytes is not None:
        limits.append(f"memory {host.memory_limit_bytes / 1024**3:.1f} GiB")
    if host.allowed_nodes is not None:
        limits.append(f"memory of node {format_cpu_list(host.allowed_nodes)} only")
    return limits


def read_boot_id(root: Path = LIVE_ROOT) -> str | None:
    """Return what tells this boot of this machine from all others; None where it is not told."""
    try:
        return (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def read_host(root: Path = LIVE_ROOT, allowed: frozenset[int] | None = None) -> Host:
    """Return what this process may use of the machine whose `/sys` and `/proc` are below `root`.

    The CPUs in use are at most `allowed`: by default the affinity of this process where `root` is
    `/`, and all online CPUs of its own cgroup cpuset where it is the folder of a snapshot.

    Raises:
        HostError: the CPUs or the memory cannot be read, or no CPU is allowed.
    """
    online = _read_online(root)
    usable = _read_usable(root, online, allowed)
    total_bytes, available_bytes = _read_memory(root)
    nodes = _read_nodes(root, online) or (Node(0, online, total_bytes),)
    cores = _read_cores(root, online, nodes)
    kinds = read_core_kinds(root, usable)
    cpuinfo = read_text(root / "proc/cpuinfo") or ""
    flags = frozenset((search(cpuinfo, r"^(?:flags|Features)\s*: (.+)") or "").split())
    load = search(read_text(root / "proc/loadavg"), r"^(\d+\.\d+)")
    return Host(
        hostname=read_text(root / "proc/sys/kernel/hostname") or "unknown",
        kernel=read_text(root / "proc/sys/kernel/osrelease") or "unknown",
        cpu_model=_cpu_model(cpuinfo),
        cpu_flags=tuple(sorted(flags)),
        cores=_restrict_cores(cores, usable, kinds),
        nodes=nodes,
        total_sockets=len({core.socket for core in cores}),
        total_cores=len(cores),
        online_cpus=len(online),
        allowed_cpus=tuple(sorted(usable)),
        quota_cpus=read_quota(root),
        memory_total_bytes=total_bytes,
        memory_available_bytes=available_bytes,
        memory_limit_bytes=read_memory_limit(root),
        governor=_read_governor(root, usable),
        turbo=_read_turbo(root),
        transparent_hugepage=search(read_text(root / _HUGE_PAGES), r"\[(\w+)\]"),
        numa_balancing=read_switch(root / "proc/sys/kernel/numa_balancing"),
        smt=any(len(core.cpus) > 1 for core in cores),
        virtualization=_read_hypervisor(root) if "hypervisor" in flags else None,
        load_average_1min=float(load) if load else None,
        allowed_nodes=_read_allowed_nodes(root, nodes),
        settings=read_settings(root, usable),
    )


def _read_memory(root: Path) -> tuple[int, int]:
    """The total and the available bytes; kernels before 3.14 tell only what is free."""
    path = root / "proc/meminfo"
    total, *available = (read_kib(path, f"Mem{name}") for name in ("Total", "Available", "Free"))
    if total is None:
        raise HostError(f"{path} holds no MemTotal", "mount /proc in this container")
    return total, next((size for size in available if size is not None), 0)


def _read_online(root: Path) -> tuple[int, ...]:
    online = read_cpus(root / _CPU / "online") or tuple(
        cpu
        for cpu in list_numbered(root / _CPU, "cpu")
        if read_text(root / _CPU / f"cpu{cpu}/online") != "0"
    )
    if not online:
        raise HostError(f"no CPU is listed below {root / _CPU}", "mount /sys in this container")
    return online


def _read_usable(
    root: Path, online: tuple[int, ...], allowed: frozenset[int] | None
) -> frozenset[int]:
    if allowed is None and root == LIVE_ROOT:
        allowed = frozenset(os.sched_getaffinity(0))
    elif allowed is None:
        allowed = frozenset(read_allowed_cpus(root) or online)
    if not allowed.intersection(online):
        raise HostError(
            f"none of the online CPUs {format_cpu_list(online)} is allowed to this process",
            "check the affinity (taskset -pc $$) and the container's --cpuset-cpus",
        )
    return allowed.intersection(online)


def _read_nodes(root: Path, online: tuple[int, ...]) -> tuple[Node, ...]:
    nodes = []
    for number in list_numbered(root / _NODE, "node"):
        folder = root / _NODE / f"node{number}"
        cpus = read_cpus(folder / "cpulist") or read_cpus(folder / "cpumap", parse_cpu_mask)
        memory_bytes = read_kib(folder / "meminfo", "MemTotal")
        nodes.append(Node(number, tuple(sorted(set(cpus) & set(online))), memory_bytes))
    return tuple(nodes)


def _read_allowed_nodes(root: Path, nodes: tuple[Node, ...]) -> tuple[int, ...] | None:
    """None when no node is out of bounds, as in almost every process."""
    if root == LIVE_ROOT:
        text = search(read_text(root / "proc/self/status"), r"^Mems_allowed_list:\s*(\S+)")
        allowed = parse_cpu_list(text or "")
    else:
        allowed = read_allowed_nodes(root)
    known = {node.id for node in nodes}
    within = known.intersection(allowed)
    return tuple(sorted(within)) if within and within != known else None


def _read_cores(root: Path, online: tuple[int, ...], nodes: tuple[Node, ...]) -> list[Core]:
    """Every online core.

    Raises:
        HostError: the files contradict each other.
    """
    node_of = {cpu: node.id for node in reversed(nodes) for cpu in node.cpus}
    everyone = frozenset(online)
    unseen = set(online)
    cores = []
    for cpu in online:
        if cpu not in unseen:
            continue
        threads = _read_siblings(root, cpu, everyone)
        unseen.difference_update(threads)
        cores.append(Core(threads, _read_socket(root, threads), node_of.get(cpu)))
    return cores


def _topology(root: Path, cpu: int) -> Path:
    return root / _CPU / f"cpu{cpu}/topology"


def _read_socket(root: Path, threads: tuple[int, ...]) -> int:
    # The kernel writes -1 where the firmware does not name the package.
    sockets = {max(read_int(_topology(root, cpu) / _PACKAGE) or 0, 0) for cpu in threads}
    if len(sockets) > 1:
        raise HostError(
            f"{root / _CPU} has CPUs {format_cpu_list(threads)} as one core, and that core on "
            f"sockets {format_cpu_list(tuple(sockets))}",
            _MEND_TOPOLOGY,
        )
    return sockets.pop()


def _read_siblings(root: Path, cpu: int, online: frozenset[int]) -> tuple[int, ...]:
    """The online hardware threads of a CPU's core, on which all of them must agree."""
    threads = _list_siblings(root, cpu, online) or (cpu,)
    for other in threads:
        theirs = _list_siblings(root, other, online)
        if cpu not in threads or (theirs and theirs != threads):
            raise HostError(
                f"{root / _CPU}: CPU {cpu} has CPUs {format_cpu_list(threads)} as its core, and "
                f"CPU {other} has {format_cpu_list(theirs)}",
                _MEND_TOPOLOGY,
            )
    return threads


def _list_siblings(root: Path, cpu: int, online: frozenset[int]) -> tuple[int, ...]:
    """() where nothing tells; kernels before 5.3 know only the `thread_siblings` names."""
    folder = _topology(root, cpu)
    names = ("core_cpus", "thread_siblings")
    files = [(folder / f"{name}_list", parse_cpu_list) for name in names]
    files += [(folder / name, parse_cpu_mask) for name in names]
    found = next(filter(None, (read_cpus(path, parse) for path, parse in files)), ())
    return tuple(sorted(set(found).intersection(online)))


def _restrict_cores(
    cores: list[Core], usable: frozenset[int], kinds: Mapping[int, CoreKind]
) -> tuple[Core, ...]:
    kept = []
    for core in cores:
        cpus = tuple(cpu for cpu in core.cpus if cpu in usable)
        if cpus:
            kept.append(Core(cpus, core.socket, core.node, kinds.get(cpus[0])))
    return tuple(sorted(kept, key=_order))


def _order(core: Core) -> tuple[int, bool, int, tuple[int, ...]]:
    """By socket, node and CPU; cores of no node come last."""
    return core.socket, core.node is None, core.node or 0, core.cpus


def _cpu_model(cpuinfo: str) -> str:
    """The name; Arm kernels give only the numbers of the designer and the part."""
    designer, part = (search(cpuinfo, rf"^CPU {name}\s*: (.+)") for name in ("implementer", "part"))
    arm = f"Arm implementer {designer} part {part}" if designer else None
    return search(cpuinfo, r"^model name\s*: (.+)") or arm or "unknown"


def _read_governor(root: Path, cpus: frozenset[int]) -> str | None:
    names = {read_text(root / _CPU / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in cpus}
    return ",".join(sorted(name for name in names if name)) or None


def _read_turbo(root: Path) -> bool | None:
    disabled = read_switch(root / _CPU / "intel_pstate/no_turbo")
    return read_switch(root / _CPU / "cpufreq/boost") if disabled is None else not disabled


def _read_hypervisor(root: Path) -> str:
    vendor = read_text(root / "sys/hypervisor/type") or read_text(
        root / "sys/class/dmi/id/sys_vendor"
    )
    return vendor or "hypervisor"
