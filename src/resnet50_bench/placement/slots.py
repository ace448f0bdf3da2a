"""Plans which instance owns which cores and memory nodes: pure, from a `Host` and a request.

Instances are equal, because a sum over unequal ones says nothing about either. Each socket is
packed by itself: first whole instances inside each memory node, then instances across the nodes'
left-over cores, which is the fewest that can straddle nodes when as many as possible are placed.
With fewer instances than fit, sockets (and nodes within them) take turns. Instances are numbered
in the order of sockets and cores.

On a hybrid CPU an instance keeps to one kind of core: the cores of another kind are left idle, or
(`CoreKind.ANY`) packed by themselves, as if they were on a socket of their own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from resnet50_bench.config import CoreKind, Mode
from resnet50_bench.errors import PlacementError
from resnet50_bench.host.machine import Core, Host, format_cpu_list
from resnet50_bench.placement.supply import (
    Supply,
    count_cores,
    describe_room,
    label_kind,
    plan_supply,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LATENCY_CORES_PER_INSTANCE = 4
"""What latency mode means: 4 cores per instance, all instances together."""

_Group: TypeAlias = tuple[Core, ...]


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """What was asked of the placement.

    Attributes:
        mode: decides the default size of an instance.
        cores_per_instance: physical cores per instance; None for the mode's default.
        instances: how many; None for all that fit, or one per socket of a whole socket's size.
        use_smt: pin to every hardware thread of a core, with a compute thread on each.
        span_sockets: let instances cross sockets where cores are left over.
        per_socket: so many on every socket, and unless a size is asked for they share its cores;
            None where the mode decides. With `CoreKind.ANY`, so many on each kind of core of it.
        core_kind: on a hybrid CPU, the kind of core to use; None for the fastest there is.
    """

    mode: Mode
    cores_per_instance: int | None = None
    instances: int | None = None
    use_smt: bool = False
    span_sockets: bool = False
    per_socket: int | None = None
    core_kind: CoreKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What one instance owns.

    Attributes:
        instance: its index, from 0.
        cpus: the hardware threads it is pinned to, ascending.
        cores: how many physical cores these are.
        threads: how many compute threads it runs: one per CPU of `cpus`.
        sockets: where the cores are, ascending.
        nodes: the memory nodes to bind its memory to, ascending.
        streams: the hardware threads of each stream; () where the instance makes one query at a
            time, on all of `cpus`.
        core_kind: of its cores, on a hybrid CPU; None on others.
    """

    instance: int
    cpus: tuple[int, ...]
    cores: int
    threads: int
    sockets: tuple[int, ...]
    nodes: tuple[int, ...]
    streams: tuple[tuple[int, ...], ...] = ()
    core_kind: CoreKind | None = None


