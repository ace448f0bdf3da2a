"""Why cores are idle, and what a reader has to know about the instances."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.config import CoreKind
from resnet50_bench.host.machine import Core, Host, format_cpu_list
from resnet50_bench.placement.packing import Group
from resnet50_bench.placement.slots import IdleCores, Slot, find_filled_nodes
from resnet50_bench.placement.supply import Supply, count_cores, label_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def explain_idle(
    supply: Supply, size: int, used: list[Group], unused: list[Group]
) -> tuple[IdleCores, ...]:
    """One entry for each socket, kind of core and reason."""
    at_work = {core for group in used for core in group}
    fitting = {core for group in unused for core in group}
    unused_why, rest_why = _explain_reasons(supply, size, len(used))
    idle_cores = []
    for (socket, kind), cores in supply.pools.items():
        idle: dict[str, list[int]] = defaultdict(list)
        for core in cores:
            if core not in at_work:
                idle[unused_why if core in fitting else rest_why].append(core.cpus[0])
        for why, cpus in idle.items():
            own = count_cores(len(cores), label_kind(kind))
            reason = f"socket {socket}: {len(cpus)} of {own} idle: {why}"
            idle_cores.append(IdleCores(len(cpus), tuple(sorted(cpus)), reason))
    return tuple(idle_cores)


def explain_other_kinds(supply: Supply) -> Iterator[IdleCores]:
    """The cores of kinds that were not asked for."""
    for (socket, kind), cores in supply.others.items():
        if kind is not None:
            yield IdleCores(
                len(cores),
                tuple(sorted(core.cpus[0] for core in cores)),
                f"socket {socket}: {count_cores(len(cores), label_kind(kind))} idle: instances are "
                f"on {supply.label}cores; --core-kind {kind.value} uses these instead, "
                "--core-kind any uses all",
            )


def _explain_reasons(supply: Supply, size: int, used: int) -> tuple[str, str]:
    """Why cores that could hold an instance have none, and why other cores are left over."""
    each = "one" if supply.per_socket == 1 else str(supply.per_socket)
    own = min(supply.sizes) // supply.per_socket
    where = "socket and kind of core" if len(supply.kinds) > 1 else "socket"
    equal = f"equal instances, {each} per {where}, have {count_cores(own)} each"
    whole = size == own and own * supply.per_socket * len(supply.sizes) <= supply.budget
    by_quota = supply.quota and not (supply.shares_sockets and whole)
    default = supply.quota if by_quota else f"{equal}; --cores-per-instance changes it"
    few = f"too few for one more instance of {count_cores(size)}; --cores-per-instance changes it"
    wanted = supply.request.instances
    by_request = wanted is not None and used < supply.capacity(size)
    unused = f"--instances {wanted} leaves them free" if by_request else default
    if supply.request.per_socket is not None and not supply.shares_sockets:
        unused = f"--num-mpi {supply.per_socket} leaves them free"
    return unused, default if supply.shares_sockets else few


def explain_supply(host: Host, supply: Supply) -> list[str]:
    """Return what a reader has to know about the cores there were to give out."""
    notes = []
    if len(host.cores) < host.total_cores:
        notes.append(f"this process may use {len(host.cores)} of {count_cores(host.total_cores)}")
    if supply.quota:
        notes.append(supply.quota)
    if (host.quota_cpus or math.inf) < supply.threads_per_core:
        notes.append("the CPU quota is less than one core: results will be throttled")
    if supply.request.use_smt and supply.threads_per_core == 1:
        notes.append("no second hardware thread is usable on every core: one thread per core")
    return notes


def explain_slots(host: Host, slots: Sequence[Slot]) -> list[str]:
    """Return what a reader has to know about single instances: the notes that name them."""
    core_of = {cpu: core for core in host.cores for cpu in core.cpus}
    groups = [{core_of[cpu] for cpu in slot.cpus} for slot in slots]
    filled = find_filled_nodes(host)
    has_slower = len({slot.core_kind for slot in slots}) > 1
    facts = (
        ("crosses sockets", [len(slot.sockets) > 1 for slot in slots]),
        ("straddles memory nodes", [len({core.node for core in group}) > 1 for group in groups]),
        (
            "has cores on a node without usable memory: bound to all nodes that have it",
            [bool(filled) and _is_far(group, filled) for group in groups],
        ),
        (
            "has CPUs that no memory node lists: bound to all nodes that have memory",
            [any(core.node is None for core in group) for group in groups],
        ),
        *(
            (
                f"on {kind.label} cores: not as fast as the others",
                [has_slower and slot.core_kind is kind for slot in slots],
            )
            for kind in (CoreKind.E, CoreKind.LP)
        ),
    )
    found = (
        (what, tuple(slot.instance for slot, hit in zip(slots, hits) if hit))
        for what, hits in facts
    )
    return [f"instance {format_cpu_list(who)}: {what}" for what, who in found if who]


def _is_far(group: set[Core], filled: set[int]) -> bool:
    return any(core.node is not None and core.node not in filled for core in group)
