"""Where LoadGen runs, and what every instance is told to serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import PlacementError
from resnet50_bench.instance.serving.sizes import plan_sizes
from resnet50_bench.scenarios.request import IssuerCore, LoadgenRequest, Scenario
from resnet50_bench.scenarios.rounds import Round

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Host
    from resnet50_bench.placement.slots import Placement, Slot


AWAKE_NS = 200_000
"""Longer than LoadGen takes between an answer and its next query, and than a core takes to wake:
in the virtual machine of docs/loadgen.md a query through two sleeping cores took 0.09 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadgenPlan:
    """What was decided of a run behind LoadGen.

    Attributes:
        request: what was asked.
        cpus: LoadGen's.
        own_core: no instance has them.
        total: samples of the data set.
        round: whose seeds are used.
    """

    request: LoadgenRequest
    cpus: tuple[int, ...]
    own_core: bool
    total: int
    round: Round


def plan_issuer_cpus(
    host: Host, placement: Placement, core: IssuerCore
) -> tuple[tuple[int, ...], bool]:
    """Return LoadGen's CPUs, and whether they are its own.

    Its own is the last core whose hardware threads no instance has; else it shares all cores of
    the instances.

    Raises:
        PlacementError: a core of its own is asked for, and there is none.
    """
    taken = {cpu for slot in placement.slots for cpu in slot.cpus}
    spare = [item for item in host.cores if not taken & set(item.cpus)]
    if core is not IssuerCore.SHARED and spare:
        return spare[-1].cpus[:1], True
    if core is IssuerCore.OWN:
        raise PlacementError(
            "--loadgen-core own: the instances have every core",
            "leave LoadGen one: fewer --cores-per-instance or --instances; or --loadgen-core "
            "shared",
        )
    return tuple(sorted(taken)), False


def plan_batch_sizes(scenario: Scenario, batch_size: int) -> tuple[int, ...]:
    """Return the sizes of batches that are computed; what Offline has is full but for the last."""
    return (batch_size,) if scenario is Scenario.OFFLINE else plan_sizes(batch_size)


def plan_awake_ns(slot: Slot, *, own_core: bool) -> int:
    """Return how long an instance looks for samples before its core goes to sleep.

    Not where LoadGen needs that core, nor where the instance's other streams need the interpreter.
    """
    return AWAKE_NS if own_core and not slot.streams else 0


def count_streams(placement: Placement) -> int:
    """Return how many take samples: the instances, or all their streams."""
    return sum(max(1, len(slot.streams)) for slot in placement.slots)
