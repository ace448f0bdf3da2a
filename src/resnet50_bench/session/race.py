"""A race on this machine: trials in instances that are started as rarely as can be, then a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from resnet50_bench.config import plan_workload
from resnet50_bench.contention.cpu_lock import CpuLock
from resnet50_bench.errors import HostError, OutputError
from resnet50_bench.planning.plan import RunPlan
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.record import Record
from resnet50_bench.search.race.costs import (
    CONFIRM_QUERIES,
    TRIAL_WARMUP_QUERIES,
    Entrant,
    Trial,
)
from resnet50_bench.search.race.decision import Finish, Measure, Race
from resnet50_bench.search.race.estimates import (
    Feasibility,
    count_needed_queries,
    judge_limit,
)
from resnet50_bench.search.race.score import (
    Question,
    Spent,
    describe_limit,
    list_durations,
    score_record,
)
from resnet50_bench.session.finished import Run
from resnet50_bench.session.run import Desk, execute
from resnet50_bench.session.series import Bench, Series, open_series
from resnet50_bench.session.stages import Observer, Stages
from resnet50_bench.verdict.conditions import check_contention, list_taken
from resnet50_bench.verdict.judge import judge_trial

TRIALS_FOLDER = "trials"
STARTS_FOLDER = "starts"
ATTEMPTS = 2
"""Trials of one entrant in a row while other work has its cores."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told what happens in a race.

    Attributes:
        before: a step, and the race as it is before it.
        after: a trial.
        observer: of the instances and of the run that confirms.
    """

    before: Callable[[Race, Measure | Finish], None]
    after: Callable[[Trial], None]
    observer: Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Stadium:
    """What a race on this machine is run with.

    Attributes:
        plans: of the entrants, in their order; their models are prepared.
        question: what is asked of each.
        folder: of the race: gets the trials' records, the starts' logs and the run that confirms.
        command: the command line, for the records.
        lock: on the CPUs of all plans.
        confirm_s: seconds that the run of the winner measures, at least.
        watcher: is told.
    """

    plans: Sequence[RunPlan]
    question: Question
    folder: Path
    command: Sequence[str]
    lock: CpuLock
    confirm_s: float
    watcher: Watcher


class HostTrack:
    """See `search.race.loop.Track`; `close` ends the instances that still run.

    Attributes:
        confirmed: the runs that were to confirm a winner, the last one by its number.
    """

    def __init__(self, stadium: Stadium) -> None:
        self._stadium = stadium
        self._begin_ns = time.monotonic_ns()
        self._stack = ExitStack()
        self._series: Series | None = None
        self._made = 0
        self.confirmed: dict[int, Run] = {}

    def __enter__(self) -> HostTrack:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the instances that still run."""
        self._series = None
        self._stack.close()

    def spent_s(self) -> float:
        """Seconds since this was made."""
        return (time.monotonic_ns() - self._begin_ns) / 1e9

    def show(self, race: Race, step: Measure | Finish) -> None:
        """Tell the watcher."""
        self._stadium.watcher.before(race, step)

    def measure(self, step: Measure, start: int) -> Trial:
        """Make a trial; once more when other work had the cores meanwhile."""
        begin_s, made = self.spent_s(), self._made
        plan = plan_trial(self._stadium.plans[step.number], step)
        trial = self._try(plan, step, start, begin_s)
        for _ in range(ATTEMPTS - 1):
            if not trial.disturbed:
                break
            again = self._try(plan, replace(step, fresh=False), start, begin_s)
            again = replace(again, start_s=trial.start_s)
            trial = max(trial, again, key=lambda item: (not item.disturbed, item.score))
        attempts = self._made - made
        trial = replace(trial, seconds=self.spent_s() - begin_s, attempts=attempts)
        if trial.problem is not None:
            self.close()
        self._stadium.watcher.after(trial)
        return trial

    def _try(self, plan: RunPlan, step: Measure, start: int, begin_s: float) -> Trial:
        try:
            record = self._measure(plan, step, start)
        except OutputError:
            raise
        except HostError as error:
            return Trial(entrant=step.number, start=start, problem=error.message)
        failures = judge_trial(record)
        kpis = run_kpis(record)
        disturbed = [] if kpis is None else list(check_contention(record, list_taken(record, kpis)))
        problems = [item.message for item in failures if item not in disturbed]
        spent = Spent(_find_start_s(record) if step.fresh else 0.0, self.spent_s() - begin_s)
        if problems:
            return Trial(entrant=step.number, start=start, problem=problems[-1])
        trial = score_record(record, self._stadium.question, (step.number, start), spent)
        return replace(trial, disturbed=bool(disturbed))

    def _measure(self, plan: RunPlan, step: Measure, start: int) -> Record:
        stadium = self._stadium
        stages = Stages(stadium.watcher.observer, plan)
        if step.fresh or self._series is None:
            self.close()
            folder = _make_folder(stadium.folder / STARTS_FOLDER / f"{start:03d}")
            bench = Bench(stadium.command, stadium.lock, stages)
            self._series = self._stack.enter_context(open_series(plan, folder, bench))
        self._made += 1
        folder = _make_folder(stadium.folder / TRIALS_FOLDER / f"{self._made:03d}")
        return self._series.measure(plan, folder)

    def confirm(self, entrant: Entrant) -> str | None:
        """Make a run of the winner; return why it is no valid result, or breaks the limit."""
        self.close()
        stadium = self._stadium
        plan = plan_confirmation(stadium.plans[entrant.number], stadium)
        desk = Desk(output=stadium.folder, command=stadium.command, lock=stadium.lock)
        run = execute(plan, stadium.watcher.observer, desk)
        self.confirmed[entrant.number] = run
        if run.problems:
            raise run.problems[0]
        if not run.verdict.valid:
            return run.verdict.failures[0].message
        return _find_breach(run, stadium.question)


def plan_trial(plan: RunPlan, step: Measure) -> RunPlan:
    """Return the plan of a trial: the entrant's, with the amounts of the step."""
    config = replace(
        plan.config,
        steps=step.amounts.queries,
        min_time_s=step.amounts.seconds,
        warmup_steps=TRIAL_WARMUP_QUERIES,
    )
    return replace(plan, config=config, workload=plan_workload(config))


def plan_confirmation(plan: RunPlan, stadium: Stadium) -> RunPlan:
    """Return the plan of the run that confirms a winner."""
    queries, limit = CONFIRM_QUERIES, stadium.question.limit
    if limit is not None:
        queries = max(queries, count_needed_queries(limit))
    config = replace(plan.config, steps=queries, min_time_s=stadium.confirm_s)
    return replace(plan, config=config, workload=plan_workload(config))


def _find_breach(run: Run, question: Question) -> str | None:
    """Say that the run of a winner breaks the limit; None where that is not shown."""
    if question.limit is None:
        return None
    durations = list_durations(run.record)
    over = sum(duration > question.limit.seconds * 1e9 for duration in durations)
    trial = Trial(entrant=0, start=0, over=over, queries=len(durations))
    if judge_limit([trial], question.limit) is not Feasibility.BROKEN:
        return None
    limit = describe_limit(question.limit)
    return f"{over} of {len(durations)} queries of the run took longer than {limit} allows"


def _find_start_s(record: Record) -> float:
    """Until the slowest instance had loaded its model."""
    phases = [(item.spawn_ns or 0) + item.phases.load_ns for item in record.instances
              if item.phases is not None]  # fmt: skip
    return max(phases, default=0) / 1e9


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, error, "name a folder on another disk with --output") from error
    return folder
