"""A resolved run -> what each worker is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.config import DataType
from resnet50_bench.data.feed import RealFeedRequest, plan_shards
from resnet50_bench.instance.job import DummyFeedRequest, EvaluationRequest, Job, ServingRequest
from resnet50_bench.instance.predictions import find_class_offset
from resnet50_bench.planning.memory import plan_pool_bytes
from resnet50_bench.scenarios.plan import plan_awake_ns, plan_batch_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.data.sources import ImageRef
    from resnet50_bench.placement.slots import Slot
    from resnet50_bench.planning.hosts import Site
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.scenarios.plan import LoadgenPlan

_KEPT = "engines"
"""Folder of the cache for what engines measure on this host."""


def plan_trace_jobs(plan: RunPlan) -> list[Job]:
    """Return the jobs that run one traced batch of generated images in each instance's slot."""
    return [
        msgspec.structs.replace(_plan_job(plan, slot), trace=True, kernel_log=False)
        for slot in _list_slots(plan)
    ]


def plan_jobs(plan: RunPlan) -> list[Job]:
    """Return one job per instance; real images are divided among them."""
    slots = _list_slots(plan)
    real: list[RealFeedRequest | None] = [None] * len(slots)
    if plan.config.data_type is DataType.REAL:
        shards = plan_shards(plan.refs, len(slots))
        sites = [site for site in plan.sites for _ in site.placement.slots]
        real = [
            _plan_feed(plan, site, shard, slot.threads)
            for site, shard, slot in zip(sites, shards, slots)
        ]
    jobs = [_plan_job(plan, slot) for slot in slots]
    return [
        msgspec.structs.replace(job, dummy=None, real=feed) if feed is not None else job
        for job, feed in zip(jobs, real)
    ]


def plan_evaluation_jobs(plan: RunPlan, requests: Sequence[EvaluationRequest]) -> list[Job]:
    """Return one job per request, in the first slots."""
    return [
        msgspec.structs.replace(_plan_job(plan, slot), dummy=None, evaluation=request)
        for slot, request in zip(_list_slots(plan), requests)
    ]


def plan_serving_jobs(
    plan: RunPlan, loadgen: LoadgenPlan, memory: tuple[str, str], samples: int
) -> list[Job]:
    """Return one job per instance that answers LoadGen.

    Args:
        plan: of the run.
        loadgen: of LoadGen.
        memory: paths of the queue's and the images'.
        samples: images in memory at a time.
    """
    request = loadgen.request
    first, jobs = 0, []
    for slot in plan.placement.slots:
        serving = ServingRequest(
            queue=memory[0],
            library=memory[1],
            samples=samples,
            first_stream=first,
            sizes=plan_batch_sizes(request.scenario, plan.workload.batch_size),
            max_wait_ns=request.batch_wait_ns,
            awake_ns=plan_awake_ns(slot, own_core=loadgen.own_core),
            class_offset=find_class_offset(plan.classes, _find_first_class(plan)),
            keep_answers=plan.evaluation is not None,
            source=_describe_source(plan),
            profile=plan.preprocessing if plan.source is not None else None,
        )
        job = msgspec.structs.replace(_plan_job(plan, slot), dummy=None, serving=serving)
        jobs.append(job)
        first += max(1, len(slot.streams))
    return jobs


def _find_first_class(plan: RunPlan) -> int | None:
    return plan.evaluation.class_offset if plan.evaluation is not None else None


def _describe_source(plan: RunPlan) -> str:
    if plan.source is not None:
        return plan.source.describe()
    return f"generated images, seed {plan.config.seed}"


def _list_slots(plan: RunPlan) -> list[Slot]:
    """The slots of all instances: the numbers go on from one host to the next."""
    slots = [slot for site in plan.sites for slot in site.placement.slots]
    return [replace(slot, instance=number) for number, slot in enumerate(slots)]


def _plan_job(plan: RunPlan, slot: Slot) -> Job:
    """A job on generated images."""
    config, workload = plan.config, plan.workload
    return Job(
        slot=slot,
        engine=config.engine,
        engine_options=config.engine_options,
        model_path=str(plan.model.path) if plan.model is not None else None,
        precision=config.precision,
        batch_size=workload.batch_size,
        steps=workload.steps,
        warmup_steps=workload.warmup_steps,
        min_time_ns=workload.min_time_ns,
        instances=len(plan.placement.slots),
        kept_folder=str(plan.cache_dir.parent / _KEPT) if plan.evaluation is None else None,
        classes=plan.classes,
        cpu_latency_limit_us=config.cpu_latency_limit_us,
        kernel_log=plan.writes_kernels,
        dummy=DummyFeedRequest(config.seed),
    )


def _plan_feed(
    plan: RunPlan, site: Site, refs: tuple[ImageRef, ...], threads: int
) -> RealFeedRequest:
    return RealFeedRequest(
        path=str(Path(plan.config.dataset or "").absolute()),
        refs=refs,
        batch_size=plan.workload.batch_size,
        profile=plan.preprocessing,
        threads=threads,
        max_pool_bytes=plan_pool_bytes(site.host, len(site.placement.slots)),
    )
