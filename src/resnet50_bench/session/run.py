"""One run end to end: resolve what was asked, start the workers, keep what they answered."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resnet50_bench import __version__
from resnet50_bench.config import CaseType
from resnet50_bench.contention.cpu_lock import hold_cpus
from resnet50_bench.contention.samples import Contention
from resnet50_bench.errors import HostError, Interrupted, OutputError
from resnet50_bench.host.cgroups import read_oom_kills
from resnet50_bench.launch import Deadlines, Worker, ignore_answers, run_workers, wait_for_traces
from resnet50_bench.model import prepare
from resnet50_bench.placement.layout import describe_size
from resnet50_bench.planning.jobs import plan_jobs, plan_trace_jobs
from resnet50_bench.planning.launchers import choose_launcher
from resnet50_bench.planning.model import describe_model, require_serving
from resnet50_bench.planning.plan import RunPlan
from resnet50_bench.results.record import (
    Dataset,
    Evaluation,
    InstanceRecord,
    Launch,
    Record,
    Status,
    Trial,
)
from resnet50_bench.session.contention import RunWatch, list_plan_cpus, note_lock, plan_tick_ns
from resnet50_bench.session.evaluation import EvaluationRun, forget_journal, open_evaluation
from resnet50_bench.session.outcome import describe_instances, read_trace
from resnet50_bench.session.run_folder import (
    Kept,
    begin_record,
    keep_record,
    make_run_folder,
    removed_on_failure,
)
from resnet50_bench.session.trials import plan_trials
from resnet50_bench.signals import signals_raise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.launch.barrier import WatchCost

READY_TIMEOUT_S = 600.0
"""Importing TensorFlow from a cold network disk and decoding images take minutes, not more."""

REGION_BEGIN = "r50: measured region begins"
REGION_END = "r50: measured region ends"
"""The phrases that outside tools wait for, to trace what is measured and nothing else. They stand
on stderr and in `region.log` of a `pkm` run, as it happens."""

REGION_FILE = "region.log"

_SLOWEST = 3
_GRACE_NS = 60_000_000_000


class Observer(Protocol):
    """Whoever shows a run's progress."""

    def stage(self, number: int, total: int, text: str) -> None:
        """A numbered stage begins."""

    def note(self, text: str) -> None:
        """Something a user should read."""

    def waiting(self, text: str, share: float | None) -> None:
        """Called about once a second while waiting; share of the expected time, if known."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: that holds its record; the run's own even where no place took the record.
        record: all of it.
        problems: what could not be written.
    """

    folder: Path
    record: Record
    problems: tuple[OutputError, ...] = ()


def execute(
    plan: RunPlan,
    observer: Observer,
    output: Path,
    command: Sequence[str],
    resume: Path | None = None,
) -> RunResult:
    """Measure what was planned; the record is written whatever happens after the start.

    Args:
        plan: made by `plan.plan_run`.
        observer: is told what happens.
        output: the folder in which the run's own folder is made.
        command: the command line, for the record.
        resume: the folder of an interrupted accuracy run to go on with, in place of a new one.

    Raises:
        CpusHeldError: another run measures on these CPUs.
        ModelError: the model cannot be prepared.
        RecordError: the run to resume is one of something else.
        HostError: the output folder cannot be written before the start, or a process cannot be
            started.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; every worker has ended and the record is written.
    """
    with signals_raise(), ExitStack() as stack:
        lock = plan.cpu_lock
        if lock is None:
            lock = stack.enter_context(hold_cpus(list_plan_cpus(plan), command, os.environ))
        folder = resume or make_run_folder(output, plan.config)
        with removed_on_failure(folder) if resume is None else nullcontext():
            observer.stage(1, count_stages(plan), plan.describe_host())
            plan = _prepare_model(plan, observer)
            evaluation = stack.enter_context(open_evaluation(plan, folder))
            if evaluation is not None:
                plan = evaluation.plan
            record = note_lock(_begin_record(plan, folder, command), lock)
            lock.announce(folder)
            begin_record(folder, record)
            run = _Run(plan, observer, folder, record, evaluation)
        try:
            run.measure()
        except Interrupted as interruption:
            kept = run.conclude("interrupted")
            interruption.folder = kept.folder
            raise
        except BaseException:
            run.conclude("completed" if run.is_measured else "lost instances")
            raise
        return RunResult(run.kept.folder or folder, run.record, run.kept.problems)


