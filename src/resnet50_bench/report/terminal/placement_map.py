"""A placement as a map for people: who sits where, what is idle, and why."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.host.machine import format_cpu_list, short_list
from resnet50_bench.placement.supply import count_cores, label_kind
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.terminal.host import (
    describe_cores,
    group_cores,
    list_unused_nodes,
    render_forbidden,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.host.machine import Core, Host
    from resnet50_bench.placement.slots import Placement

_CONTENT_CHARS = 64


def render_placement(host: Host, placement: Placement) -> list[str]:
    """Return the map: a line per memory node, then what is idle and why, then the notes.

    Each line holds the lowest hardware threads of the node's cores, their siblings where there are
    any, and the instances with their CPUs: one by one while that is short, else as ranges.
    """
    owner = {cpu: slot.instance for slot in placement.slots for cpu in slot.cpus}
    groups = group_cores(host)
    contents = [
        _render_cores(placement, cores, owner, one_by_one=True) for cores in groups.values()
    ]
    if max(map(len, contents)) > _CONTENT_CHARS:
        contents = [
            _render_cores(placement, cores, owner, one_by_one=False) for cores in groups.values()
        ]
    rows: list[tuple[str, ...]] = [
        (*describe_cores(cores), content + render_forbidden(host, node))
        for ((_, node, _), cores), content in zip(groups.items(), contents)
    ]
    lines = join_columns([*rows, *list_unused_nodes(host)])
    reasons = [idle.reason for idle in placement.idle_cores]
    notes = [note for note in placement.notes if not any(note in reason for reason in reasons)]
    return [
        *lines,
        *_render_streams(placement),
        *reasons,
        *_render_idle_siblings(host, owner),
        *notes,
    ]


def _render_streams(placement: Placement) -> list[str]:
    """The CPUs of each stream, where streams have several: else the instances' CPUs tell."""
    return [
        f"streams of instance {slot.instance}: "
        + ", ".join(f"{number} ({short_list(cpus)})" for number, cpus in enumerate(slot.streams))
        for slot in placement.slots
        if slot.streams and len(slot.streams[0]) > 1
    ]


def describe_instances(placement: Placement) -> str:
    """Return the instances in one line, such as `8 x 14 cores, 14 threads each`."""
    slots, slot = placement.slots, placement.slots[0]
    kinds = {item.core_kind for item in slots}
    label = label_kind(*kinds) if len(kinds) == 1 else ""
    cores = count_cores(slot.cores, label)
    size = f"{len(slots)} x {cores}, {_count(slot.threads, 'thread')} each"
    streams = [len(item.streams) for item in slots]
    if not any(streams):
        return size
    each = (
        f"{min(streams)}" if min(streams) == max(streams) else f"{min(streams)} to {max(streams)}"
    )
    threads = _count(len(slot.streams[0]), "thread")
    return f"{size}, in {each} stream{'s' * (max(streams) != 1)} of {threads}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _render_cores(
    placement: Placement, cores: Sequence[Core], owner: dict[int, int], *, one_by_one: bool
) -> str:
    """What runs on the cores of one node, e.g. `instance 0 (0-3), 1 (4-7), idle (8-9)`."""
    cpus_of: dict[int, list[int]] = defaultdict(list)
    for cpu in (cpu for core in cores for cpu in core.cpus if cpu in owner):
        cpus_of[owner[cpu]].append(cpu)
    parts = [i for i in cpus_of if len(cpus_of[i]) < len(placement.slots[i].cpus)]
    whole = [i for i in cpus_of if i not in parts]
    part = "part of " if whole else "part of instance "
    groups = [("", whole), (part, parts)]
    if one_by_one:
        groups = [(what, [instance]) for what, who in groups for instance in who]
    texts = [_render_group(what, who, cpus_of) for what, who in groups if who]
    idle = [core.cpus[0] for core in cores if core.cpus[0] not in owner]
    texts += [f"idle ({short_list(idle)})"] * bool(idle)
    return ("instance " if whole else "") + ", ".join(texts)


def _render_group(what: str, who: list[int], cpus_of: dict[int, list[int]]) -> str:
    cpus = short_list(cpu for instance in who for cpu in cpus_of[instance])
    return f"{what}{format_cpu_list(tuple(who))} ({cpus})"


def _render_idle_siblings(host: Host, owner: dict[int, int]) -> list[str]:
    """The hardware threads beside those at work, which stay idle unless they are asked for."""
    idle = [
        cpu
        for core in host.cores
        for cpu in core.cpus
        if cpu not in owner and not owner.keys().isdisjoint(core.cpus)
    ]
    if not idle:
        return []
    return [f"siblings {short_list(idle)} idle: one thread per core; --smt uses all of a core"]
