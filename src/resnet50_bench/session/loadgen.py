"""A run that MLPerf's LoadGen drives: its process, the queue, and its word.

Whatever ends the run early - a lost instance, a hung one, LoadGen's own end, a signal - ends the
queue: then nobody waits any more, and LoadGen's process has a moment for its logs.
"""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resnet50_bench.data.profiles import IMAGE_BYTES
from resnet50_bench.instance.predictions import find_class_offset
from resnet50_bench.instance.serving.queue import QueryQueue, SharedMemory
from resnet50_bench.planning.jobs import plan_serving_jobs
from resnet50_bench.planning.loadgen import plan_issuer_job, require_memory
from resnet50_bench.results.record import LoadgenRecord
from resnet50_bench.scenarios.amounts import Pace, expect_amount, plan_expected
from resnet50_bench.scenarios.logs import read_answers, read_log
from resnet50_bench.scenarios.messages import Begin
from resnet50_bench.scenarios.plan import count_streams
from resnet50_bench.scenarios.process import Issuer, start_issuer
from resnet50_bench.scenarios.request import LoadgenMode
from resnet50_bench.session.contention import plan_tick_ns
from resnet50_bench.session.limits import READY_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from resnet50_bench.instance.job import Job, Predicted
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record, Trial
    from resnet50_bench.scenarios.amounts import Amount
    from resnet50_bench.scenarios.plan import LoadgenPlan
    from resnet50_bench.session.accuracy import AccuracyTask
    from resnet50_bench.session.setting import Setting
    from resnet50_bench.session.speed import SpeedTask

_STUCK_S = 60.0
"""No batch of any precision takes so long; --timeout says otherwise."""

_GAPS = 20
"""Of the mean time between queries of Server: so long a gap comes once in 5e8 queries."""

_SLOWEST = 3


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the processes share.

    Attributes:
        queue: of the samples.
        library: the images.
    """

    queue: QueryQueue
    library: SharedMemory


class LoadgenTask:
    """See `task.Task`; what becomes of answers is `own`'s affair."""

    def __init__(
        self,
        own: SpeedTask | AccuracyTask,
        loadgen: LoadgenPlan,
        issuer: Issuer,
        memory: _Memory,
        folder: Path,
    ) -> None:
        self._own = own
        self._loadgen = loadgen
        self._issuer = issuer
        self._memory = memory
        self._folder = folder
        self._settled = issuer.wait_settled()
        self._amount: Amount | None = None
        self._failure: str | None = None
        self._progress = (0, time.monotonic_ns())

    @property
    def plan(self) -> RunPlan:
        """Of the run."""
        return self._own.plan

    @property
    def warm_up(self) -> str:
        """What the instances do before they are ready."""
        return "load, warm up"

    def plan_jobs(self) -> list[Job]:
        """One job per instance: they all take from one queue."""
        paths = self._memory.queue.memory.path, self._memory.library.path
        return plan_serving_jobs(self.plan, self._loadgen, paths, self._settled.samples)

    def take(self, instance: int, answers: Predicted) -> None:
        """Keep what an instance answered: it took what it found in the queue."""
        self._own.keep(answers)

    def begin(self, workers: Sequence[Worker]) -> str:
        """All are warm: LoadGen may load its images and issue."""
        request = self._loadgen.request
        amount = self._expect(workers)
        expected = plan_expected(self._read_pace(workers), self._settled, request)
        self._issuer.begin(
            Begin(
                library=self._memory.library.path,
                expected_qps=expected.qps,
                expected_latency_ns=expected.latency_ns,
            )
        )
        held = f"{self._settled.samples:,} images in memory"
        return f"LoadGen {request.scenario.value}, {held}: about {amount.seconds:.0f} s"

    def _expect(self, workers: Sequence[Worker]) -> Amount:
        if self._amount is None:
            pace, request = self._read_pace(workers), self._loadgen.request
            self._amount = expect_amount(pace, self._settled, request, self._loadgen.total)
        return self._amount

    def _read_pace(self, workers: Sequence[Worker]) -> Pace:
        """How fast the instances were when they warmed up."""
        warmups = [worker.ready.warmup_query_ns for worker in workers if worker.ready is not None]
        streams = [max(1, len(worker.job.slot.streams)) for worker in workers]
        return _compute_pace(warmups, streams, self.plan.workload.batch_size)

    def plan_tick_ns(self, workers: Sequence[Worker]) -> int:
        """Two looks in each tenth of what is expected."""
        return plan_tick_ns(self._expect(workers).seconds)

    def plan_limit_ns(self, workers: Sequence[Worker]) -> int:
        """What a run takes that loads its images for as long as it may, and is slow."""
        longest_s = _SLOWEST * self._expect(workers).seconds + READY_TIMEOUT_S
        return round(longest_s * 1e9)

    def describe_progress(self, seconds: float) -> tuple[str, float]:
        """By the samples that are answered."""
        answered, amount = self._memory.queue.answered, self._amount
        if not self._issuer.issuing and not answered:
            return f"LoadGen loads {self._issuer.loaded:,} images", 0.0
        assert amount is not None
        share = min(1.0, answered / amount.samples)
        return f"{answered:,} of about {amount.samples:,} samples answered", share

    def find_warning(self) -> str | None:
        """What went wrong with keeping the answers."""
        return self._own.find_warning()

    def look_after(self, workers: Sequence[Worker]) -> None:
        """End the run when somebody is lost or hangs: the others would wait for ever."""
        queue = self._memory.queue
        self._issuer.receive()
        if queue.ended:
            return
        self._end_stuck(workers)
        self._note_silence()
        lost = [worker.job.slot.instance for worker in workers if worker.lost]
        if lost:
            self._failure = f"instance {lost[0]} was lost, and LoadGen waits for every answer"
        if lost or self._failure or self._issuer.failed is not None:
            queue.end()

    def _note_silence(self) -> None:
        """LoadGen that has every answer and issues nothing, for longer than its scenario does."""
        queue, qps = self._memory.queue, self._settled.target_qps
        silent_s = (time.monotonic_ns() - self._progress[1]) / 1e9
        limit_s = self.plan.config.timeout_s or _STUCK_S
        if qps is not None:
            limit_s = max(limit_s, _GAPS / qps)
        waits = self._issuer.issuing and queue.put_count == queue.answered
        if waits and silent_s > limit_s:
            self._failure = f"LoadGen's process issued nothing for {silent_s:.0f} s"

    def _end_stuck(self, workers: Sequence[Worker]) -> None:
        """End those that compute one batch for too long, or hold the others up."""
        queue, now_ns = self._memory.queue, time.monotonic_ns()
        limit_ns = round((self.plan.config.timeout_s or _STUCK_S) * 1e9)
        answered, since_ns = self._progress
        if queue.answered != answered or not self._issuer.issuing:
            self._progress = queue.answered, now_ns
            since_ns = now_ns
        stuck = queue.find_computing(now_ns - limit_ns)
        waits = queue.put_count > queue.answered and now_ns - since_ns > limit_ns
        if not stuck and waits:
            stuck = queue.find_turn()
        for worker in workers:
            request = worker.job.serving
            streams = max(1, len(worker.job.slot.streams))
            if request is None or worker.lost or worker.finished is not None:
                continue
            if any(0 <= stream - request.first_stream < streams for stream in stuck):
                worker.give_up()
                worker.overdue = True

    def explain(self, setting: Setting) -> tuple[Trial, ...]:
        """A low accuracy is explained as any other."""
        return self._own.explain(setting)

    def note(self, record: Record) -> Record:
        """Add what LoadGen said; first it has a moment to say it."""
        issuer = self._issuer
        issuer.receive()
        failed, failure = issuer.failed, self._failure
        if failed is not None:
            failure = failure or failed.message
        self._memory.queue.end()
        issuer.stop()
        issuer.receive()
        failure = failure or "the run ended before LoadGen had every answer"
        loadgen = LoadgenRecord(
            request=self._loadgen.request,
            settled=self._settled,
            round=self._loadgen.round.name if not self._loadgen.request.mlperf_conf else None,
            cpus=self._loadgen.cpus,
            own_core=self._loadgen.own_core,
            ended=issuer.ended,
            log=read_log(self._folder),
            failure=None if issuer.ended else failure,
            advice=failed.advice if failed is not None and not self._failure else None,
            wrong_request=failed is not None and failed.wrong_request,
            answers=self._read_answers(),
        )
        return replace(self._own.note(record), loadgen=loadgen)

    def _read_answers(self) -> dict[int, int] | None:
        """The outputs that LoadGen logged, as the record counts them: the background class is 0."""
        evaluation = self.plan.evaluation
        if evaluation is None or self._loadgen.request.mode is not LoadgenMode.ACCURACY:
            return None
        offset = find_class_offset(self.plan.classes, evaluation.class_offset)
        return {item.qsl_idx: item.answer + offset for item in read_answers(self._folder)}

    def forget(self) -> None:
        """The record holds everything."""
        self._own.forget()