class _Run:
    """The workers of one run, and the record that grows from them."""

    def __init__(
        self,
        plan: RunPlan,
        observer: Observer,
        folder: Path,
        record: Record,
        evaluation: EvaluationRun | None,
    ) -> None:
        self._plan = plan
        self._evaluation = evaluation
        self._observer = observer
        self._folder = folder
        self._launcher = choose_launcher(plan)
        self._workers: Sequence[Worker] = []
        self._instances: tuple[InstanceRecord, ...] = ()
        self._cost: WatchCost | None = None
        self._oom_kills = read_oom_kills()
        self._begin_ns = time.monotonic_ns()
        self._expected_s: float | None = None
        self._stages = count_stages(plan)
        self._trials: tuple[Trial, ...] = ()
        self._has_warned = False
        self.kept = Kept(folder)
        self._watch = RunWatch(plan, self._show_waiting)
        self._contention: Contention | None = None
        self.record = record

    @property
    def is_measured(self) -> bool:
        """Whether every instance has given its result; what comes after only adds to that."""
        return bool(self._instances) and all(item.reported for item in self._instances)

    def measure(self) -> None:
        plan, observer = self._plan, self._observer
        evaluation = self._evaluation
        jobs = plan_jobs(plan) if evaluation is None else evaluation.plan_jobs()
        take_answers = ignore_answers if evaluation is None else evaluation.add
        instances = describe_size(plan.placement)
        instances += f" {plan.mpi.describe()}" if plan.mpi is not None else ""
        feed = "fill the feed, " if evaluation is None else ""
        observer.stage(3, self._stages, f"start {instances}: load, {feed}warm up")
        environment, start = plan.worker_environment, self._launcher.start
        with start(jobs, environment, self._folder, take_answers) as workers:
            self._workers = workers
            self._cost = run_workers(
                workers,
                Deadlines(self._ready_limit_ns(), self._measured_limit_ns, self._tick_ns),
                self._watch.tick,
                self._go,
            )
            self._contention = self._watch.end(workers)
            if self._cost is not None:
                self._mark_region(REGION_END)
            # Inside the block: afterwards every worker is dead, and how it ended is lost.
            lost = any(worker.finished is None for worker in workers)
            self._instances = describe_instances(
                workers, oom_killed=self._count_oom_kills() > 0, stopped=lost
            )
        if not lost and plan.engine.trace_environment:
            self._trace()
        if not lost and evaluation is not None:
            self._trials = self._explain(evaluation.describe())
        self.conclude("lost instances" if lost else "completed")

    def _trace(self) -> None:
        """Add to each instance the kernels of one traced batch, run where the instance ran."""
        plan = self._plan
        self._observer.stage(5, self._stages, "prove the precision: trace one batch per instance")
        self._expected_s = None
        environment = {**plan.worker_environment, **plan.engine.trace_environment}
        jobs = plan_trace_jobs(plan)
        try:
            with self._launcher.start(jobs, environment, self._folder) as tracers:
                wait_for_traces(tracers, self._ready_limit_ns(), self._show_waiting)
                traces = [read_trace(tracer, plan.engine) for tracer in tracers]
        except HostError as error:  # what was measured stays
            traces = [((), error.message) for _ in self._instances]
        self._instances = tuple(
            replace(item, kernels=kernels, trace_failure=failure)
            for item, (kernels, failure) in zip(self._instances, traces)
        )

    def _explain(self, evaluation: Evaluation) -> tuple[Trial, ...]:
        """Where the accuracy is far too low, answer a sample again, prepared in other ways."""
        trials = plan_trials(self._plan, evaluation)
        if trials is None:
            return ()
        self._observer.note(
            f"the accuracy is far below what is expected: try {trials.describe()} to find out why"
        )
        self._expected_s = None
        environment = self._plan.worker_environment
        start = self._launcher.start
        with start(trials.jobs, environment, self._folder, trials.add) as workers:
            run_workers(
                workers,
                Deadlines(self._ready_limit_ns(), self._measured_limit_ns),
                lambda *_: self._observer.waiting(*trials.describe_progress()),
                lambda _: None,
            )
        return trials.collect()

    def conclude(self, status: Status) -> Kept:
        """Write the record and the logs, once."""
        if self.record.status != "running":
            return self.kept
        oom_kills = self._count_oom_kills()
        launch = replace(self.record.launch, oom_kills=oom_kills)
        if self._cost is not None:
            launch = replace(
                launch, parent_cpu_ns=self._cost.cpu_ns, parent_wall_ns=self._cost.wall_ns
            )
        record = replace(
            self.record,
            status=status,
            launch=launch,
            instances=self._instances
            or describe_instances(self._workers, oom_killed=oom_kills > 0, stopped=True),
            duration_ns=time.monotonic_ns() - self._begin_ns,
            evaluation=self._evaluation.describe() if self._evaluation is not None else None,
            trials=self._trials,
            contention=self._contention,
        )
        self.kept = keep_record(self._folder, record)
        if status == "completed" and not self.kept.problems:
            forget_journal(self._folder)
        self.record = record  # last: interrupted before, it is concluded again, as interrupted
        return self.kept

    def _count_oom_kills(self) -> int:
        return max(0, read_oom_kills() - self._oom_kills)

    def _ready_limit_ns(self) -> int:
        return round((self._plan.config.timeout_s or READY_TIMEOUT_S) * 1e9)

    def _measured_limit_ns(self, workers: Sequence[Worker]) -> int:
        if self._plan.config.timeout_s is not None:
            return round(self._plan.config.timeout_s * 1e9)
        return _SLOWEST * round(self._expect_s(workers) * 1e9) + _GRACE_NS

    def _expect_s(self, workers: Sequence[Worker]) -> float:
        """How long measuring should take, by the slowest worker's warm-up."""
        workload = self._plan.workload
        slowest_ns = max(
            statistics.median(worker.ready.warmup_query_ns)
            for worker in workers
            if worker.ready is not None
        )
        return max(workload.steps * slowest_ns, workload.min_time_ns + slowest_ns) / 1e9

    def _tick_ns(self, workers: Sequence[Worker]) -> int:
        return plan_tick_ns(self._expect_s(workers) if self._evaluation is None else None)

    def _go(self, workers: Sequence[Worker]) -> None:
        self._show_go(workers)
        self._watch.begin(workers)

    def _show_go(self, workers: Sequence[Worker]) -> None:
        self._mark_region(REGION_BEGIN)
        if self._evaluation is not None:
            self._evaluation.begin()
            images = f"{len(self._evaluation.remaining):,} images"
            todo = f"decode and classify {images}"
            if self._evaluation.crops is not None:
                todo = f"classify {images}, preprocessed before"
            self._observer.stage(4, self._stages, todo)
            return
        self._expected_s = self._expect_s(workers)
        self._observer.stage(4, self._stages, f"measure for about {self._expected_s:.0f} s")

    def _mark_region(self, phrase: str) -> None:
        if self._plan.config.case_type is not CaseType.PKM:
            return
        try:
            with (self._folder / REGION_FILE).open("a") as log:
                log.write(f"{phrase} at {time.monotonic_ns()} ns\n")
        except OSError as error:  # the phrase stands on stderr too
            self._observer.note(OutputError(self._folder / REGION_FILE, error).message)
        self._observer.note(phrase)

    def _show_waiting(self, workers: Sequence[Worker], seconds: float) -> None:
        problem = self._evaluation.problem if self._evaluation is not None else None
        if problem is not None and not self._has_warned:
            self._has_warned = True
            self._observer.note(f"warning: {problem.message}: {problem.advice}")
        if self._evaluation is not None and all(item.phase == "measuring" for item in workers):
            self._observer.waiting(*self._evaluation.describe_progress())
            return
        if self._expected_s is not None:
            text = f"measuring: {seconds:.0f} of about {self._expected_s:.0f} s"
            self._observer.waiting(text, min(1.0, seconds / self._expected_s))
            return
        phases = [worker.phase for worker in workers]
        counts = ", ".join(f"{len(list(same))} {phase}" for phase, same in
                           itertools.groupby(sorted(phases)))  # fmt: skip
        self._observer.waiting(f"{counts} ({seconds:.0f} s)", None)


