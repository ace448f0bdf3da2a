"""Builds what was read of CPUs that others shared, for the runs of `tests.records`.

One sample at the edge of each tenth of the default window, seconds 100 to 120, in ticks of 10 ms.
What others did not take was the instance's own, and every CPU was busy all the time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.records import BEGIN_NS, SECOND, make_record

from resnet50_bench.contention.samples import Contention, CpuSample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.contention.samples import ProcessTime
    from resnet50_bench.results.record import Record

TENTH_NS = 2 * SECOND
_TICKS = 200


def make_contention(
    owned: Sequence[tuple[int, ...]],
    shares: Sequence[float],
    *,
    steal: float = 0.0,
    tenths: Sequence[int] | None = None,
) -> Contention:
    """Counters of the CPUs of these instances.

    Args:
        owned: the CPUs of each instance.
        shares: of each instance's CPU time that other processes had.
        steal: the same, stolen by the host of the virtual machine, on all CPUs.
        tenths: in which of the tenths; None for all.
    """
    cpus = [cpu for own in owned for cpu in own]
    busy, stolen = [0.0] * len(cpus), [0.0] * len(cpus)
    own_ns = [0.0] * len(owned)
    samples = [_make_sample(0, busy, stolen, own_ns)]
    for tenth in range(10):
        is_noisy = tenths is None or tenth in tenths
        for index, own in enumerate(owned):
            share = shares[index] if is_noisy else 0.0
            lost = steal if is_noisy else 0.0
            own_ns[index] += (1 - share - lost) * TENTH_NS * len(own)
            for cpu in own:
                busy[cpus.index(cpu)] += _TICKS * (1 - lost)
                stolen[cpus.index(cpu)] += _TICKS * lost
        samples.append(_make_sample(tenth + 1, busy, stolen, own_ns))
    return Contention(cpus=tuple(cpus), ticks_per_s=100, samples=tuple(samples))


def make_contended(
    share: float,
    *,
    second: float = 0.0,
    processes: tuple[ProcessTime, ...] = (),
    steal: float = 0.0,
    tenths: Sequence[int] | None = None,
    **record: Any,
) -> Record:
    """A completed run whose first instance, or also its second, lost a share of its CPU time."""
    made = make_record(record.pop("config", None), record.pop("host", None), **record)
    owned = [item.slot.cpus for item in made.instances]
    shares = [share, second][: len(owned)]
    contention = make_contention(owned, shares, steal=steal, tenths=tenths)
    return replace(made, contention=replace(contention, processes=processes))


def _make_sample(
    tenth: int, busy: Sequence[float], stolen: Sequence[float], own_ns: Sequence[float]
) -> CpuSample:
    return CpuSample(
        at_ns=BEGIN_NS + tenth * TENTH_NS,
        busy_ticks=tuple(map(round, busy)),
        interrupt_ticks=(0,) * len(busy),
        steal_ticks=tuple(map(round, stolen)),
        own_ns=tuple(map(round, own_ns)),
    )
