"""Plans which instance owns which cores and memory nodes: pure, from a `Host` and a request.

Instances are equal, because a sum over unequal ones says nothing about either. With fewer instances
than fit, sockets (and nodes within them) take turns. Instances are numbered in the order of sockets
and cores.

On a hybrid CPU an instance keeps to one kind of core: the cores of another kind are left idle, or
(`CoreKind.ANY`) packed by themselves, as if they were on a socket of their own.
"""

from __future__ import annotations

import math
from collections import defaultdict

from resnet50_bench.errors import PlacementError
from resnet50_bench.host.machine import Core, Host
from resnet50_bench.placement.explain import (
    explain_idle,
    explain_other_kinds,
    explain_slots,
    explain_supply,
)
from resnet50_bench.placement.packing import Group, plan_groups
from resnet50_bench.placement.request import LATENCY_CORES_PER_INSTANCE, PlacementRequest
from resnet50_bench.placement.slots import Placement, Slot, find_filled_nodes
from resnet50_bench.placement.supply import Supply, count_cores, describe_room, plan_supply


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
    groups = plan_groups(supply, size)
    position = {core: index for index, core in enumerate(host.cores)}
    used = sorted(groups[:count], key=lambda group: position[group[0]])
    slots = _plan_slots(host, used, supply.threads_per_core)
    return Placement(
        slots=slots,
        idle_cores=(
            *explain_idle(supply, size, used, groups[count:]),
            *explain_other_kinds(supply),
        ),
        notes=(*explain_supply(host, supply), *explain_slots(host, slots)),
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


def _plan_slots(host: Host, groups: list[Group], threads_per_core: int) -> tuple[Slot, ...]:
    filled = find_filled_nodes(host)
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
