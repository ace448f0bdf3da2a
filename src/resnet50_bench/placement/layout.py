"""A run's parameters -> its placement: the mode's defaults, no instance without work, sharing.

`placement` decides which cores an instance gets; this decides how many cores to ask for, and joins
the slots whose owners share one copy of the weights.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.config import CaseType, Mode, RunConfig, SharePer, plan_workload
from resnet50_bench.errors import ConfigError
from resnet50_bench.host.machine import format_cpu_list
from resnet50_bench.placement.explain import explain_slots
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.placement.slots import IdleCores, Placement, Slot
from resnet50_bench.placement.supply import count_cores, label_kind

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Host

ACCURACY_CORES = 4
"""Cores per instance in accuracy mode, at most: Python's own work for an image, done by one thread
at a time, would hold more of them back."""

STREAM_CORES = 4
"""Cores per stream with weight sharing, at most and where nothing else is asked for."""


def plan_request(config: RunConfig) -> PlacementRequest:
    """Return what a run's parameters ask of the placement."""
    gated = config.case_type is CaseType.GATED
    return PlacementRequest(
        # gated means CORES_PER_INSTANCE = cores per socket, which is throughput's own default.
        mode=Mode.THROUGHPUT if gated else config.mode,
        cores_per_instance=config.cores_per_instance,
        instances=config.instances,
        use_smt=config.smt,
        span_sockets=config.span_sockets,
        per_socket=_count_per_socket(config),
        core_kind=config.core_kind,
    )


def _count_per_socket(config: RunConfig) -> int | None:
    """How many instances each socket is to get, where MPI is asked for so many; None elsewhere.

    In accuracy mode, where a socket has many, one is what nobody asked for.
    """
    if not config.mpi or config.instances is not None or config.weight_sharing:
        return None
    return None if config.mode is Mode.ACCURACY and config.num_mpi == 1 else config.num_mpi


def plan_layout(config: RunConfig, host: Host, batches: int | None = None) -> Placement:
    """Place the instances of a run.

    Args:
        config: what was asked.
        host: the machine.
        batches: how many batches there are to see in accuracy mode; None when nobody knows yet.

    Raises:
        PlacementError: the instances do not fit.
        ConfigError: more instances than batches were asked for, or a stream of more cores than a
            query has images.
    """
    request = plan_request(config)
    most = _find_most_cores(config)
    if most is not None and config.cores_per_instance is None:
        largest = plan_placement(host, replace(request, instances=None)).cores_per_instance
        request = replace(request, cores_per_instance=min(most, largest))
    placement = plan_placement(host, request)
    if config.weight_sharing:
        _require_images_per_core(config, placement)
        placement = share_weights(host, placement, config.share_per)
    if config.mode is Mode.ACCURACY:
        placement = _limit(config, host, placement, batches)
        placement = replace(placement, slots=tuple(map(_stream_each_cpu, placement.slots)))
    return placement


def plan_fewer(config: RunConfig, host: Host, placement: Placement, instances: int) -> Placement:
    """Return the placement with only so many instances, of the same size."""
    if len(placement.slots) <= instances:
        return placement
    if config.weight_sharing:
        kept, free = placement.slots[:instances], placement.slots[instances:]
        idle = tuple(_leave_idle(host, slot) for slot in free)
        fewer = _replace_slots(host, placement, kept)
        return replace(fewer, idle_cores=(*placement.idle_cores, *idle))
    request: PlacementRequest = replace(
        plan_request(config),
        cores_per_instance=placement.cores_per_instance,
        instances=instances,
        per_socket=None,
    )
    fewer = plan_placement(host, request)
    if config.mode is not Mode.ACCURACY:
        return fewer
    return replace(fewer, slots=tuple(map(_stream_each_cpu, fewer.slots)))


