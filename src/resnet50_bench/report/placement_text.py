"""A placement as a person reads it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.host import Core, Host, format_cpu_list

if TYPE_CHECKING:
    from resnet50_bench.placement import Placement

_LISTED_SLOTS = 32
_LIST_CHARS = 32


def render_placement(host: Host, placement: Placement) -> list[str]:
    """Return a map for people: a line per memory node, then the idle cores and the notes.

    Up to 32 instances are listed with their CPUs; more are given as ranges.
    """
    owner = {cpu: slot.instance for slot in placement.slots for cpu in slot.cpus}
    cores_of: dict[tuple[int, int], list[Core]] = defaultdict(list)
    for core in host.cores:
        cores_of[core.socket, core.node].append(core)
    rows = []
    for (socket, node), cores in sorted(cores_of.items()):
        cpus = _short_list([core.cpus[0] for core in cores])
        content = _render_node(placement, cores, owner)
        rows.append((f"socket {socket}", f"node {node}", f"cpus {cpus}", content))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return [*lines, *(idle.reason for idle in placement.idle_cores), *placement.notes]


def _render_node(placement: Placement, cores: list[Core], owner: dict[int, int]) -> str:
    """What runs on the cores of one node, e.g. `instance 0 (0-3), 1 (4-7), idle (8-9)`."""
    cpus_of: dict[int, list[int]] = defaultdict(list)
    idle = [core.cpus[0] for core in cores if core.cpus[0] not in owner]
    for cpu in (cpu for core in cores for cpu in core.cpus if cpu in owner):
        cpus_of[owner[cpu]].append(cpu)
    parts = [i for i in cpus_of if len(cpus_of[i]) < len(placement.slots[i].cpus)]
    whole = [i for i in cpus_of if i not in parts]
    part = "part of " if whole else "part of instance "
    groups = [("", [i]) for i in whole] + [(part, [i]) for i in parts]
    if len(placement.slots) > _LISTED_SLOTS:
        groups = [("", whole), (part, parts)]
    texts = [
        f"{what}{format_cpu_list(tuple(who))} ({_short_list([c for i in who for c in cpus_of[i]])})"
        for what, who in groups
        if who
    ]
    texts += [f"idle ({_short_list(idle)})"] * bool(idle)
    return ("instance " if whole else "") + ", ".join(texts)


def _short_list(cpus: list[int]) -> str:
    """The CPU list, or how many CPUs of which range where it would be too long to read."""
    text = format_cpu_list(tuple(cpus))
    return text if len(text) <= _LIST_CHARS else f"{len(cpus)} of {min(cpus)}-{max(cpus)}"