def read_images_per_s(record: Record) -> float | None:
    """Return what the instances of a run could do at most, by their warm-up."""
    ready = [item for item in record.instances if item.warmup_query_ns]
    if not ready:
        return None
    streams = [max(1, len(item.slot.streams)) for item in ready]
    warmups = [item.warmup_query_ns for item in ready]
    return _compute_pace(warmups, streams, record.workload.batch_size).images_per_s


def _compute_pace(
    warmups: Sequence[Sequence[int]], streams: Sequence[int], batch_size: int
) -> Pace:
    medians = [statistics.median(durations) for durations in warmups]
    return Pace(
        batch_ns=round(statistics.median(medians)),
        images_per_s=sum(
            count * batch_size / median * 1e9 for count, median in zip(streams, medians)
        ),
        images_at_once=sum(streams) * batch_size,
    )


@contextmanager
def open_loadgen(
    own: SpeedTask | AccuracyTask, loadgen: LoadgenPlan, folder: Path
) -> Iterator[LoadgenTask]:
    """Start LoadGen's process, and hold the memory that it shares with the instances.

    Args:
        own: what the run does with answers.
        loadgen: of the run.
        folder: gets LoadGen's logs.

    Raises:
        RequestError: what was asked of LoadGen cannot be done.
        HostError: its process cannot be started.
    """
    plan = own.plan
    memory = SharedMemory.make("r50-queries", QueryQueue.SIZE)
    queue = QueryQueue(memory, count_streams(plan.placement))
    job = plan_issuer_job(plan, loadgen, folder, memory.path)
    try:
        with start_issuer(job, plan.worker_environment) as issuer:
            samples = issuer.wait_settled().samples
            require_memory(plan, samples)
            library = SharedMemory.make("r50-images", samples * IMAGE_BYTES)
            try:
                yield LoadgenTask(own, loadgen, issuer, _Memory(queue, library), folder)
            finally:
                queue.end()
                issuer.stop()
                library.close()
    finally:
        memory.close()
