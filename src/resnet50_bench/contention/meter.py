"""What an instance reads of itself and its CPUs: once before its first query, once after its last.

No thread of its own, nothing in between: two readings of well under a millisecond each.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.contention.sampler import read_sample, read_ticks_per_s
from resnet50_bench.contention.samples import Contention, CpuSample

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What this process used, and what its CPUs did meanwhile.

    Attributes:
        cpu_ns: processor time of all its threads.
        involuntary_switches: how often the kernel took a CPU from one of its threads.
        contention: two samples of its CPUs, with `cpu_ns` as the time that was its own.
    """

    cpu_ns: int
    involuntary_switches: int
    contention: Contention


class Meter:
    """Counts from its making until `stop`.

    Args:
        cpus: the instance's own.
    """

    def __init__(self, cpus: Sequence[int]) -> None:
        self._cpus = tuple(cpus)
        self._before = self._read()
        self._switches = _read_switches()
        self._cpu_ns = time.process_time_ns()

    def stop(self) -> Spent:
        """Return what was used since the start."""
        cpu_ns = time.process_time_ns() - self._cpu_ns
        return Spent(
            cpu_ns=cpu_ns,
            involuntary_switches=_read_switches() - self._switches,
            contention=Contention(
                cpus=self._cpus,
                ticks_per_s=read_ticks_per_s(),
                samples=(self._before, self._read()),
            ),
        )

    def _read(self) -> CpuSample:
        return read_sample(self._cpus, (time.process_time_ns(),), self._cpus[:1])


def _read_switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
