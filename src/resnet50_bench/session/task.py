"""What a run does with its instances: measure their speed, or ask them what the images show.

The two differ in which jobs there are, what becomes of answers, how progress is told and what comes
after; nothing else of a run asks which of them it is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from resnet50_bench.session.accuracy import AccuracyTask, describe_origin
from resnet50_bench.session.journal import open_journal
from resnet50_bench.session.speed import SpeedTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from resnet50_bench.instance.job import Job, Predicted
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Evaluation, Trial
    from resnet50_bench.session.setting import Setting


class Task(Protocol):
    """See the module.

    Attributes:
        plan: of the run, with no more instances than there is work for.
        warm_up: what the instances do before they are ready, for people.
    """

    plan: RunPlan
    warm_up: str

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

    def describe(self) -> Evaluation | None:
        """Return the answers so far, for the record."""

    def forget(self) -> None:
        """The record holds everything: nothing has to be kept to go on with."""


@contextmanager
def open_task(plan: RunPlan, folder: Path) -> Iterator[Task]:
    """Choose what the run does; in accuracy mode, go on with the answers its folder holds.

    Args:
        plan: its model is prepared.
        folder: of the run.

    Raises:
        RecordError: the folder holds answers of something else, or is in use.
    """
    if plan.evaluation is None:
        yield SpeedTask(plan)
        return
    with open_journal(folder, describe_origin(plan, plan.evaluation)) as journal:
        yield AccuracyTask(plan, plan.evaluation, journal, folder)