def count_stages(plan: RunPlan) -> int:
    """Return how many numbered stages a run has; without a trace there is nothing to prove."""
    return 5 if plan.engine.trace_environment else 4


def _prepare_model(plan: RunPlan, observer: Observer) -> RunPlan:
    stages = count_stages(plan)
    if plan.model_source is None:
        observer.stage(2, stages, f"the {plan.config.engine} engine needs no model")
        return plan
    if plan.model is not None:
        observer.stage(2, stages, f"model ready: {describe_model(plan.model.manifest)}")
        return plan
    observer.stage(2, stages, "prepare the model: once, then it is cached")
    model = prepare(
        plan.model_source,
        plan.config.precision,
        plan.cache_dir,
        observer.note,
        plan.calibration,
    )
    require_serving(plan.config, model)
    observer.note(f"model ready: {describe_model(model.manifest)}")
    return replace(plan, model=model)


def _begin_record(plan: RunPlan, folder: Path, command: Sequence[str]) -> Record:
    dataset, launcher = None, choose_launcher(plan)
    if plan.source is not None and plan.config.dataset is not None:
        dataset = Dataset(
            path=plan.config.dataset,
            description=plan.source.describe(),
            images=len(plan.source.refs),
            skipped=tuple((item.name, item.reason) for item in plan.source.skipped),
        )
    return Record(
        tool_version=__version__,
        run_id=folder.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=tuple(command),
        status="running",
        config=plan.config,
        workload=plan.workload,
        host=plan.host,
        placement=plan.placement,
        model=plan.model.manifest if plan.model is not None else None,
        dataset=dataset,
        launch=Launch(environment=plan.environment, command=launcher.command, hosts=launcher.hosts),
        emulated=plan.emulated,
        instances=(),
        memory_estimate_bytes=plan.memory_per_instance_bytes,
    )
