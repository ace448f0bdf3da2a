"""What a run does with its instances: measure their speed, or ask them what the images show.

The two differ in which jobs there are, what becomes of answers, how progress is told and what comes
after; nothing else of a run asks which of them it is.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from resnet50_bench.session.accuracy import AccuracyTask, describe_origin
from resnet50_bench.session.journal import open_journal
from resnet50_bench.session.loadgen import open_loadgen
from resnet50_bench.session.speed import SpeedTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from resnet50_bench.instance.job import Job, Predicted
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record, Trial
    from resnet50_bench.session.setting import Setting


class Task(Protocol):
    """See the module."""

    @property
    def plan(self) -> RunPlan:
        """Of the run, with no more instances than there is work for."""

    @property
    def warm_up(self) -> str:
        """What the instances do before they are ready, for people."""

    def plan_jobs(self) -> list[Job]:
        """Return what each instance is told."""

    def take(self, instance: int, answers: Predicted) -> None:
        """Keep what an instance answered meanwhile."""

    def begin(self, workers: Sequence[Worker]) -> str:
        """All are ready and are told to go; return what is done now, for people."""

    def plan_tick_ns(self, workers: Sequence[Worker]) -> int:
        """Return how often to look at the CPUs while the workers measure."""

    def describe_progress(self, seconds: float) -> tuple[str, float]:
        """Return the progress after so many seconds, for people, and the share that is done."""

    def find_warning(self) -> str | None:
        """Return what went wrong with keeping the answers; None while nothing did."""

    def explain(self, setting: Setting) -> tuple[Trial, ...]:
        """Look for the cause of a result that is too low to be true."""

    def note(self, record: Record) -> Record:
        """Return the record with what the task knows: the answers so far, or what drove it."""

    def plan_limit_ns(self, workers: Sequence[Worker]) -> int:
        """Return how long a worker may say nothing while it measures."""

    def look_after(self, workers: Sequence[Worker]) -> None:
        """Called about once a second while the workers measure."""

    def forget(self) -> None:
        """The record holds everything: nothing has to be kept to go on with."""


@contextmanager
def open_task(plan: RunPlan, folder: Path) -> Iterator[Task]:
    """Choose what the run does; in accuracy mode, go on with the answers its folder holds.

    LoadGen, where it drives the run, ends with the block.

    Args:
        plan: its model is prepared.
        folder: of the run.

    Raises:
        RecordError: the folder holds answers of something else, or is in use.
        RequestError, HostError: LoadGen cannot do what is asked, or cannot be started.
    """
    with ExitStack() as stack:
        task: SpeedTask | AccuracyTask = SpeedTask(plan)
        if plan.evaluation is not None:
            origin = describe_origin(plan, plan.evaluation)
            journal = stack.enter_context(open_journal(folder, origin))
            task = AccuracyTask(plan, plan.evaluation, journal, folder)
        if plan.loadgen is None:
            yield task
            return
        yield stack.enter_context(open_loadgen(task, plan.loadgen, folder))
