"""The part of a run that keeps others off its CPUs, and watches who is there all the same."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.contention.sampler import Sampler
from resnet50_bench.contention.territory import list_cpus, plan_territories
from resnet50_bench.host.energy import Energy, EnergyMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.contention.cpu_lock import CpuLock
    from resnet50_bench.contention.samples import Contention
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record

_SAMPLES = 20
_SHORTEST_TICK_NS = 100_000_000
_LONGEST_TICK_NS = 1_000_000_000


class RunWatch:
    """Samples the CPUs of a run while its instances measure, and has progress shown meanwhile.

    What the CPUs did, and the energy that they used.

    Args:
        plan: of the run.
        show: shows the progress, about once a second.
    """

    def __init__(self, plan: RunPlan, show: Callable[[Sequence[Worker], float], None]) -> None:
        self._plan = plan
        self._show = show
        self._shown_ns = 0
        self._sampler: Sampler | None = None
        self._meter: EnergyMeter | None = None

    def begin(self, workers: Sequence[Worker]) -> None:
        """Take the first sample; of hosts named to MPI there is what their instances read."""
        if self._plan.mpi is not None and self._plan.mpi.hosts:
            return
        slots = [worker.job.slot for worker in workers]
        territories = plan_territories(self._plan.host.cores, [slot.cpus for slot in slots])
        first = {worker.pid or 0: worker.job.slot.cpus[0] for worker in workers}
        self._sampler = Sampler(list_cpus(territories), first, [os.getpid()])
        self._meter = EnergyMeter(self._plan.host)

    def tick(self, workers: Sequence[Worker], seconds: float) -> None:
        """Take a sample, and show the progress when a second has passed."""
        if self._sampler is not None:
            self._sampler.sample()
        if self._meter is not None:
            self._meter.sample()
        now_ns = time.monotonic_ns()
        if now_ns - self._shown_ns >= _LONGEST_TICK_NS:
            self._shown_ns = now_ns
            self._show(workers, seconds)

    def end(self, workers: Sequence[Worker]) -> Contention | None:
        """Take the last sample; None where there was no first one."""
        if self._sampler is None:
            return None
        said = {worker.pid: worker.finished.cpu_ns for worker in workers if worker.finished}
        return self._sampler.finish(said.get)

    def end_energy(self) -> Energy | None:
        """Read the energy a last time; None where nothing was measured."""
        if self._meter is not None:
            return self._meter.finish()
        if self._plan.mpi is not None and self._plan.mpi.hosts:
            return Energy(absence="the energy counters of hosts named to MPI are not read")
        return None


def plan_tick_ns(expected_s: float | None) -> int:
    """Return the time between two samples: two in each tenth of what is expected, 0.1 s .. 1 s."""
    if expected_s is None:
        return _LONGEST_TICK_NS
    return min(_LONGEST_TICK_NS, max(_SHORTEST_TICK_NS, round(expected_s * 1e9 / _SAMPLES)))


def list_plan_cpus(plan: RunPlan) -> tuple[int, ...]:
    """Return the CPUs of this host that a run needs for itself: all threads of the cores it uses.

    Of a run on hosts named to MPI those of the machine that r50 itself runs on, if it is one.
    """
    needed: set[int] = set()
    for site in plan.sites:
        if site.is_here:
            owned = [slot.cpus for slot in site.placement.slots]
            if plan.loadgen is not None and plan.loadgen.own_core:
                owned.append(plan.loadgen.cpus)
            needed |= set(list_cpus(plan_territories(site.host.cores, owned)))
    return tuple(sorted(needed))


def note_lock(record: Record, lock: CpuLock) -> Record:
    """Return the record with what became of the lock on the CPUs."""
    path = str(lock.path) if lock.path is not None else None
    launch = replace(record.launch, cpu_lock=path, cpu_lock_failure=lock.failure)
    return replace(record, launch=launch)
