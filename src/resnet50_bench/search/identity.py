"""What makes two runs of a sweep the same: the configuration, and the machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.config import RunConfig

if TYPE_CHECKING:
    from resnet50_bench.host.machine import Host

_DEFAULTS = RunConfig()
_DIGITS = 16


def hash_config(config: RunConfig) -> str:
    """Return a name of a configuration: the same for every config that asks the same.

    Of what was left at its default nothing goes into it, so that it outlives parameters to come.
    """
    asked = {
        item.name: getattr(config, item.name)
        for item in fields(RunConfig)
        if getattr(config, item.name) != getattr(_DEFAULTS, item.name)
    }
    content = msgspec.json.encode(asked, order="sorted")
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineIdentity:
    """What a figure is a figure of.

    Attributes:
        cpu_model: as the kernel names it.
        sockets, cores, threads: those that may be used.
        nodes: memory nodes.
    """

    cpu_model: str
    sockets: int
    cores: int
    threads: int
    nodes: int

    def describe(self) -> str:
        """In one line."""
        return (
            f"{self.cpu_model}: sockets {self.sockets}, cores {self.cores}, threads "
            f"{self.threads}, memory nodes {self.nodes}"
        )


def identify_machine(host: Host) -> MachineIdentity:
    """Return what of a host a figure depends on, and a reboot does not change."""
    return MachineIdentity(
        cpu_model=host.cpu_model,
        sockets=len(host.sockets),
        cores=len(host.cores),
        threads=len(host.allowed_cpus),
        nodes=len(host.nodes),
    )
