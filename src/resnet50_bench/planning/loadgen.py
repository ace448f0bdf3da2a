"""A resolved run and a request to LoadGen -> the run behind LoadGen, or why it cannot be."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Gramine
from resnet50_bench.data.profiles import IMAGE_BYTES
from resnet50_bench.errors import ConfigError, DatasetError, RequestError
from resnet50_bench.instance.serving.queue import QueryQueue
from resnet50_bench.planning.memory import GIB
from resnet50_bench.scenarios.messages import IssuerJob, RealImages
from resnet50_bench.scenarios.plan import LoadgenPlan, count_streams, plan_issuer_cpus
from resnet50_bench.scenarios.request import (
    GENERATED_SAMPLES,
    PERFORMANCE_SAMPLES,
    LoadgenMode,
    Scenario,
)
from resnet50_bench.scenarios.rounds import read_rounds

if TYPE_CHECKING:
    from resnet50_bench.config import RunConfig
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.scenarios.request import LoadgenRequest

MODULE = "mlperf_loadgen"


def require_loadgen() -> None:
    """See that LoadGen is installed, without importing it.

    Raises:
        RequestError: it is not.
    """
    if find_spec(MODULE) is None:
        raise RequestError(
            "LoadGen is not installed (package mlcommons-loadgen)",
            "pip install 'resnet50-bench[loadgen]'",
        )


def find_loadgen_problems(config: RunConfig, request: LoadgenRequest) -> list[str]:
    """Say what of a run cannot be behind LoadGen, one sentence each."""
    problems = [
        f"{flag} has no meaning here: LoadGen decides when a run ends (--min-time, --steps)"
        for flag, given in (
            ("--until", config.until is not None),
            ("--max-time", config.max_time_s is not None),
        )
        if given
    ]
    if config.mpi or config.hostfile is not None:
        problems.append("--mpi: the queries go through memory that one host shares: leave it out")
    if config.gramine is not Gramine.OFF:
        problems.append("--gramine: an enclave shares no memory with LoadGen: leave it out")
    if request.scenario is Scenario.SINGLE_STREAM:
        problems += _find_single_stream_problems(config)
    return problems


def _find_single_stream_problems(config: RunConfig) -> list[str]:
    """There is one query at a time, of one image."""
    problems = []
    if config.instances is not None and config.instances > 1:
        problems.append(
            f"--instances {config.instances}: SingleStream has one query at a time, so all but one "
            "would be idle: leave it out"
        )
    if config.batch_size is not None and config.batch_size > 1:
        problems.append(
            f"--batch-size {config.batch_size}: a query of SingleStream has one image: leave it out"
        )
    return problems


def plan_loadgen(plan: RunPlan, request: LoadgenRequest) -> RunPlan:
    """Return the plan of a run behind LoadGen.

    Raises:
        ConfigError: what of it cannot be.
        DatasetError: too few images for what has to be in memory.
        PlacementError: LoadGen is to have a core of its own, and there is none.
        RequestError: LoadGen is not installed.
    """
    require_loadgen()
    streams = count_streams(plan.placement)
    if streams > QueryQueue.MAX_STREAMS:
        raise ConfigError([f"{streams:,} streams are more than {QueryQueue.MAX_STREAMS:,}"])
    total = _count_samples(plan, request)
    cpus, own_core = plan_issuer_cpus(plan.host, plan.placement, request.core)
    loadgen = LoadgenPlan(
        request=request, cpus=cpus, own_core=own_core, total=total, round=read_rounds()[-1]
    )
    return replace(plan, loadgen=loadgen)


def _count_samples(plan: RunPlan, request: LoadgenRequest) -> int:
    """The samples of the data set: all its images, or as many generated ones as are in memory."""
    least = PERFORMANCE_SAMPLES if request.rules else 1
    if plan.source is None:
        return request.samples or max(least, GENERATED_SAMPLES)
    images = len(plan.refs)
    wanted = request.samples or least
    if request.mode is LoadgenMode.PERFORMANCE and images < wanted:
        why = f"--samples {wanted:,}" if request.samples else f"MLPerf's rules want {least:,}"
        raise DatasetError(
            f"too few images in memory: {why}, and {plan.source.describe()} has {images:,}",
            "give a larger --dataset"
            + (", or fewer --samples" if request.samples else ", or leave out --rules"),
        )
    return images


def require_memory(plan: RunPlan, samples: int) -> None:
    """See that the images fit beside the instances.

    Raises:
        RequestError: they do not.
    """
    needed = samples * IMAGE_BYTES
    instances = plan.memory_per_instance_bytes * len(plan.placement.slots)
    if needed + instances > plan.memory_bytes:
        raise RequestError(
            f"{samples:,} images in memory take {needed / GIB:.1f} GiB and the instances about "
            f"{instances / GIB:.1f}, and {plan.memory_bytes / GIB:.1f} GiB is available",
            "hold fewer with --samples, or use fewer --instances",
        )


def plan_issuer_job(plan: RunPlan, loadgen: LoadgenPlan, folder: Path, queue: str) -> IssuerJob:
    """Return what LoadGen's process is told.

    Args:
        plan: of the run.
        loadgen: of LoadGen.
        folder: gets the logs.
        queue: path of the queue's memory.
    """
    real = None
    if plan.source is not None:
        path = str(Path(plan.config.dataset or "").absolute())
        real = RealImages(path=path, refs=plan.refs, profile=plan.preprocessing)
    owned = {cpu for slot in plan.placement.slots for cpu in slot.cpus}
    return IssuerJob(
        request=loadgen.request,
        folder=str(folder.absolute()),
        queue=queue,
        cpus=loadgen.cpus,
        own_core=loadgen.own_core,
        loading_cpus=tuple(sorted(owned | set(loadgen.cpus))),
        total=loadgen.total,
        samples=_choose_held(plan, loadgen),
        seed=plan.config.seed if real is None else None,
        real=real,
        seeds=loadgen.round.seeds,
    )


def _choose_held(plan: RunPlan, loadgen: LoadgenPlan) -> int | None:
    """How many to hold; accuracy mode goes through all of them, so many at a time."""
    request = loadgen.request
    if request.samples is not None:
        return min(request.samples, loadgen.total)
    if request.mode is LoadgenMode.ACCURACY:
        return min(PERFORMANCE_SAMPLES, loadgen.total)
    return loadgen.total if plan.source is None else None
