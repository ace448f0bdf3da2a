"""A run that judges accuracy: what is still to see, and the answers so far."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.data.crops.store import find_crops, plan_crops_folder
from resnet50_bench.instance.predictions import find_class_offset, unpack_rows
from resnet50_bench.launch import run_workers
from resnet50_bench.planning.evaluation import (
    EvaluationPlan,
    check_outputs,
    count_batches,
    find_calibrating,
    plan_requests,
)
from resnet50_bench.planning.jobs import plan_evaluation_jobs
from resnet50_bench.planning.plan import limit_instances
from resnet50_bench.results.record import Evaluation
from resnet50_bench.session.contention import plan_tick_ns
from resnet50_bench.session.journal import CPU_SEPARATOR, JOURNAL_FILE, Journal, Origin
from resnet50_bench.session.limits import plan_measured_limit_ns
from resnet50_bench.session.tally import Tally
from resnet50_bench.session.trials import plan_trials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.data.crops.store import Crops
    from resnet50_bench.host.machine import Host
    from resnet50_bench.instance.job import Job, Predicted
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record, Trial
    from resnet50_bench.session.setting import Setting


class AccuracyTask:
    """See `task.Task`; new, or resumed.

    Attributes:
        plan: of the run, with no more instances than there are batches left to see.
        remaining: the images to see, by position.
        crops: the images preprocessed before; None when they are to be decoded.
        resumed_images: how many images an interrupted part of the run has answered.
    """

    warm_up = "load, warm up"

    def __init__(
        self, plan: RunPlan, evaluation: EvaluationPlan, journal: Journal, folder: Path
    ) -> None:
        check_outputs(evaluation, plan.classes)
        self._evaluation = evaluation
        self._journal = journal
        self._folder = folder
        size = plan.workload.batch_size
        images = len(evaluation.refs)
        self.remaining = plan_remaining(images, size, journal.positions())
        self.resumed_images = images - len(self.remaining)
        self.plan = limit_instances(plan, count_batches(len(self.remaining), size))
        self.crops = _find_crops(self.plan)
        self._calibrating = find_calibrating(evaluation, plan.calibration)
        self._seen, self._right = self._count(journal.progress().rows)
        self._tally = Tally(())

    def plan_jobs(self) -> list[Job]:
        """Return what each instance is told: disjoint shares of what is left."""
        shape = self.plan.workload.batch_size, self.plan.instances
        passes = (self.plan.preprocessing,)
        crops = self.crops.path if self.crops is not None else None
        requests = plan_requests(self._evaluation, passes, self.remaining, shape, crops)
        self._tally = Tally([request.positions for request in requests])
        return plan_evaluation_jobs(self.plan, requests)

    def take(self, instance: int, answers: Predicted) -> None:
        """Keep what a worker answered, and whether it was asked that."""
        self._tally.add(instance, answers)
        self.keep(answers)

    def keep(self, answers: Predicted) -> None:
        """Keep answers, whoever was asked."""
        self._journal.add(answers)
        seen, right = self._count(answers.rows)
        self._seen += seen
        self._right += right

    def begin(self, workers: Sequence[Worker]) -> str:
        """Say how many images are left."""
        images = f"{len(self.remaining):,} images"
        if self.crops is not None:
            return f"classify {images}, preprocessed before"
        return f"decode and classify {images}"

    def plan_tick_ns(self, workers: Sequence[Worker]) -> int:
        """A look a second: how long it takes is not known."""
        return plan_tick_ns(None)

    def describe_progress(self, seconds: float) -> tuple[str, float]:
        """By the images that are done."""
        total, done = len(self._evaluation.refs), len(self._journal.positions())
        rate = (done - self.resumed_images) / seconds
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
        right = f", top-1 so far {self._right / self._seen:.2%}" if self._seen else ""
        text = f"{done:,} of {total:,} images, {max(rate, 0.0):.1f} images/s{left}{right}"
        return text, done / total

    def find_warning(self) -> str | None:
        """Say why the answers are no longer kept on the disk; None while they are."""
        problem = self._journal.problem
        return f"{problem.message}: {problem.advice}" if problem is not None else None

    def explain(self, setting: Setting) -> tuple[Trial, ...]:
        """Where the accuracy is far too low, answer a sample again, prepared in other ways."""
        trials = plan_trials(self.plan, self.describe())
        if trials is None:
            return ()
        setting.stages.note(
            f"the accuracy is far below what is expected: try {trials.describe()} to find out why"
        )
        with setting.start(trials.jobs, trials.add) as workers:
            run_workers(
                workers,
                setting.plan_deadlines(),
                lambda *_: setting.stages.show_share(*trials.describe_progress()),
                lambda _: None,
            )
        return trials.collect()

    def note(self, record: Record) -> Record:
        """Add the answers so far."""
        return replace(record, evaluation=self.describe())

    def plan_limit_ns(self, workers: Sequence[Worker]) -> int:
        """By the warm-up of the slowest."""
        return plan_measured_limit_ns(self.plan, workers)

    def look_after(self, workers: Sequence[Worker]) -> None:
        """They look after themselves."""

    def forget(self) -> None:
        """Remove the journal of a run whose record holds every answer."""
        (self._folder / JOURNAL_FILE).unlink(missing_ok=True)

    def describe(self) -> Evaluation:
        """Return the answers so far, for the record."""
        progress = self._journal.progress()
        plan = self._evaluation
        return Evaluation(
            preprocessing=self.plan.preprocessing,
            labels_origin=plan.labels_origin,
            classes=self.plan.classes,
            dataset_images=plan.dataset_images,
            images=tuple(ref.name for ref in plan.refs),
            labels=plan.labels,
            labels_order=plan.labels_order,
            outputs_order=plan.outputs_order,
            class_offset=plan.class_offset,
            rows=progress.rows,
            unreadable=progress.unreadable,
            resumed_images=self.resumed_images,
            shares=self._tally.describe(self._journal.positions(), self._find_host),
            crops=str(self.crops.path) if self.crops is not None else None,
            calibrating=self._calibrating,
            calibrating_counted=not self.plan.config.leave_out_calibration,
        )

    def _find_host(self, instance: int) -> str | None:
        mpi = self.plan.mpi
        return mpi.find_host(instance) if mpi is not None else None

    def _count(self, rows: bytes) -> tuple[int, int]:
        """Return how many answers there are and how many are right."""
        offset = find_class_offset(self.plan.classes, self._evaluation.class_offset)
        labels = self._evaluation.labels
        answers = list(unpack_rows(rows))
        right = sum(item.classes[0] == labels[item.position] + offset for item in answers)
        return len(answers), right


def plan_remaining(images: int, batch_size: int, done: frozenset[int]) -> tuple[int, ...]:
    """Return the images still to see, in whole batches, so that batches are what they were.

    When all are done the last batch is seen again: a run without any work has nothing to prove.
    """
    batches = [
        range(first, min(first + batch_size, images)) for first in range(0, images, batch_size)
    ]
    left = [batch for batch in batches if not done.issuperset(batch)]
    return tuple(position for batch in left or batches[-1:] for position in batch)


def _find_crops(plan: RunPlan) -> Crops | None:
    """Return what `r50 dataset cache` made of the dataset for this preprocessing."""
    if plan.source is None:
        return None
    for cache_dir in (plan.cache_dir, *plan.shared_caches):
        folder = plan_crops_folder(cache_dir)
        found = find_crops(folder, plan.source, plan.preprocessing)
        if found is not None:
            return found
    return None


def describe_origin(plan: RunPlan, evaluation: EvaluationPlan) -> Origin:
    """Return what decides the answers of a run."""
    settings = sorted(plan.config.engine_options.items())
    return Origin(
        model_sha256=plan.model.manifest.loaded.sha256 if plan.model is not None else None,
        engine=" ".join([plan.config.engine, *(f"{name}={text}" for name, text in settings)]),
        precision=plan.config.precision.value,
        preprocessing=plan.preprocessing,
        batch_size=plan.workload.batch_size,
        images_sha256=evaluation.images_sha256,
        cpu=CPU_SEPARATOR.join(sorted({_name_cpu(site.host) for site in plan.sites})),
    )


def _name_cpu(host: Host) -> str:
    flags = hashlib.sha256(" ".join(sorted(host.cpu_flags)).encode()).hexdigest()[:12]
    return f"{host.cpu_model}, flags {flags}"