@dataclass(frozen=True, slots=True)
class IdleCores:
    """Usable cores that no instance got, and why.

    Attributes:
        cores: how many physical cores.
        cpus: the lowest hardware thread of each, ascending.
        reason: one sentence for people, with the flag that changes it.
    """

    cores: int
    cpus: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The plan: every usable core is in exactly one slot or one group of idle cores.

    Attributes:
        slots: by instance; at least one.
        idle_cores: the rest, by socket.
        notes: what a reader of the results has to know about the placement.
        cores_per_instance: the same for every slot.
    """

    slots: tuple[Slot, ...]
    idle_cores: tuple[IdleCores, ...]
    notes: tuple[str, ...]
    cores_per_instance: int


def plan_placement(host: Host, request: PlacementRequest) -> Placement:
    """Return which instance owns which cores and memory nodes.

    Only physical cores count. A slot is pinned to the lowest hardware thread of each of its cores,
    or to all of them with `use_smt`. A CPU quota limits the CPUs in use to its whole part.

    Raises:
        PlacementError: the instances do not fit, or fewer than one core or instance is asked for.
    """
    supply = plan_supply(host, request)
    size = _plan_size(supply)
    count = _plan_count(supply, size)
    groups = _plan_groups(supply, size)
    position = {core: index for index, core in enumerate(host.cores)}
    used = sorted(groups[:count], key=lambda group: position[group[0]])
    slots = _plan_slots(host, used, supply.threads_per_core)
    return Placement(
        slots=slots,
        idle_cores=(
            *_explain_idle(supply, size, used, groups[count:]),
            *_explain_other_kinds(supply),
        ),
        notes=(*_explain_supply(host, supply), *explain_slots(host, slots)),
        cores_per_instance=size,
    )


def plan_cores_per_instance_that_fits(
    host: Host, bytes_per_instance: int, request: PlacementRequest
) -> int | None:
    """Return the fewest cores per instance with which all instances' memory fits.

    Larger instances are fewer instances. The memory is what is available now, or the cgroup's
    limit if that is less. None if no size helps: not even one instance fits, or more are fixed by
    `request.instances` than fit.

    Raises:
        PlacementError: fewer than one core or instance is asked for, or a kind of core there is
            not.
    """
    limit = host.memory_limit_bytes
    available = host.memory_available_bytes
    affordable = (available if limit is None else min(limit, available)) // bytes_per_instance
    supply = plan_supply(host, request)
    for size in range(1, supply.largest_instance(span_sockets=request.span_sockets) + 1):
        capacity = supply.capacity(size)
        if (request.instances or capacity) <= min(affordable, capacity):
            return size
    return None


def _plan_size(supply: Supply) -> int:
    """The cores of every instance."""
    request = supply.request
    if supply.shares_sockets:
        # As few sockets as the quota pays for, and all that it pays for on each of them.
        smallest = min(supply.sizes)
        sockets = min(len(supply.sizes), math.ceil(supply.budget / smallest))
        whole = min(smallest, supply.budget // sockets)
        if whole >= supply.per_socket:
            return whole // supply.per_socket
        raise PlacementError(
            f"--num-mpi {supply.per_socket} does not fit: "
            f"{count_cores(whole, f'usable {supply.label}')} per socket",
            f"use --num-mpi {whole} or less",
        )
    size = request.cores_per_instance or LATENCY_CORES_PER_INSTANCE
    fitting = supply.largest_instance(span_sockets=request.span_sockets)
    if size <= fitting:
        return size
    if request.cores_per_instance is None:
        what = f"latency mode uses {size} cores per instance"
        advice = f"--cores-per-instance {fitting} runs it anyway, with smaller instances"
    else:
        what = f"--cores-per-instance {size} does not fit"
        advice = f"use --cores-per-instance {fitting} or less"
    if supply.largest_instance(span_sockets=True) >= size:
        advice += ", or --span-sockets to let an instance cross sockets"
    larger = [kind for (_, kind), cores in supply.others.items() if kind and len(cores) >= size]
    if larger and (not supply.quota or supply.budget >= size):
        advice += f", or --core-kind {larger[0].value}, of which there are more cores"
    raise PlacementError(f"{what}: {describe_room(supply)}", advice)


def _plan_count(supply: Supply, size: int) -> int:
    capacity = supply.capacity(size)
    wanted = supply.request.instances
    if supply.request.per_socket is not None:
        return _plan_per_socket(supply, size)
    if wanted is None:
        return min(capacity, len(supply.sizes)) if supply.shares_sockets else capacity
    if wanted <= capacity:
        return wanted
    advice = f"use --instances {capacity} or less"
    smaller = next((s for s in range(size, 0, -1) if supply.capacity(s) >= wanted), None)
    if smaller is not None:
        advice += f", or --cores-per-instance {smaller}"
    room = f"this host has room for {capacity} of {count_cores(size)} each"
    raise PlacementError(f"--instances {wanted} does not fit: {room}", advice)


def _plan_per_socket(supply: Supply, size: int) -> int:
    """The instances of all sockets together, with as many on each as was asked for."""
    count, sockets = supply.per_socket, len(supply.sizes)
    fitting = min(min(supply.sizes) // size, supply.budget // (size * sockets))
    if supply.shares_sockets or count <= fitting:
        return min(count * sockets, supply.capacity(size))
    room = f"a socket of this host has room for {fitting} of {count_cores(size)} each"
    room += f", and {supply.quota}" if supply.quota else ""
    advice = f"use --num-mpi {fitting} or less, or" if fitting else "use"
    raise PlacementError(
        f"--num-mpi {count} does not fit: {room}", f"{advice} a smaller --cores-per-instance"
    )


def _plan_groups(supply: Supply, size: int) -> list[_Group]:
    """Every group of cores that could be an instance, in the order to use them.

    Sockets take turns, and where each kind of core has its share of instances, kinds too; else
    the fastest kind comes first.
    """
    of_kind: dict[CoreKind | None, list[list[_Group]]] = defaultdict(list)
    left_over: dict[CoreKind | None, list[Core]] = defaultdict(list)
    for (_, kind), cores in supply.pools.items():
        groups, rest = _pack(cores, size)
        of_kind[kind].append(groups)
        left_over[kind] += rest
    spans = supply.request.span_sockets
    spanning = [group for rest in left_over.values() for group in _split(rest, size) if spans]
    if supply.request.instances is None and supply.shares_sockets:
        return _take_turns([row for rows in of_kind.values() for row in rows]) + spanning
    return [group for rows in of_kind.values() for group in _take_turns(rows)] + spanning


def _pack(cores: list[Core], size: int) -> tuple[list[_Group], list[Core]]:
    """The groups of one socket, those inside a memory node first, and the cores left over."""
    nodes: dict[int | None, list[Core]] = defaultdict(list)
    for core in cores:
        nodes[core.node].append(core)
    aligned = _take_turns([_split(node_cores, size) for node_cores in nodes.values()])
    remainder = [core for node_cores in nodes.values() for core in _rest(node_cores, size)]
    return aligned + _split(remainder, size), _rest(remainder, size)


def _split(cores: list[Core], size: int) -> list[_Group]:
    return [tuple(cores[start : start + size]) for start in range(0, len(cores) - size + 1, size)]


def _rest(cores: list[Core], size: int) -> list[Core]:
    return cores[len(cores) - len(cores) % size :]


def _take_turns(rows: list[list[_Group]]) -> list[_Group]:
    """The first of every row, then the second of every row, and so on."""
    return [group for turn in zip_longest(*rows) for group in turn if group]


def _plan_slots(host: Host, groups: list[_Group], threads_per_core: int) -> tuple[Slot, ...]:
    filled = _find_memory(host)
    near = _find_near(host)
    slots = []
    for index, group in enumerate(groups):
        cpus = tuple(sorted(cpu for core in group for cpu in core.cpus[:threads_per_core]))
        own = {node for core in group for node in near[core]}
        is_near = own <= filled and all(near[core] for core in group)
        nodes = own if is_near or not filled else filled
        slot = Slot(
            instance=index,
            cpus=cpus,
            cores=len(group),
            threads=len(cpus),
            sockets=tuple(sorted({core.socket for core in group})),
            nodes=tuple(sorted(nodes)),
            core_kind=group[0].kind,
        )
        slots.append(slot)
    return tuple(slots)


def _find_near(host: Host) -> dict[Core, tuple[int, ...]]:
    """The memory nodes of each core: with emulated nodes (numa=fake) several are one in truth."""
    listing: dict[int, list[int]] = defaultdict(list)
    for node in host.nodes:
        for cpu in node.cpus:
            listing[cpu].append(node.id)
    own = {core: () if core.node is None else (core.node,) for core in host.cores}
    return {core: tuple(listing.get(core.cpus[0], own[core])) for core in host.cores}


def _find_memory(host: Host) -> set[int]:
    """The nodes that an instance may have its memory on."""
    allowed = {node.id for node in host.nodes} if host.allowed_nodes is None else host.allowed_nodes
    return {node.id for node in host.nodes if node.memory_bytes != 0 and node.id in allowed}


def _explain_idle(
    supply: Supply, size: int, used: list[_Group], unused: list[_Group]
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


def _explain_other_kinds(supply: Supply) -> Iterator[IdleCores]:
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


def _explain_supply(host: Host, supply: Supply) -> list[str]:
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
    filled = _find_memory(host)
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
