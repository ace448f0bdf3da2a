"""What a container's limits cost a plan: sentences for people, before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Host
    from resnet50_bench.placement.slots import Placement

_ADVICE = (
    "give whole CPUs: in Kubernetes limits.cpu equal to requests.cpu and whole, on a node whose "
    "CPU manager has the static policy; for docker --cpuset-cpus"
)


def find_limit_warnings(host: Host, placement: Placement) -> list[str]:
    """Say where a limit makes the plan worse than the machine could do, and how to give it better.

    A CPU quota names no CPUs: whenever the instances have used up their share of a period (usually
    100 ms), the kernel stops them until the next, and others run on the same CPUs. In Kubernetes
    that is the CPU manager's policy `none`, or a limit that is not whole.
    """
    quota = host.quota_cpus
    if quota is None:
        return []
    used = sum(len(slot.cpus) for slot in placement.slots)
    reasons = []
    if quota != int(quota):
        reasons.append(
            f"the CPU quota of {quota:g} is not whole: {used} CPU{'s' * (used != 1)} of it can be "
            f"used, and {max(0, quota - used):.2g} is lost"
        )
    if quota < len(host.allowed_cpus):
        reasons.append(
            f"the CPU quota of {quota:g} holds for {len(host.allowed_cpus)} allowed CPUs: none of "
            "them is set aside, others may run on them, and who uses up a period early waits"
        )
    if quota < used:
        reasons.append(f"the instances take {used} CPUs, and will be stopped in every period")
    return [*reasons[:-1], *(f"{reason}: {_ADVICE}" for reason in reasons[-1:])]
