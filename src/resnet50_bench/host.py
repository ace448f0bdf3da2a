"""Reads the machine: cores, memory nodes, limits of the container, settings that sway a benchmark.

Everything comes from files below one folder (`/` or a snapshot of another machine), never from
`os.cpu_count()` or `lscpu`: those ignore the allowed mask of a container.

A physical core is known by the smallest CPU number in its sibling list, because `core_id` repeats
from package to package.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

_LIVE_ROOT = Path("/")
_CPU = "sys/devices/system/cpu"
_NODE = "sys/devices/system/node"
_HUGE_PAGES = "sys/kernel/mm/transparent_hugepage/enabled"
_UNLIMITED_BYTES = 1 << 60  # cgroup v1 writes "no limit" as a number close to 1 << 63


@dataclass(frozen=True, slots=True)
class Core:
    """One usable physical core.

    Attributes:
        cpus: its online, allowed hardware threads, lowest first; at least one.
        socket: the physical package id, as the kernel numbers it.
        node: the memory node the core belongs to.
    """

    cpus: tuple[int, ...]
    socket: int
    node: int


@dataclass(frozen=True, slots=True)
class Node:
    """One memory node; nodes without CPUs (CXL, HBM) are listed too.

    Attributes:
        id: the kernel's number.
        cpus: its online CPUs, allowed or not.
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
        memory_limit_bytes: the smallest limit of the cgroups; None without a limit.
        governor: the cpufreq governors in use, comma separated.
        turbo: whether the CPU may pass its nominal frequency.
        transparent_hugepage: `always`, `madvise` or `never`.
        numa_balancing: whether the kernel migrates pages between nodes.
        smt: whether any online core has more than one online hardware thread.
        virtualization: who made the (virtual) machine, if a hypervisor runs it.
        load_average_1min: runnable tasks, averaged over the last minute.
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

    @property
    def sockets(self) -> tuple[int, ...]:
        """The ids of the sockets that have a usable core, ascending."""
        return tuple(sorted({core.socket for core in self.cores}))

    @property
    def physical_cores(self) -> int:
        """How many physical cores are usable."""
        return len(self.cores)

    def cores_per_socket(self, socket: int) -> int:
        """How many physical cores of this socket are usable; 0 for an unknown socket."""
        return sum(core.socket == socket for core in self.cores)


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Return the numbers of a kernel list such as `0-3,8`, ascending; ignores NULs at its end.

    Raises:
        ValueError: the text is not such a list.
    """
    numbers: set[int] = set()
    for part in filter(None, text.strip("\0 \n\t").split(",")):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"not a CPU list: {text!r}")
        numbers.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(numbers))


def format_cpu_list(cpus: tuple[int, ...]) -> str:
    """Return the shortest kernel list for the numbers: `(0, 1, 2, 8)` gives `0-2,8`."""
    runs: list[tuple[int, int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], cpu)
        else:
            runs.append((cpu, cpu))
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def read_host(root: Path = _LIVE_ROOT, allowed: frozenset[int] | None = None) -> Host:
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
    cpuinfo = _read(root / "proc/cpuinfo") or ""
    flags = frozenset((_search(cpuinfo, r"^(?:flags|Features)\s*: (.+)") or "").split())
    load = _search(_read(root / "proc/loadavg"), r"^(\d+\.\d+)")
    return Host(
        hostname=_read(root / "proc/sys/kernel/hostname") or "unknown",
        kernel=_read(root / "proc/sys/kernel/osrelease") or "unknown",
        cpu_model=_cpu_model(cpuinfo),
        cpu_flags=tuple(sorted(flags)),
        cores=_restrict_cores(cores, usable),
        nodes=nodes,
        total_sockets=len({core.socket for core in cores}),
        total_cores=len(cores),
        online_cpus=len(online),
        allowed_cpus=tuple(sorted(usable)),
        quota_cpus=_read_quota(root),
        memory_total_bytes=total_bytes,
        memory_available_bytes=available_bytes,
        memory_limit_bytes=_read_memory_limit(root),
        governor=_read_governor(root, usable),
        turbo=_read_turbo(root),
        transparent_hugepage=_search(_read(root / _HUGE_PAGES), r"\[(\w+)\]"),
        numa_balancing=_read_switch(root / "proc/sys/kernel/numa_balancing"),
        smt=any(len(core.cpus) > 1 for core in cores),
        virtualization=_read_hypervisor(root) if "hypervisor" in flags else None,
        load_average_1min=float(load) if load else None,
    )


def read_oom_kills(root: Path = _LIVE_ROOT) -> int:
    """Return how many processes the kernel has killed for want of memory; compare two readings.

    The counter of this process's own cgroup is used if there is one, so that kills in other
    containers do not count; else the counter of the whole machine. 0 when neither is readable.
    """
    own_first = [folder / "memory.events" for folder in _cgroup_folders(root, "")[:1]]
    own_first += [folder / "memory.oom_control" for folder in _cgroup_folders(root, "memory")[:1]]
    paths = [*own_first, root / "proc/vmstat"]
    counters = (_search(_read(path), r"^oom_kill (\d+)") for path in paths)
    return int(next(filter(None, counters), 0))


def _read(path: Path) -> str | None:
    """The text without the NULs and white space around it; None when unreadable."""
    try:
        return path.read_text(errors="replace").strip("\0 \n\t")
    except OSError:
        return None


def _search(text: str | None, pattern: str) -> str | None:
    """The pattern's first group where it first matches."""
    match = re.search(pattern, text or "", re.MULTILINE)
    return match[1] if match else None


