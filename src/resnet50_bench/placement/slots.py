"""What an instance owns, and the plan of all of them."""

from __future__ import annotations

from dataclasses import dataclass

from resnet50_bench.config import CoreKind
from resnet50_bench.host.machine import Host


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


def find_filled_nodes(host: Host) -> set[int]:
    """The nodes that an instance may have its memory on."""
    allowed = {node.id for node in host.nodes} if host.allowed_nodes is None else host.allowed_nodes
    return {node.id for node in host.nodes if node.memory_bytes != 0 and node.id in allowed}
