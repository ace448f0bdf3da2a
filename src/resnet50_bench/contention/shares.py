"""Samples -> which part of an instance's CPU time others took: computed, never measured here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.stats.samples import interpolate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.contention.samples import Contention, CpuSample

SLICES = 10
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """What belongs to one instance.

    Attributes:
        index: its place in `CpuSample.own_ns`.
        cpus: its own.
        siblings: the other hardware threads of its cores, which no instance owns.
    """

    index: int
    cpus: tuple[int, ...]
    siblings: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Parts of the time of an instance's CPUs, 0 .. 1; of siblings' more where all are busy.

    Attributes:
        processes: other processes on its own CPUs.
        siblings: other processes on the other hardware threads of its cores.
        interrupts: the kernel's, hard and soft.
        steal: of a virtual machine, the time its host gave to something else.
    """

    processes: float
    siblings: float
    interrupts: float
    steal: float

    @property
    def total(self) -> float:
        """All that the instance could not have, as far as that can be told."""
        return self.processes + self.siblings + self.interrupts + self.steal


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken from an instance.

    Attributes:
        window: over the whole window.
        tenths: the same in each tenth.
        resolution: the share that one tick of every CPU makes of the window: what is less than
            that cannot be told from nothing.
    """

    window: Shares
    tenths: tuple[Shares, ...]
    resolution: float


def compute_taken(
    contention: Contention, territory: Territory, begin_ns: int, end_ns: int
) -> Taken | None:
    """Return what was taken from an instance in a window; None when it has no length, or no CPU.

    Between two samples the counters count as growing evenly.

    Args:
        contention: what was read.
        territory: of the instance.
        begin_ns: where the window begins, on the clock of the samples.
        end_ns: where it ends.
    """
    if end_ns <= begin_ns or not territory.cpus or len(contention.samples) < 2:
        return None
    edges = [begin_ns + (end_ns - begin_ns) * k // SLICES for k in range(SLICES + 1)]
    tick_ns = _NS / contention.ticks_per_s
    return Taken(
        window=_compute_shares(contention, territory, begin_ns, end_ns),
        tenths=tuple(
            _compute_shares(contention, territory, low, high)
            for low, high in itertools.pairwise(edges)
        ),
        resolution=tick_ns / (end_ns - begin_ns),
    )


def compute_increase(
    contention: Contention,
    begin_ns: int,
    end_ns: int,
    read: Callable[[CpuSample], int],
) -> float:
    """Return by how much a counter grew in a window."""
    times = [sample.at_ns for sample in contention.samples]
    values = [read(sample) for sample in contention.samples]
    return interpolate(times, values, end_ns) - interpolate(times, values, begin_ns)


def _compute_shares(
    contention: Contention, territory: Territory, low_ns: int, high_ns: int
) -> Shares:
    tick_ns = _NS / contention.ticks_per_s
    capacity_ns = (high_ns - low_ns) * len(territory.cpus)

    def sum_up(cpus: tuple[int, ...], read: Callable[[CpuSample], Sequence[int]]) -> float:
        places = [contention.cpus.index(cpu) for cpu in cpus if cpu in contention.cpus]
        ticks = compute_increase(
            contention, low_ns, high_ns, lambda item: sum(read(item)[place] for place in places)
        )
        return max(0.0, ticks) * tick_ns

    own_ns = compute_increase(
        contention, low_ns, high_ns, lambda item: item.own_ns[territory.index]
    )
    busy_ns = sum_up(territory.cpus, lambda item: item.busy_ticks)
    return Shares(
        processes=max(0.0, busy_ns - own_ns) / capacity_ns,
        siblings=sum_up(territory.siblings, lambda item: item.busy_ticks) / capacity_ns,
        interrupts=sum_up(territory.cpus, lambda item: item.interrupt_ticks) / capacity_ns,
        steal=sum_up(territory.cpus, lambda item: item.steal_ticks) / capacity_ns,
    )
