"""A run that measures how fast the instances are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.planning.jobs import plan_jobs
from resnet50_bench.session.contention import plan_tick_ns
from resnet50_bench.session.limits import expect_s, plan_measured_limit_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.instance.job import Job, Predicted
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record, Trial
    from resnet50_bench.session.setting import Setting


class SpeedTask:
    """See `task.Task`."""

    warm_up = "load, fill the feed, warm up"

    def __init__(self, plan: RunPlan) -> None:
        self.plan = plan
        self._expected_s = 0.0

    def plan_jobs(self) -> list[Job]:
        """One job per instance; real images are divided among them."""
        return plan_jobs(self.plan)

    def take(self, instance: int, answers: Predicted) -> None:
        """Nobody asked what the images show."""

    def keep(self, answers: Predicted) -> None:
        """Nobody asked what the images show."""

    def begin(self, workers: Sequence[Worker]) -> str:
        """Expect a time by the warm-up of the slowest."""
        self._expected_s = expect_s(self.plan.workload, workers)
        return f"measure for about {self._expected_s:.0f} s"

    def plan_tick_ns(self, workers: Sequence[Worker]) -> int:
        """Two looks in each tenth of what is expected."""
        return plan_tick_ns(expect_s(self.plan.workload, workers))

    def describe_progress(self, seconds: float) -> tuple[str, float]:
        """By the time that has passed."""
        text = f"measuring: {seconds:.0f} of about {self._expected_s:.0f} s"
        return text, min(1.0, seconds / self._expected_s)

    def find_warning(self) -> None:
        """Nothing is kept meanwhile."""

    def explain(self, setting: Setting) -> tuple[Trial, ...]:
        """A low speed is the verdict's to explain."""
        return ()

    def note(self, record: Record) -> Record:
        """There are no answers."""
        return record

    def plan_limit_ns(self, workers: Sequence[Worker]) -> int:
        """By the warm-up of the slowest."""
        return plan_measured_limit_ns(self.plan, workers)

    def look_after(self, workers: Sequence[Worker]) -> None:
        """They look after themselves."""

    def forget(self) -> None:
        """Nothing was kept."""
