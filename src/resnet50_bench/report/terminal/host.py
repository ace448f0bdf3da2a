"""A host as a person reads it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from resnet50_bench.host.machine import list_limits, short_list
from resnet50_bench.report.columns import join_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import CoreKind
    from resnet50_bench.host.machine import Core, Host, Node

_GIB = 1024**3
CoreGroup: TypeAlias = "tuple[int, int | None, CoreKind | None]"
"""Socket, memory node and kind of core."""

_SWITCHES = {True: "on", False: "off", None: None}


def list_host_rows(host: Host) -> list[tuple[str, str]]:
    """Return the host's size, the limits of this process, and the settings that are known."""
    kernel = f", kernel {host.kernel}" if host.kernel != "unknown" else ""
    rows = [
        ("Host", f"{host.hostname}{kernel}"),
        ("CPU", host.cpu_model),
        (
            "Cores",
            f"{host.physical_cores} of {host.total_cores} usable, on {len(host.sockets)} of "
            f"{_count(host.total_sockets, 'socket')}{_describe_threads(host, ', ', ' each')}",
        ),
        ("Memory", _describe_memory(host)),
        ("Limits", "; ".join(list_limits(host)) or "none"),
        ("Governor", host.governor),
        ("Turbo", _SWITCHES[host.turbo]),
        ("Huge pages", host.transparent_hugepage),
        ("Node balancing", _SWITCHES[host.numa_balancing]),
        (
            "Hypervisor",
            "yes, unnamed" if host.virtualization == "hypervisor" else host.virtualization,
        ),
    ]
    return [(name, text) for name, text in rows if text is not None]


def describe_host_shape(host: Host) -> str:
    """Return the host's name and size in one line."""
    of_all = f" of {host.total_cores}" if host.physical_cores < host.total_cores else ""
    limits = list_limits(host)
    return "; ".join(
        [
            f"{host.hostname}: {_count(len(host.sockets), 'socket')}, "
            f"{_count(len(host.nodes), 'memory node')}, {host.physical_cores}{of_all} cores"
            f"{_describe_threads(host, ' with ', ' each')}",
            *limits,
        ]
    )


def _describe_threads(host: Host, before: str, after: str) -> str:
    """The hardware threads of a core; on a hybrid CPU the cores of each kind with theirs."""
    if not host.core_kinds:
        threads = max(len(core.cpus) for core in host.cores)
        return f"{before}{_count(threads, 'hardware thread')}{after}"
    kinds = []
    for kind in host.core_kinds:
        cores = [core for core in host.cores if core.kind is kind]
        threads = max(len(core.cpus) for core in cores)
        kinds.append(f"{len(cores)} {kind.label} with {_count(threads, 'hardware thread')}{after}")
    return ": " + ", ".join(kinds)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def render_nodes(host: Host) -> list[str]:
    """Return a line per memory node: its socket, its usable cores, their siblings, its memory."""
    memory_of: dict[int | None, str] = {node.id: describe_memory(node) for node in host.nodes}
    rows = [
        (*describe_cores(cores), memory_of.get(node, "") + render_forbidden(host, node))
        for (_, node, _), cores in group_cores(host).items()
    ]
    return join_columns([*rows, *list_unused_nodes(host)])


def _describe_memory(host: Host) -> str:
    nodes = _count(len(host.nodes), "memory node")
    if not host.memory_total_bytes:
        return f"size unknown, on {nodes}"
    return f"{host.memory_total_bytes / _GIB:.1f} GiB on {nodes}"


def group_cores(host: Host) -> dict[CoreGroup, list[Core]]:
    """The usable cores by socket, memory node and kind, in their order, and the fastest first."""
    groups: dict[CoreGroup, list[Core]] = defaultdict(list)
    for kind in host.core_kinds or (None,):
        for core in host.cores:
            if core.kind is kind:
                groups[core.socket, core.node, core.kind].append(core)
    return dict(sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] is None)))


def describe_cores(cores: Sequence[Core]) -> tuple[str, str, str, str, str]:
    """Columns for cores of one group: socket, node, kind, lowest hardware threads, the others."""
    siblings = [cpu for core in cores for cpu in core.cpus[1:]]
    node, kind = cores[0].node, cores[0].kind
    return (
        f"socket {cores[0].socket}",
        "no node" if node is None else f"node {node}",
        "" if kind is None else f"{kind.label} cores",
        f"cpus {short_list(core.cpus[0] for core in cores)}",
        f"siblings {short_list(siblings)}" if siblings else "",
    )


def list_unused_nodes(host: Host) -> list[tuple[str, ...]]:
    """Rows for the nodes without a usable core: of memory alone, out of bounds, or emulated."""
    used = {core.node for core in host.cores}
    return [
        ("", f"node {node.id}", "", "", "", _describe_unused(host, node))
        for node in host.nodes
        if node.id not in used
    ]


def _describe_unused(host: Host, node: Node) -> str:
    if not node.cpus:
        return "no cores" + (f", {describe_memory(node)}" if node.memory_bytes is not None else "")
    shared = {core.node for core in host.cores if not set(core.cpus).isdisjoint(node.cpus)}
    if shared:
        return "the same CPUs as " + ", ".join(f"node {other}" for other in sorted(shared, key=str))
    return f"not allowed ({short_list(node.cpus)})"


def render_forbidden(host: Host, node: int | None) -> str:
    """The online CPUs of the node that this process may not use, to put behind others."""
    online = {cpu for item in host.nodes if item.id == node for cpu in item.cpus}
    forbidden = online.difference(host.allowed_cpus)
    return f", not allowed ({short_list(forbidden)})" if forbidden else ""


def describe_memory(node: Node) -> str:
    """The node's size."""
    return "size unknown" if node.memory_bytes is None else f"{node.memory_bytes / _GIB:.1f} GiB"
