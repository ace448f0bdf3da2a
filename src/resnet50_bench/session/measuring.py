"""The stages in which instances work: start and measure, then prove the precision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError
from resnet50_bench.launch import run_workers, wait_for_traces
from resnet50_bench.placement.layout import describe_size
from resnet50_bench.planning.jobs import plan_trace_jobs
from resnet50_bench.session.book import Measured
from resnet50_bench.session.contention import RunWatch
from resnet50_bench.session.limits import plan_ready_limit_ns
from resnet50_bench.session.outcome import describe_instances, read_trace
from resnet50_bench.session.region import REGION_BEGIN, REGION_END, mark_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import InstanceRecord
    from resnet50_bench.session.book import Book
    from resnet50_bench.session.setting import Setting
    from resnet50_bench.session.task import Task


def measure(setting: Setting, task: Task, book: Book) -> Measured:
    """Start the instances, hold them until all are ready, and let them measure.

    Args:
        setting: of the run.
        task: what the instances are told, and what becomes of what they say.
        book: notes who was started and what came of it, in case that this is interrupted.
    """
    stages = setting.stages
    stages.begin(f"start {_describe_instances(setting.plan)}: {task.warm_up}")
    progress = _Progress(setting, task)
    watch = RunWatch(setting.plan, progress.show)

    def go(workers: Sequence[Worker]) -> None:
        mark_region(setting, REGION_BEGIN)
        stages.begin(task.begin(workers))
        progress.measuring = True
        watch.begin(workers)

    with setting.start(task.plan_jobs(), task.take) as workers:
        book.workers = workers
        deadlines = setting.plan_deadlines(task.plan_tick_ns, task.plan_limit_ns)
        cost = run_workers(workers, deadlines, watch.tick, go)
        energy = watch.end_energy()
        contention = watch.end(workers)
        if cost is not None:
            mark_region(setting, REGION_END)
        # Inside the block: afterwards every worker is dead, and how it ended is lost.
        lost = any(worker.finished is None for worker in workers)
        oom_killed = book.count_oom_kills() > 0
        instances = describe_instances(workers, oom_killed=oom_killed, stopped=lost)
        measured = book.measured = Measured(instances, cost, contention, energy, lost)
    return measured


def prove_precision(
    setting: Setting, instances: tuple[InstanceRecord, ...]
) -> tuple[InstanceRecord, ...]:
    """Add to each instance the kernels of one traced batch, run where the instance ran."""
    plan, stages = setting.plan, setting.stages
    if not plan.engine.traces:
        return instances
    stages.begin("prove the precision: trace one batch per instance")
    try:
        with setting.start(plan_trace_jobs(plan), traced=True) as tracers:
            wait_for_traces(tracers, plan_ready_limit_ns(plan.config), stages.show_phases)
            traces = [read_trace(tracer, plan.engine) for tracer in tracers]
    except HostError as error:  # what was measured stays
        traces = [((), error.message) for _ in instances]
    return tuple(
        replace(item, kernels=kernels, trace_failure=failure)
        for item, (kernels, failure) in zip(instances, traces)
    )


class _Progress:
    """Shows what the workers do until they measure, and how far the task is from then on."""

    def __init__(self, setting: Setting, task: Task) -> None:
        self._stages = setting.stages
        self._task = task
        self._has_warned = False
        self.measuring = False

    def show(self, workers: Sequence[Worker], seconds: float) -> None:
        """Called about once a second."""
        warning = self._task.find_warning()
        if warning is not None and not self._has_warned:
            self._has_warned = True
            self._stages.note(f"warning: {warning}")
        if self.measuring:
            self._task.look_after(workers)
            self._stages.show_share(*self._task.describe_progress(seconds))
        else:
            self._stages.show_phases(workers, seconds)


def _describe_instances(plan: RunPlan) -> str:
    by = f" {plan.mpi.describe()}" if plan.mpi is not None else ""
    sizes = {describe_size(site.placement) for site in plan.sites}
    many = f"{plan.instances} instances of several sizes"
    return f"{many if len(sizes) > 1 else describe_size(plan.placement)}{by}"
