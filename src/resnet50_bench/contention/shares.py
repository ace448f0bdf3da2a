"""Samples -> which part of an instance's CPU time others took: computed, never measured here."""

from __future__ import annotations

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
    counters = _read_counters(contention, territory, edges)
    tick_ns = _NS / contention.ticks_per_s
    return Taken(
        window=counters.compute_shares(0, SLICES),
        tenths=tuple(counters.compute_shares(place, place + 1) for place in range(SLICES)),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counters:
    """Counters of an instance's CPUs at some edges, in nanoseconds.

    Attributes:
        edges: the moments.
        cpus: how many CPUs.
        own: processor time of the instance.
        busy, interrupts, steal: of its CPUs.
        siblings: of the other hardware threads of its cores.
    """

    edges: Sequence[int]
    cpus: int
    own: Sequence[float]
    busy: Sequence[float]
    interrupts: Sequence[float]
    steal: Sequence[float]
    siblings: Sequence[float]

    def compute_shares(self, low: int, high: int) -> Shares:
        """Return the shares between two of the edges, by their places."""
        capacity = (self.edges[high] - self.edges[low]) * self.cpus

        def grow(values: Sequence[float]) -> float:
            return max(0.0, values[high] - values[low])

        own = self.own[high] - self.own[low]
        return Shares(
            processes=max(0.0, grow(self.busy) - own) / capacity,
            siblings=grow(self.siblings) / capacity,
            interrupts=grow(self.interrupts) / capacity,
            steal=grow(self.steal) / capacity,
        )


def _read_counters(contention: Contention, territory: Territory, edges: Sequence[int]) -> _Counters:
    times = [sample.at_ns for sample in contention.samples]
    tick_ns = _NS / contention.ticks_per_s
    places = {cpu: place for place, cpu in enumerate(contention.cpus)}

    def read(values: Sequence[int], unit: float) -> list[float]:
        return [interpolate(times, values, edge) * unit for edge in edges]

    def sum_up(cpus: tuple[int, ...], get: Callable[[CpuSample], Sequence[int]]) -> list[float]:
        own = [places[cpu] for cpu in cpus if cpu in places]
        series = [get(sample) for sample in contention.samples]
        return read([sum(map(values.__getitem__, own)) for values in series], tick_ns)

    return _Counters(
        edges=edges,
        cpus=len(territory.cpus),
        own=read([sample.own_ns[territory.index] for sample in contention.samples], 1.0),
        busy=sum_up(territory.cpus, lambda item: item.busy_ticks),
        interrupts=sum_up(territory.cpus, lambda item: item.interrupt_ticks),
        steal=sum_up(territory.cpus, lambda item: item.steal_ticks),
        siblings=sum_up(territory.siblings, lambda item: item.busy_ticks),
    )