def share_weights(host: Host, placement: Placement, per: SharePer) -> Placement:
    """Join the slots of each socket, or memory node, into one instance of as many streams.

    On a hybrid CPU none joins slots of different kinds of core.

    Args:
        host: the machine.
        placement: a slot for each stream.
        per: what each instance spans.
    """
    groups: dict[tuple[object, ...], list[Slot]] = defaultdict(list)
    for slot in placement.slots:
        # Sockets that must share the memory of one node do not become one instance.
        nodes = slot.nodes if per is SharePer.NODE else None
        groups[slot.sockets, nodes, slot.core_kind].append(slot)
    joined = tuple(_join(instance, group) for instance, group in enumerate(groups.values()))
    return _replace_slots(host, placement, joined)


def _replace_slots(host: Host, placement: Placement, slots: tuple[Slot, ...]) -> Placement:
    """The placement with other slots, and the notes that name single instances made anew."""
    old = explain_slots(host, placement.slots)
    kept = [note for note in placement.notes if note not in old]
    return replace(placement, slots=slots, notes=(*kept, *explain_slots(host, slots)))


def describe_size(placement: Placement) -> str:
    """Say how many instances there are, and how large, in a few words."""
    instances, streams = len(placement.slots), sum(len(slot.streams) for slot in placement.slots)
    cores = placement.cores_per_instance
    if not streams:
        kinds = {slot.core_kind for slot in placement.slots}
        label = label_kind(*kinds) if len(kinds) == 1 else ""
        return f"{_count(instances, 'instance')} x {count_cores(cores, label)}"
    each = len(placement.slots[0].streams[0])
    return (
        f"{_count(instances, 'instance')} with {_count(streams, 'stream')} x "
        f"{_count(each, 'thread')}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _join(instance: int, slots: list[Slot]) -> Slot:
    return Slot(
        instance=instance,
        cpus=tuple(sorted(cpu for slot in slots for cpu in slot.cpus)),
        cores=sum(slot.cores for slot in slots),
        threads=sum(slot.threads for slot in slots),
        sockets=tuple(sorted({socket for slot in slots for socket in slot.sockets})),
        nodes=tuple(sorted({node for slot in slots for node in slot.nodes})),
        streams=tuple(slot.cpus for slot in slots),
        core_kind=slots[0].core_kind,
    )


def _leave_idle(host: Host, slot: Slot) -> IdleCores:
    cpus = tuple(core.cpus[0] for core in host.cores if core.cpus[0] in slot.cpus)
    where = "socket " + format_cpu_list(slot.sockets)
    reason = (
        f"{where}: {count_cores(slot.cores, label_kind(slot.core_kind))} idle: no batch is left"
    )
    return IdleCores(slot.cores, cpus, reason)


def _stream_each_cpu(slot: Slot) -> Slot:
    return replace(slot, streams=tuple((cpu,) for cpu in slot.cpus))


def _find_most_cores(config: RunConfig) -> int | None:
    """The most cores per instance, or stream, when nobody asked; None for the mode's own."""
    if config.weight_sharing:
        return min(STREAM_CORES, plan_workload(config).batch_size)
    many = config.mode is Mode.ACCURACY and _count_per_socket(config) is None
    return ACCURACY_CORES if many else None


def _require_images_per_core(config: RunConfig, placement: Placement) -> None:
    """Each core of a stream takes its own part of a query's images."""
    batch_size, threads = plan_workload(config).batch_size, placement.slots[0].threads
    if config.mode is not Mode.ACCURACY and threads > batch_size:
        raise ConfigError(
            [
                f"--weight-sharing: each of the {threads} threads of a stream takes its own part "
                f"of a query, and a query has {batch_size} image{'s' * (batch_size != 1)}: use a "
                f"--batch-size of {threads} or more, or fewer --cores-per-instance"
            ]
        )


def _limit(config: RunConfig, host: Host, placement: Placement, batches: int | None) -> Placement:
    """No instance without a batch."""
    if batches is None or len(placement.slots) <= batches:
        return placement
    if config.instances is not None and not config.weight_sharing:
        raise ConfigError(
            [
                f"--instances {config.instances}: the images make {batches} batches, at least one "
                "for each instance: use fewer instances, or a smaller --batch-size"
            ]
        )
    return plan_fewer(config, host, placement, batches)
