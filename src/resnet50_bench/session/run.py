"""One run, stage by stage: the numbered lines that a user sees."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.contention.cpu_lock import CpuLock, hold_cpus
from resnet50_bench.planning.launchers import choose_launcher
from resnet50_bench.session.book import open_book
from resnet50_bench.session.contention import list_plan_cpus
from resnet50_bench.session.finished import Run
from resnet50_bench.session.measuring import measure, prove_precision
from resnet50_bench.session.preparation import prepare_model
from resnet50_bench.session.roofline import confirm_roofline, find_roofline
from resnet50_bench.session.run_folder import make_run_folder, removed_on_failure
from resnet50_bench.session.setting import Setting
from resnet50_bench.session.stages import Observer, Stages
from resnet50_bench.session.task import open_task
from resnet50_bench.signals import signals_raise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from resnet50_bench.planning.plan import RunPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a run is asked from.

    Attributes:
        output: the folder in which the run's own folder is made.
        command: the command line, for the record.
        resume: the folder of an interrupted accuracy run to go on with, in place of a new one.
        lock: on the CPUs, where the caller holds it for several runs.
    """

    output: Path
    command: Sequence[str]
    resume: Path | None = None
    lock: CpuLock | None = None


def execute(plan: RunPlan, observer: Observer, desk: Desk) -> Run:
    """Measure what was planned; the record is written whatever happens after the start.

    Args:
        plan: made by `plan.plan_run`.
        observer: is told what happens.
        desk: where it is asked from.

    Raises:
        CpusHeldError: another run measures on these CPUs.
        ModelError: the model cannot be prepared.
        RecordError: the run to resume is one of something else.
        HostError: the output folder cannot be written before the start, or a process cannot be
            started.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; every worker has ended and the record is written.
    """
    with signals_raise(), ExitStack() as stack:
        lock = stack.enter_context(_hold(plan, desk))
        stages = Stages(observer, plan)
        with _open_folder(plan, desk) as folder:  # removed again should no worker be started
            stages.begin(plan.describe_host())
            plan = prepare_model(plan, stages)
            task = stack.enter_context(open_task(plan, folder))
            book = open_book(task.plan, folder, desk.command, lock)
        setting = Setting(
            plan=task.plan, launcher=choose_launcher(task.plan), folder=folder, stages=stages
        )
        with book.concluding(task):
            book.limit = find_roofline(task.plan, stages)
            measured = measure(setting, task, book)
            if not measured.lost:
                book.proven = prove_precision(setting, measured.instances)
                book.trials = task.explain(setting)
                book.limit = confirm_roofline(task.plan, book.limit, book.read_measured(), stages)
        return Run(book.kept.folder or folder, book.record, book.kept.problems)


def _hold(plan: RunPlan, desk: Desk) -> AbstractContextManager[CpuLock]:
    """The caller's lock on the CPUs, or one for this run."""
    if desk.lock is not None:
        return nullcontext(desk.lock)
    return hold_cpus(list_plan_cpus(plan), desk.command, os.environ)


@contextmanager
def _open_folder(plan: RunPlan, desk: Desk) -> Iterator[Path]:
    """The folder of the run, new or the one to go on with."""
    if desk.resume is not None:
        yield desk.resume
        return
    folder = make_run_folder(desk.output, plan.config)
    with removed_on_failure(folder):
        yield folder
