"""What is asked of the placement."""

from __future__ import annotations

from dataclasses import dataclass

from resnet50_bench.config import CoreKind, Mode

LATENCY_CORES_PER_INSTANCE = 4
"""What latency mode means: 4 cores per instance, all instances together."""


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
