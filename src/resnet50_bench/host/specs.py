"""Describes a machine that nobody has at hand: `2x56x2 snc4` -> `Host`.

The numbering is the kernel's usual one: the first hardware threads of all cores, socket by socket,
then the second ones; on hybrid CPUs core by core, P cores first. A description knows nothing of
memory sizes, CPU features or settings.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from resnet50_bench.config import CoreKind
from resnet50_bench.errors import HostSpecError
from resnet50_bench.host.machine import Core, Host, Node

SYNTAX = "SOCKETSxCORES[xTHREADS][+E[+LP]] [sncN|npsN], e.g. 2x56x2 snc4 or 1x8x2+16"

_PATTERN = re.compile(
    r"(\d+)x(\d+)(?:x(\d+))?(?:\+(\d+))?(?:\+(\d+))?(?:[ ,]*(?:snc|nps)(\d+))?", re.IGNORECASE
)
_MAX_CPUS = 8192  # CONFIG_NR_CPUS of distributions' kernels for x86
_MAX_NODES = 1024  # the most that a kernel can be built for (CONFIG_NODES_SHIFT=10)
_UNKNOWN = "unknown"


def is_spec(text: str) -> bool:
    """Whether the text describes a machine; it may still be one that cannot exist."""
    return _PATTERN.fullmatch(text.strip()) is not None


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a description says, each for one socket; `cores` are the P cores of a hybrid CPU."""

    sockets: int
    cores: int
    threads: int
    efficient: int
    low_power: int
    nodes: int

    @property
    def all_cores(self) -> int:
        return self.cores + self.efficient + self.low_power

    @property
    def cpus(self) -> int:
        """Of the whole machine."""
        return self.sockets * (self.all_cores + self.cores * (self.threads - 1))


def describe_host(spec: str) -> Host:
    """Return the machine that the text describes; every core and node of it is usable.

    Args:
        spec: sockets x physical cores per socket x hardware threads per core (1 if left out); on
            hybrid CPUs `+` E cores and `+` LP-E cores, of one thread each; and the memory nodes of
            each socket after `snc` or `nps` (1 if left out).

    Raises:
        HostSpecError: it is no description, or no machine can be so.
    """
    match = _PATTERN.fullmatch(spec.strip())
    if match is None:
        raise HostSpecError(f"{spec!r} does not describe a host", f"write {SYNTAX}")
    given = [None if text is None else int(text) for text in match.groups()]
    sockets, cores, threads, efficient, low_power, nodes = given
    shape = _Shape(
        sockets=sockets or 0,
        cores=cores or 0,
        threads=1 if threads is None else threads,
        efficient=efficient or 0,
        low_power=low_power or 0,
        nodes=1 if nodes is None else nodes,
    )
    _require_possible(spec, shape, is_hybrid=efficient is not None)
    found = _plan_hybrid(shape) if shape.all_cores > shape.cores else _plan_cores(shape)
    nodes_with_cpus: dict[int, list[int]] = defaultdict(list)
    for core in found:
        nodes_with_cpus[core.node or 0] += core.cpus
    memory = tuple(
        Node(id=node, cpus=tuple(sorted(cpus)), memory_bytes=None)
        for node, cpus in nodes_with_cpus.items()
    )
    return _make_host(spec, found, memory)


def _plan_cores(shape: _Shape) -> tuple[Core, ...]:
    total = shape.sockets * shape.cores
    return tuple(
        Core(
            cpus=tuple(number + thread * total for thread in range(shape.threads)),
            socket=number // shape.cores,
            node=number // (shape.cores // shape.nodes),
        )
        for number in range(total)
    )


def _plan_hybrid(shape: _Shape) -> tuple[Core, ...]:
    kinds = (
        (CoreKind.P, shape.cores, shape.threads),
        (CoreKind.E, shape.efficient, 1),
        (CoreKind.LP, shape.low_power, 1),
    )
    cores: list[Core] = []
    first = 0
    for socket in range(shape.sockets):
        for kind, count, threads in kinds:
            for _ in range(count):
                cores.append(Core(tuple(range(first, first + threads)), socket, socket, kind))
                first += threads
    return tuple(cores)


def _require_possible(spec: str, shape: _Shape, *, is_hybrid: bool) -> None:
    for name, value in (
        ("sockets", shape.sockets),
        ("cores per socket", shape.cores),
        ("threads per core", shape.threads),
        ("memory nodes per socket", shape.nodes),
        ("E cores per socket", shape.efficient if is_hybrid else 1),
    ):
        if value < 1:
            raise HostSpecError(f"{spec!r} has no {name}", f"write {SYNTAX}, each 1 or more")
    nodes = shape.sockets * shape.nodes
    if shape.cpus > _MAX_CPUS or nodes > _MAX_NODES:
        raise HostSpecError(
            f"{spec!r} has {shape.cpus} hardware threads and {nodes} "
            f"memory nodes: Linux knows at most {_MAX_CPUS} and {_MAX_NODES}",
            f"write {SYNTAX}",
        )
    if is_hybrid and shape.nodes > 1:
        raise HostSpecError(
            f"{spec!r}: a hybrid CPU has one memory node per socket", "leave sncN or npsN out"
        )
    if shape.cores % shape.nodes:
        cores = shape.cores
        even = [str(count) for count in range(1, min(cores, 16) + 1) if cores % count == 0]
        raise HostSpecError(
            f"{spec!r}: {cores} cores per socket cannot be divided into {shape.nodes} equal memory "
            "nodes",
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
