"""What every stage of a run works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from resnet50_bench.instance.job import Job
from resnet50_bench.launch import Deadlines, Launcher, OnPredicted, Worker, ignore_answers
from resnet50_bench.planning.plan import RunPlan
from resnet50_bench.session.limits import plan_measured_limit_ns, plan_ready_limit_ns
from resnet50_bench.session.stages import Stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The plan of a run, what starts its instances, where it writes, and who is told.

    Attributes:
        plan: with its model prepared.
        launcher: starts instances: here, or by MPI.
        folder: of the run.
        stages: are told what happens.
    """

    plan: RunPlan
    launcher: Launcher
    folder: Path
    stages: Stages

    def start(
        self,
        jobs: Sequence[Job],
        take: OnPredicted = ignore_answers,
        *,
        traced: bool = False,
    ) -> AbstractContextManager[Sequence[Worker]]:
        """Start one instance per job; none of them outlives the block.

        Args:
            jobs: what each is told.
            take: is given the answers to images as they come.
            traced: in the environment in which the engine traces what it executes.
        """
        extra = self.plan.engine.trace_environment if traced else {}
        environment = {**self.plan.worker_environment, **extra}
        return self.launcher.start(jobs, environment, self.folder, take)

    def plan_deadlines(
        self,
        tick_ns: Callable[[Sequence[Worker]], int] | None = None,
        limit_ns: Callable[[Sequence[Worker]], int] | None = None,
    ) -> Deadlines:
        """Return when the instances count as hung.

        Args:
            tick_ns: how often there is something to be done while they measure.
            limit_ns: how long one may say nothing while it measures; by the workload, unless given.
        """
        ready_ns = plan_ready_limit_ns(self.plan.config)

        def limit_measured_ns(workers: Sequence[Worker]) -> int:
            return plan_measured_limit_ns(self.plan, workers)

        limit_ns = limit_ns or limit_measured_ns
        if tick_ns is None:
            return Deadlines(ready_ns, limit_ns)
        return Deadlines(ready_ns, limit_ns, tick_ns)
