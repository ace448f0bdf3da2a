"""A host as a person reads it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.host.machine import format_cpu_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnet50_bench.host.machine import Core, Host, Node

_GIB = 1024**3
_LIST_CHARS = 32
_SWITCHES = {True: "on", False: "off", None: None}


def list_host_rows(host: Host) -> list[tuple[str, str]]:
    """Return the host's size, the limits of this process, and the settings that are known."""
    threads = max(len(core.cpus) for core in host.cores)
    kernel = f", kernel {host.kernel}" if host.kernel != "unknown" else ""
    rows = [
        ("Host", f"{host.hostname}{kernel}"),
        ("CPU", host.cpu_model),
        (
            "Cores",
            f"{host.physical_cores} of {host.total_cores} usable, on {len(host.sockets)} of "
            f"{_count(host.total_sockets, 'socket')}, {_count(threads, 'hardware thread')} each",
        ),
        ("Memory", _describe_memory(host)),
        ("Limits", "; ".join(_list_limits(host)) or "none"),
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
    threads = max(len(core.cpus) for core in host.cores)
    of_all = f" of {host.total_cores}" if host.physical_cores < host.total_cores else ""
    limits = _list_limits(host)
    return "; ".join(
        [
            f"{host.hostname}: {_count(len(host.sockets), 'socket')}, "
            f"{_count(len(host.nodes), 'memory node')}, {host.physical_cores}{of_all} cores with "
            f"{_count(threads, 'hardware thread')} each",
            *limits,
        ]
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def render_nodes(host: Host) -> list[str]:
    """Return a line per memory node: its socket, its usable cores, their siblings, its memory."""
    memory_of = {node.id: describe_memory(node) for node in host.nodes}
    rows = [
        (*describe_cores(cores), memory_of.get(node, "") + render_forbidden(host, node))
        for (_, node), cores in group_cores(host).items()
    ]
    return join_columns([*rows, *list_unused_nodes(host)])


def _describe_memory(host: Host) -> str:
    nodes = _count(len(host.nodes), "memory node")
    if not host.memory_total_bytes:
        return f"size unknown, on {nodes}"
    return f"{host.memory_total_bytes / _GIB:.1f} GiB on {nodes}"


def _list_limits(host: Host) -> list[str]:
    """What affinity and cgroups take away."""
    limits = []
    if len(host.allowed_cpus) < host.online_cpus:
        limits.append(
            f"CPUs {short_list(host.allowed_cpus)} allowed, {len(host.allowed_cpus)} of "
            f"{host.online_cpus} online"
        )
    if host.quota_cpus is not None:
        limits.append(f"CPU quota {host.quota_cpus:g}")
    if host.memory_limit_bytes is not None:
        limits.append(f"memory {host.memory_limit_bytes / _GIB:.1f} GiB")
    if host.allowed_nodes is not None:
        limits.append(f"memory of node {format_cpu_list(host.allowed_nodes)} only")
    return limits


def group_cores(host: Host) -> dict[tuple[int, int], list[Core]]:
    """The usable cores by socket and memory node, ascending."""
    groups: dict[tuple[int, int], list[Core]] = defaultdict(list)
    for core in host.cores:
        groups[core.socket, core.node].append(core)
    return dict(sorted(groups.items()))


def describe_cores(cores: Sequence[Core]) -> tuple[str, str, str, str]:
    """Columns for cores of one node: socket, node, their lowest hardware threads, the others."""
    siblings = [cpu for core in cores for cpu in core.cpus[1:]]
    return (
        f"socket {cores[0].socket}",
        f"node {cores[0].node}",
        f"cpus {short_list(core.cpus[0] for core in cores)}",
        f"siblings {short_list(siblings)}" if siblings else "",
    )


def list_unused_nodes(host: Host) -> list[tuple[str, ...]]:
    """Rows for the nodes without a usable core: of memory alone, or out of bounds."""
    used = {core.node for core in host.cores}
    rows: list[tuple[str, ...]] = []
    for node in host.nodes:
        if node.id not in used:
            memory = f", {describe_memory(node)}" if node.memory_bytes is not None else ""
            text = f"not allowed ({short_list(node.cpus)})" if node.cpus else f"no cores{memory}"
            rows.append(("", f"node {node.id}", "", "", text))
    return rows


def render_forbidden(host: Host, node: int) -> str:
    """The online CPUs of the node that this process may not use, to put behind others."""
    online = {cpu for item in host.nodes if item.id == node for cpu in item.cpus}
    forbidden = online.difference(host.allowed_cpus)
    return f", not allowed ({short_list(forbidden)})" if forbidden else ""


def describe_memory(node: Node) -> str:
    """The node's size."""
    return "size unknown" if node.memory_bytes is None else f"{node.memory_bytes / _GIB:.1f} GiB"


def join_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines, every column as wide as its widest text; empty columns go."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths) if width).rstrip()
        for row in rows
    ]


def short_list(cpus: Iterable[int]) -> str:
    """The CPU list, or how many CPUs of which range where it would be too long to read."""
    numbers = tuple(sorted(cpus))
    text = format_cpu_list(numbers)
    if len(text) <= _LIST_CHARS:
        return text
    return f"{len(numbers)} of {min(numbers)}-{max(numbers)}"
