"""Answers a sample of the images again, prepared in other ways, to explain a low accuracy."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resnet50_bench.data.profiles import find_profile, list_variants
from resnet50_bench.instance.predictions import ROW, split_rows
from resnet50_bench.planning.evaluation import EvaluationPlan, count_batches, plan_requests
from resnet50_bench.planning.jobs import plan_evaluation_jobs
from resnet50_bench.planning.plan import limit_instances
from resnet50_bench.results.record import Trial
from resnet50_bench.verdict.expectation import find_expected_top1
from resnet50_bench.verdict.explain import plan_sample, should_explain

if TYPE_CHECKING:
    from resnet50_bench.instance.job import Job, Predicted
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Evaluation

SAMPLE_IMAGES = 256
"""Enough to tell any of the mistakes looked for, each of which costs many points, from chance."""


class Trials:
    """Changed profiles, each tried on the same sample; see `plan_trials`."""

    def __init__(self, plan: RunPlan, evaluation: EvaluationPlan, sample: tuple[int, ...]) -> None:
        size = plan.workload.batch_size
        if plan.mpi is None:  # the ranks of MPI stay as many; to some there is nothing to ask
            plan = limit_instances(plan, count_batches(len(sample), size))
        self._variants = tuple(
            item.profile_name for item in list_variants(find_profile(plan.preprocessing))
        )
        self._sample = sample
        self._rows: dict[str, list[bytes]] = defaultdict(list)
        self._answers = 0
        shape = size, plan.instances
        requests = plan_requests(evaluation, self._variants, sample, shape)
        self.jobs: list[Job] = plan_evaluation_jobs(plan, requests)

    def describe(self) -> str:
        """What is tried, for people."""
        return f"{len(self._variants)} other ways to prepare {len(self._sample)} of the images"

    def add(self, _: int, answers: Predicted) -> None:
        """Keep what a worker answered."""
        self._rows[answers.pass_name].append(answers.rows)
        self._answers += len(answers.rows) // ROW.size

    def describe_progress(self) -> tuple[str, float]:
        """Return the progress for people, and the share that is done."""
        total = len(self._variants) * len(self._sample)
        return (
            f"looking for the cause: {self._answers:,} of {total:,} answers",
            self._answers / total,
        )

    def collect(self) -> tuple[Trial, ...]:
        """Return the answers; those of a variant by position."""
        return tuple(
            Trial(variant=name, positions=self._sample, rows=_order(b"".join(self._rows[name])))
            for name in self._variants
            if name in self._rows
        )


def plan_trials(plan: RunPlan, evaluation: Evaluation) -> Trials | None:
    """Return what to try; None where the accuracy needs no explanation."""
    expected = find_expected_top1(plan.config, plan.model.manifest if plan.model else None)
    if plan.evaluation is None or not should_explain(evaluation, expected):
        return None
    sample = plan_sample(evaluation, SAMPLE_IMAGES, plan.config.seed)
    return Trials(plan, plan.evaluation, sample)


def _order(rows: bytes) -> bytes:
    return b"".join(row for _, row in sorted(split_rows(rows)))
