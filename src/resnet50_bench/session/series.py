"""Instances that are started once and measure several amounts one after the other.

A trial is a short measurement to choose by: its record is a whole one, but for the proof of the
precision, which needs instances of its own; what is chosen is then measured by a run.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.host.cgroups import read_oom_kills
from resnet50_bench.launch import run_workers
from resnet50_bench.planning.jobs import plan_jobs
from resnet50_bench.planning.launchers import choose_launcher
from resnet50_bench.results.files import write_record
from resnet50_bench.results.record import Launch, Record
from resnet50_bench.session.book import plan_record
from resnet50_bench.session.contention import RunWatch, note_lock, plan_tick_ns
from resnet50_bench.session.limits import expect_s
from resnet50_bench.session.outcome import describe_answers, describe_instances
from resnet50_bench.session.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.contention.cpu_lock import CpuLock
    from resnet50_bench.contention.samples import Contention
    from resnet50_bench.instance.job import Job
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import InstanceRecord
    from resnet50_bench.session.stages import Stages

NO_TRACE = "a trial takes no trace"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where trials are made.

    Attributes:
        command: the command line, for the records.
        lock: on the CPUs of all of them.
        stages: are told what happens.
    """

    command: Sequence[str]
    lock: CpuLock
    stages: Stages


class Series:
    """Started instances; see `open_series`."""

    def __init__(self, workers: Sequence[Worker], bench: Bench) -> None:
        self._workers = workers
        self._bench = bench
        self._is_told = True  # the first jobs came with the start
        self._oom_kills = read_oom_kills()

    def measure(self, plan: RunPlan, folder: Path) -> Record:
        """Measure the amounts of a plan, and write the record into its folder.

        Args:
            plan: like the one the instances were started for, but for its amounts; the first is
                that very one.
            folder: of the trial; exists.

        Raises:
            OSError: the record cannot be written.
            Interrupted: by a signal.
        """
        if not self._is_told:
            for worker, job in zip(self._workers, plan_series_jobs(plan), strict=True):
                worker.follow(job)
        self._is_told = False
        record = note_lock(plan_record(plan, folder, self._bench.command), self._bench.lock)
        self._bench.lock.announce(folder)
        begin_ns = time.monotonic_ns()
        contention, launch = self._run(plan, folder, record.launch)
        is_lost = any(worker.finished is None for worker in self._workers)
        record = replace(
            record,
            status="lost instances" if is_lost else "completed",
            instances=self._describe(is_lost=is_lost),
            launch=launch,
            contention=contention,
            duration_ns=time.monotonic_ns() - begin_ns,
        )
        write_record(folder, record)
        return record

    def _run(self, plan: RunPlan, folder: Path, launch: Launch) -> tuple[Contention | None, Launch]:
        setting = Setting(
            plan=plan, launcher=choose_launcher(plan), folder=folder, stages=self._bench.stages
        )
        watch = RunWatch(plan, setting.stages.show_phases)
        deadlines = setting.plan_deadlines(
            lambda workers: plan_tick_ns(expect_s(plan.workload, workers))
        )
        cost = run_workers(self._workers, deadlines, watch.tick, watch.begin)
        contention = watch.end(self._workers)
        if cost is not None:
            launch = replace(launch, parent_cpu_ns=cost.cpu_ns, parent_wall_ns=cost.wall_ns)
        return contention, launch

    def _describe(self, *, is_lost: bool) -> tuple[InstanceRecord, ...]:
        if is_lost:
            oom_killed = read_oom_kills() > self._oom_kills
            return describe_instances(self._workers, oom_killed=oom_killed, stopped=True)
        return tuple(
            replace(item, trace_failure=NO_TRACE) for item in describe_answers(self._workers)
        )


@contextmanager
def open_series(plan: RunPlan, folder: Path, bench: Bench) -> Iterator[Series]:
    """Start instances that measure one plan after the other; none of them outlives the block.

    Args:
        plan: of the first trial; its model is prepared, and its instances are of this host.
        folder: gets the instances' logs.
        bench: where the trials are made.

    Raises:
        HostError: a process cannot be started.
    """
    launcher = choose_launcher(plan)
    with launcher.start(plan_series_jobs(plan), plan.worker_environment, folder) as workers:
        yield Series(workers, bench)


def plan_series_jobs(plan: RunPlan) -> list[Job]:
    """Return one job per instance, after which it waits for another."""
    return [msgspec.structs.replace(job, followed=True) for job in plan_jobs(plan)]
