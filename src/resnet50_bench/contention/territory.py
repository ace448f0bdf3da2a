"""Whose CPUs are whose: of each instance its own, and the other hardware threads of its cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.contention.shares import Territory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.host.machine import Core


def plan_territories(
    cores: Sequence[Core], owned: Sequence[tuple[int, ...]]
) -> tuple[Territory, ...]:
    """Return one territory for each instance.

    Args:
        cores: of the host.
        owned: the CPUs of each instance.
    """
    taken = {cpu for cpus in owned for cpu in cpus}
    threads_of = {cpu: core.cpus for core in cores for cpu in core.cpus}
    territories = []
    for index, cpus in enumerate(owned):
        threads = {cpu for own in cpus for cpu in threads_of.get(own, ())}
        territories.append(
            Territory(index=index, cpus=cpus, siblings=tuple(sorted(threads - taken)))
        )
    return tuple(territories)


def list_cpus(territories: Sequence[Territory]) -> tuple[int, ...]:
    """Return all their CPUs: the instances' own first."""
    own = [cpu for item in territories for cpu in item.cpus]
    siblings = {cpu for item in territories for cpu in item.siblings}
    return (*own, *sorted(siblings.difference(own)))