def _read_cpus(
    path: Path, parse: Callable[[str], tuple[int, ...]] = parse_cpu_list
) -> tuple[int, ...]:
    """The CPUs that the file lists; () when it is absent or empty."""
    text = _read(path)
    try:
        return parse(text) if text else ()
    except ValueError:
        raise HostError(f"{path} holds {text!r}", "check /sys, or the snapshot") from None


def _parse_cpu_mask(text: str) -> tuple[int, ...]:
    """The CPUs of a mask such as `ff,00000000`: 32-bit hexadecimal words, highest first."""
    bits = int(text.replace(",", ""), 16)
    return tuple(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1)


def _read_int(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text and re.fullmatch(r"-?\d+", text) else None


def _read_switch(path: Path) -> bool | None:
    value = _read_int(path)
    return None if value is None else value != 0


def _read_kib(path: Path, field: str) -> int | None:
    """The bytes of a `MemTotal: 24684092 kB` line; the kernel's kB are 1024 bytes."""
    kib = _search(_read(path), rf"{field}: *(\d+) kB")
    return int(kib) * 1024 if kib else None


def _read_memory(root: Path) -> tuple[int, int]:
    """The total and the available bytes; kernels before 3.14 tell only what is free."""
    path = root / "proc/meminfo"
    total, *available = (_read_kib(path, f"Mem{name}") for name in ("Total", "Available", "Free"))
    if total is None:
        raise HostError(f"{path} holds no MemTotal", "mount /proc in this container")
    return total, next((size for size in available if size is not None), 0)


def _read_online(root: Path) -> tuple[int, ...]:
    online = _read_cpus(root / _CPU / "online") or tuple(
        cpu
        for cpu in _numbered(root / _CPU, "cpu")
        if _read(root / _CPU / f"cpu{cpu}/online") != "0"
    )
    if not online:
        raise HostError(f"no CPU is listed below {root / _CPU}", "mount /sys in this container")
    return online


def _numbered(folder: Path, prefix: str) -> list[int]:
    """The N of all `<prefix>N` in the folder, ascending."""
    matches = (re.fullmatch(rf"{prefix}(\d+)", path.name) for path in folder.glob(f"{prefix}*"))
    return sorted(int(match[1]) for match in matches if match)


def _read_usable(
    root: Path, online: tuple[int, ...], allowed: frozenset[int] | None
) -> frozenset[int]:
    if allowed is None and root == _LIVE_ROOT:
        allowed = frozenset(os.sched_getaffinity(0))
    elif allowed is None:
        paths = [folder / "cpuset.cpus.effective" for folder in _cgroup_folders(root, "")]
        paths += [folder / "cpuset.cpus" for folder in _cgroup_folders(root, "cpuset")]
        allowed = frozenset(next(filter(None, map(_read_cpus, paths)), online))
    if not allowed.intersection(online):
        raise HostError(
            f"none of the online CPUs {format_cpu_list(online)} is allowed to this process",
            "check the affinity (taskset -pc $$) and the container's --cpuset-cpus",
        )
    return allowed.intersection(online)


def _read_nodes(root: Path, online: tuple[int, ...]) -> tuple[Node, ...]:
    nodes = []
    for number in _numbered(root / _NODE, "node"):
        folder = root / _NODE / f"node{number}"
        cpus = _read_cpus(folder / "cpulist") or _read_cpus(folder / "cpumap", _parse_cpu_mask)
        memory_bytes = _read_kib(folder / "meminfo", "MemTotal")
        nodes.append(Node(number, tuple(sorted(set(cpus) & set(online))), memory_bytes))
    return tuple(nodes)


def _read_cores(root: Path, online: tuple[int, ...], nodes: tuple[Node, ...]) -> list[Core]:
    """Every online core; a CPU that no node lists counts to the first node."""
    node_of = {cpu: node.id for node in nodes for cpu in node.cpus}
    unseen = set(online)
    cores = []
    for cpu in online:
        if cpu not in unseen:
            continue
        folder = root / _CPU / f"cpu{cpu}/topology"
        threads = tuple(sorted({cpu, *_read_siblings(folder)} & unseen))
        unseen.difference_update(threads)
        # The kernel writes -1 where the firmware does not name the package.
        socket = max(_read_int(folder / "physical_package_id") or 0, 0)
        cores.append(Core(threads, socket, node_of.get(cpu, nodes[0].id)))
    return cores


def _read_siblings(topology: Path) -> tuple[int, ...]:
    """The hardware threads of a core; kernels before 5.3 know only the `thread_siblings` names."""
    names = ("core_cpus", "thread_siblings")
    lists = [_read_cpus(topology / f"{name}_list") for name in names]
    lists += [_read_cpus(topology / name, _parse_cpu_mask) for name in names]
    return next(filter(None, lists), ())


def _restrict_cores(cores: list[Core], usable: frozenset[int]) -> tuple[Core, ...]:
    kept = (
        Core(tuple(cpu for cpu in core.cpus if cpu in usable), core.socket, core.node)
        for core in cores
        if usable.intersection(core.cpus)
    )
    return tuple(sorted(kept, key=lambda core: (core.socket, core.node, core.cpus)))


def _cgroup_folders(root: Path, controller: str) -> list[Path]:
    """The process's cgroup and its parents, innermost first.

    The controller is one of cgroup v1, or "" for cgroup v2, alone or (hybrid) beside v1. Inside a
    namespaced container the path in /proc/self/cgroup may not exist below the mount: the mount's
    own top is then all that can be seen.
    """
    top = root / "sys/fs/cgroup"
    lines = re.findall(r"(?m)^\d+:([^:]*):(/.*)$", _read(root / "proc/self/cgroup") or "")
    for names, path in lines:
        if controller not in names.split(","):
            continue
        mounts = [top / names, top / controller] if controller else [top / "unified", top]
        mount = next(filter(Path.is_dir, mounts), top)
        parts = [part for part in path.split("/") if part]
        if ".." in parts or not mount.joinpath(*parts).is_dir():
            return [mount]
        return [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    return []


def _read_quota(root: Path) -> float | None:
    """CPU time per time; "max 100000" (v2) and "-1" (v1) stand for no quota."""
    texts = [_read(folder / "cpu.max") for folder in _cgroup_folders(root, "")]
    texts += [
        f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
        for folder in _cgroup_folders(root, "cpu")
    ]
    pairs = (re.fullmatch(r"(\d+) ([1-9]\d*)", text or "") for text in texts)
    return min((int(pair[1]) / int(pair[2]) for pair in pairs if pair), default=None)


def _read_memory_limit(root: Path) -> int | None:
    paths = [folder / "memory.max" for folder in _cgroup_folders(root, "")]
    paths += [folder / "memory.limit_in_bytes" for folder in _cgroup_folders(root, "memory")]
    limits = [limit for path in paths if (limit := _read_int(path)) is not None]
    return min((limit for limit in limits if limit < _UNLIMITED_BYTES), default=None)


def _cpu_model(cpuinfo: str) -> str:
    """The name; Arm kernels give only the numbers of the designer and the part."""
    designer, part = (
        _search(cpuinfo, rf"^CPU {name}\s*: (.+)") for name in ("implementer", "part")
    )
    arm = f"Arm implementer {designer} part {part}" if designer else None
    return _search(cpuinfo, r"^model name\s*: (.+)") or arm or "unknown"


def _read_governor(root: Path, cpus: frozenset[int]) -> str | None:
    names = {_read(root / _CPU / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in cpus}
    return ",".join(sorted(name for name in names if name)) or None


def _read_turbo(root: Path) -> bool | None:
    disabled = _read_switch(root / _CPU / "intel_pstate/no_turbo")
    return _read_switch(root / _CPU / "cpufreq/boost") if disabled is None else not disabled


def _read_hypervisor(root: Path) -> str:
    vendor = _read(root / "sys/hypervisor/type") or _read(root / "sys/class/dmi/id/sys_vendor")
    return vendor or "hypervisor"
