"""Describes a machine that nobody has at hand: `2x56x2 snc4` -> `Host`.

The numbering is the kernel's usual one: the first hardware threads of all cores, socket by socket,
then the second ones. A description knows nothing of memory sizes, CPU features or settings.
"""

from __future__ import annotations

import re

from resnet50_bench.errors import HostSpecError
from resnet50_bench.host.machine import Core, Host, Node

SYNTAX = "SOCKETSxCORES[xTHREADS] [sncN|npsN], e.g. 2x56x2 snc4"

_PATTERN = re.compile(r"(\d+)x(\d+)(?:x(\d+))?(?:[ ,]*(snc|nps)(\d+))?", re.IGNORECASE)
_MAX_CPUS = 8192  # CONFIG_NR_CPUS of distributions' kernels for x86
_MAX_NODES = 1024  # the most that a kernel can be built for (CONFIG_NODES_SHIFT=10)
_UNKNOWN = "unknown"


def is_spec(text: str) -> bool:
    """Whether the text describes a machine; it may still be one that cannot exist."""
    return _PATTERN.fullmatch(text.strip()) is not None


def describe_host(spec: str) -> Host:
    """Return the machine that the text describes; every core and node of it is usable.

    Args:
        spec: sockets x physical cores per socket x hardware threads per core (1 if left out), and
            the memory nodes of each socket after `snc` or `nps` (1 if left out).

    Raises:
        HostSpecError: it is no description, or no machine can be so.
    """
    match = _PATTERN.fullmatch(spec.strip())
    if match is None:
        raise HostSpecError(f"{spec!r} does not describe a host", f"write {SYNTAX}")
    sockets, cores_per_socket, threads, nodes_per_socket = (
        int(match[group] or 1) for group in (1, 2, 3, 5)
    )
    _require_possible(spec, sockets, cores_per_socket, threads, nodes_per_socket)
    total = sockets * cores_per_socket
    cores_per_node = cores_per_socket // nodes_per_socket
    cores = tuple(
        Core(
            cpus=tuple(number + thread * total for thread in range(threads)),
            socket=number // cores_per_socket,
            node=number // cores_per_node,
        )
        for number in range(total)
    )
    nodes = tuple(
        Node(
            id=node,
            cpus=tuple(
                thread * total + number
                for thread in range(threads)
                for number in range(node * cores_per_node, (node + 1) * cores_per_node)
            ),
            memory_bytes=None,
        )
        for node in range(sockets * nodes_per_socket)
    )
    return _make_host(spec, cores, nodes)


def _require_possible(spec: str, sockets: int, cores: int, threads: int, nodes: int) -> None:
    for name, value in (
        ("sockets", sockets),
        ("cores per socket", cores),
        ("threads per core", threads),
        ("memory nodes per socket", nodes),
    ):
        if value < 1:
            raise HostSpecError(f"{spec!r} has no {name}", f"write {SYNTAX}, each 1 or more")
    if sockets * cores * threads > _MAX_CPUS or sockets * nodes > _MAX_NODES:
        raise HostSpecError(
            f"{spec!r} has {sockets * cores * threads} hardware threads and {sockets * nodes} "
            f"memory nodes: Linux knows at most {_MAX_CPUS} and {_MAX_NODES}",
            f"write {SYNTAX}",
        )
    if cores % nodes:
        even = [str(count) for count in range(1, min(cores, 16) + 1) if cores % count == 0]
        raise HostSpecError(
            f"{spec!r}: {cores} cores per socket cannot be divided into {nodes} equal memory nodes",
            f"with {cores} cores a socket can have {', '.join(even)}; where a real machine's "
            "nodes are unequal, use its file: r50 host capture FILE",
        )


def _make_host(spec: str, cores: tuple[Core, ...], nodes: tuple[Node, ...]) -> Host:
    cpus = tuple(sorted(cpu for core in cores for cpu in core.cpus))
    return Host(
        hostname=" ".join(spec.lower().replace(",", " ").split()),
        kernel=_UNKNOWN,
        cpu_model=_UNKNOWN,
        cpu_flags=(),
        cores=cores,
        nodes=nodes,
        total_sockets=len({core.socket for core in cores}),
        total_cores=len(cores),
        online_cpus=len(cpus),
        allowed_cpus=cpus,
        quota_cpus=None,
        memory_total_bytes=0,
        memory_available_bytes=0,
        memory_limit_bytes=None,
        governor=None,
        turbo=None,
        transparent_hugepage=None,
        numa_balancing=None,
        smt=len(cpus) > len(cores),
        virtualization=None,
        load_average_1min=None,
    )
