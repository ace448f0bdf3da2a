"""Resolves what was asked against this host, before anything is started."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import RunConfig, Workload, plan_workload
from resnet50_bench.data.feed import plan_pool_images
from resnet50_bench.data.pool import plan_pool_batches
from resnet50_bench.data.profiles import BACKGROUND_CLASSES
from resnet50_bench.data.sources import ignore_listing
from resnet50_bench.data.sources.index import Opener, plan_index_folder
from resnet50_bench.engines import load_engine
from resnet50_bench.engines.offer import require_offered
from resnet50_bench.errors import (
    ConfigError,
    EngineError,
    PlacementError,
    PrecisionError,
    RequestError,
)
from resnet50_bench.host.cpu_latency import check_limit
from resnet50_bench.host.machine import list_limits, read_boot_id, read_host
from resnet50_bench.host.sgx import require_gramine
from resnet50_bench.launch import MpiPlan, describe_hosts, find_mpi, plan_mpi
from resnet50_bench.model import (
    CalibrationRequest,
    ModelSource,
    default_cache_dir,
    find_shared_caches,
)
from resnet50_bench.placement.layout import plan_fewer, plan_layout
from resnet50_bench.planning.container_limits import find_limit_warnings
from resnet50_bench.planning.environment import (
    list_left_out,
    plan_worker_environment,
    writes_kernels,
)
from resnet50_bench.planning.evaluation import (
    EvaluationPlan,
    choose_preprocessing,
    count_batches,
    plan_evaluation,
)
from resnet50_bench.planning.hosts import (
    FoundHost,
    Site,
    check_precision,
    find_here,
    plan_site,
    require_distinct,
    require_precision,
)
from resnet50_bench.planning.memory import (
    GIB,
    find_memory_bytes,
    plan_instance_bytes,
    plan_pool_bytes,
)
from resnet50_bench.planning.model import (
    calibrates,
    find_model,
    find_model_source,
    plan_calibration,
)
from resnet50_bench.scenarios.plan import LoadgenPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet50_bench.data.sources import ImageRef, ImageSource, OnListing
    from resnet50_bench.engines import Engine
    from resnet50_bench.host.machine import Host
    from resnet50_bench.launch import FoundMpi
    from resnet50_bench.model import PreparedModel
    from resnet50_bench.placement.slots import Placement

IMAGES_PER_CORE_S = 15.0
"""A cautious guess for the expected duration only: an AVX-512 core was measured at 25 in fp32."""

START_S = 8.0
PREPARATION_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Everything decided before the first process starts.

    Attributes:
        config: what was asked.
        workload: the amounts.
        sites: the hosts, each with who gets which of its cores; without a hostfile this one alone.
        engine: the runtime.
        model_source: the graph to prepare; None when the engine needs none.
        calibration: the images to calibrate int8 with; None for generated ones.
        model: the prepared model; None when it still has to be prepared.
        cache_dir: where prepared models are kept.
        shared_caches: where else they are looked for, and never written.
        source: of real images.
        refs: the images to use.
        evaluation: what to see in accuracy mode.
        environment: the variables set for the workers.
        worker_environment: the workers' complete environment.
        left_out: variables of the calling shell that the workers do not get.
        emulated: slower instructions stand in for the ones the CPU lacks.
        mpi: how MPI starts the instances; None when r50 does.
        loadgen: how LoadGen drives them; None when they measure themselves.
    """

    config: RunConfig
    workload: Workload
    sites: tuple[Site, ...]
    engine: Engine
    model_source: ModelSource | None
    calibration: CalibrationRequest | None
    model: PreparedModel | None
    cache_dir: Path
    source: ImageSource | None
    refs: tuple[ImageRef, ...]
    evaluation: EvaluationPlan | None
    environment: dict[str, str]
    worker_environment: dict[str, str]
    left_out: tuple[str, ...]
    emulated: bool
    mpi: MpiPlan | None = None
    loadgen: LoadgenPlan | None = None
    shared_caches: tuple[Path, ...] = ()

    @property
    def host(self) -> Host:
        """The machine; of several the first."""
        return self.sites[0].host

    @property
    def placement(self) -> Placement:
        """Who gets which cores of it."""
        return self.sites[0].placement

    def describe_host(self) -> str:
        """The machine in one line; of several, each kind of them."""
        names: dict[str, list[str]] = {}
        for site in self.sites:
            names.setdefault(describe_machine(site.host), []).append(site.name or "")
        if len(self.sites) == 1:
            return next(iter(names))
        return "; ".join(f"{', '.join(hosts)}: {text}" for text, hosts in names.items())

    @property
    def memory_bytes(self) -> int:
        """What this process and its children may use now."""
        return find_memory_bytes(self.host)

    @property
    def memory_per_instance_bytes(self) -> int:
        """Estimate: the runtime, the activations of the batches, and the images in memory."""
        computed = self.streams * self.workload.batch_size
        return plan_instance_bytes(self.engine, computed, self._count_held(computed))

    def _count_held(self, computed: int) -> int:
        """How many images an instance holds that computes so many at once."""
        if self.evaluation is not None or self.loadgen is not None:
            return computed
        size, instances = self.workload.batch_size, len(self.placement.slots)
        if self.source is None:
            return plan_pool_batches(size) * computed
        share = -(-len(self.refs) // instances)
        most = plan_pool_images(size, plan_pool_bytes(self.host, instances))
        return min(most, -(-share // size) * size)

    @property
    def instances(self) -> int:
        """How many there are, on all hosts together."""
        return sum(len(site.placement.slots) for site in self.sites)

    @property
    def streams(self) -> int:
        """How many queries an instance makes at once."""
        return max(1, len(self.placement.slots[0].streams))

    @property
    def writes_kernels(self) -> bool:
        """Whether oneDNN writes what it executes while the instances measure."""
        return writes_kernels(self.environment)

    @property
    def preprocessing(self) -> str:
        """The profile that images are prepared with; known for sure once the model is."""
        own = self.model_source.preprocessing if self.model_source is not None else None
        if self.model is not None and self.model.manifest.reading is not None:
            own = self.model.manifest.reading.preprocessing or own
        return choose_preprocessing(self.config, own.name if own else None, self.classes)

    @property
    def classes(self) -> int:
        """Of the prepared model; what is usual before it is."""
        found = self.model.manifest.graph.structure.classes if self.model is not None else None
        return found or BACKGROUND_CLASSES

    @property
    def preparing_s(self) -> float:
        """Estimate of the time that the model still takes to prepare."""
        is_prepared = self.model_source is None or self.model is not None
        return 0.0 if is_prepared else PREPARATION_S

    @property
    def expected_s(self) -> float:
        """Estimate of the time from the start to the result, by a cautious guess of the speed."""
        workload = self.workload
        query_s = workload.batch_size / (IMAGES_PER_CORE_S * self.placement.cores_per_instance)
        measuring_s = max(workload.steps * query_s, workload.min_time_ns / 1e9)
        if self.evaluation is not None:
            batches = count_batches(len(self.evaluation.refs), workload.batch_size)
            cores = sum(slot.cores for site in self.sites for slot in site.placement.slots)
            measuring_s = batches * workload.batch_size / (IMAGES_PER_CORE_S * cores)
        trace_s = START_S if self.engine.traces else 0.0
        return self.preparing_s + START_S + workload.warmup_steps * query_s + measuring_s + trace_s

    def warnings(self) -> list[str]:
        """What a user should know before the start."""
        warnings = [text for site in self.sites for text in self._warn_of_site(site)]
        if self.left_out:
            warnings.append(
                f"not passed on to the instances: {', '.join(self.left_out)} "
                "(--customer-env sets variables for them)"
            )
        if (
            self.evaluation is not None
            and self.loadgen is None
            and (self.config.steps or self.config.min_time_s)
        ):
            warnings.append(
                "--steps and --min-time have no meaning in accuracy mode, which sees every image "
                "once: --limit evaluates fewer"
            )
        if self.writes_kernels:
            warnings.append(
                "oneDNN writes a line per primitive while it measures: the figure is lower for it"
            )
        return warnings

    def _warn_of_site(self, site: Site) -> list[str]:
        """What a user should know of one host."""
        needed = self.memory_per_instance_bytes * len(site.placement.slots)
        there = find_memory_bytes(site.host)
        warnings = find_limit_warnings(site.host, site.placement)
        if needed > there:
            warnings.append(
                f"the instances may need {needed / GIB:.1f} GiB and {there / GIB:.1f} "
                "GiB is available: use a smaller --batch-size or a larger --cores-per-instance"
            )
        return [f"{site.name}: {text}" if site.name is not None else text for text in warnings]


def describe_machine(host: Host) -> str:
    """Return a machine in one line."""
    sockets = len(host.sockets)
    usable = f"{host.physical_cores} core{'s' * (host.physical_cores != 1)}"
    if host.physical_cores < host.total_cores:
        usable += f" of {host.total_cores}"
    memory = host.memory_total_bytes / GIB
    return (
        f"{host.cpu_model}: {usable}, {sockets} socket{'s' * (sockets != 1)}, "
        f"{len(host.nodes)} memory node{'s' * (len(host.nodes) != 1)}, {memory:.0f} GiB"
        + "".join(f"; limits: {'; '.join(limits)}" for limits in [list_limits(host)] if limits)
    )


def plan_run(
    config: RunConfig, environ: Mapping[str, str], on_listing: OnListing = ignore_listing
) -> RunPlan:
    """Resolve a config: read the host, look for the model and the images, place the instances.

    Args:
        config: what was asked.
        environ: the environment of the calling process.
        on_listing: is told while images are listed.

    Raises:
        ConfigError: an engine option is wrong.
        EngineError: the engine is not installed, or has not the precision.
        PrecisionError: the host cannot run the precision.
        PlacementError: the instances do not fit.
        ModelError: the model cannot be read, or its runtime is not installed.
        DatasetError: the images cannot be read.
        HostError: the host cannot be read.
        RequestError: the allocator's library is not on this machine, the kernel takes no limit
            on waking idle CPUs from this process, or what gramine needs is missing.
    """
    engine = load_engine(config.engine)
    problems = engine.option_problems(config.engine_options)
    if problems:
        raise ConfigError(problems)
    require_offered(engine, config.precision)
    _require_host(config)
    workload = plan_workload(config)
    mpi = find_mpi(config.hostfile, environ.get("PATH", os.defpath)) if config.mpi else None
    hosts = _find_hosts(config, mpi, environ)
    emulated = [check_precision(config, engine, found) for found in hosts]
    cache_dir = default_cache_dir(environ)
    opener = Opener(plan_index_folder(cache_dir), on_listing)
    source = opener.open(Path(config.dataset)) if config.dataset is not None else None
    evaluation = plan_evaluation(config, source) if source is not None else None
    refs = _choose_images(config, source, evaluation)
    batches = count_batches(len(refs), workload.batch_size) if len(hosts) == 1 else None
    sites = tuple(
        plan_site(config, engine, found, batches, emulated=slower)
        for found, slower in zip(hosts, emulated, strict=True)
    )
    model_source = _find_model_source(config, engine, sites, workload.batch_size)
    calibration = plan_calibration(config, opener, source) if calibrates(model_source) else None
    shared = find_shared_caches(environ)
    model = find_model(config, model_source, (cache_dir, *shared), calibration)
    ours = sites[0].environment
    return RunPlan(
        config=config,
        workload=workload,
        sites=sites,
        engine=engine,
        model_source=model_source,
        calibration=calibration,
        model=model,
        cache_dir=cache_dir,
        shared_caches=shared,
        source=source,
        refs=refs,
        evaluation=evaluation,
        environment=ours,
        worker_environment=plan_worker_environment(environ, ours),
        left_out=list_left_out(environ, ours),
        emulated=any(emulated),
        mpi=plan_mpi(mpi, _count_instances(sites)) if mpi is not None else None,
    )


def _require_host(config: RunConfig) -> None:
    """What was asked of the machine itself."""
    check_limit(config.cpu_latency_limit_us)
    require_gramine(config.gramine, config.remote_attestation)


def _find_hosts(
    config: RunConfig, mpi: FoundMpi | None, environ: Mapping[str, str]
) -> tuple[FoundHost, ...]:
    """What the instances are to run on: this host, or those of the hostfile, asked by MPI."""
    if mpi is None or not mpi.hosts:
        return (find_here(config, read_host()),)
    own = {"PYTHONUNBUFFERED": "1"} | config.customer_env
    asked = plan_mpi(mpi, (1,) * len(mpi.hosts))
    seen = describe_hosts(asked, plan_worker_environment(environ, own), own)
    require_distinct(mpi.hosts, seen)
    here = read_boot_id()
    return tuple(
        FoundHost(name=name, host=item.host, amx=item.amx, is_here=item.boot_id == here)
        for name, item in zip(mpi.hosts, seen, strict=True)
    )


def _find_model_source(
    config: RunConfig, engine: Engine, sites: tuple[Site, ...], batch_size: int
) -> ModelSource | None:
    """The graph to prepare, which is one for all hosts.

    Raises:
        RequestError: the instances of two hosts need different forms of it.
    """
    shapes: dict[tuple[int, int], Site] = {}
    for site in sites:
        slot = site.placement.slots[0]
        shapes.setdefault((slot.threads, len(slot.streams)), site)
    found = [
        (site, find_model_source(config, engine, site.placement.slots[0], batch_size))
        for site in shapes.values()
    ]
    first, source = found[0]
    for site, other in found[1:]:
        if other != source:
            raise RequestError(
                f"the instances of {site.name} need another form of the model than those of "
                f"{first.name}: theirs have {site.placement.cores_per_instance} and "
                f"{first.placement.cores_per_instance} cores",
                "give them the same size with --cores-per-instance, or hosts of one kind",
            )
    return source


def _count_instances(sites: tuple[Site, ...]) -> tuple[int, ...]:
    return tuple(len(site.placement.slots) for site in sites)


def _choose_images(
    config: RunConfig, source: ImageSource | None, evaluation: EvaluationPlan | None
) -> tuple[ImageRef, ...]:
    if evaluation is not None:
        return evaluation.refs
    return source.refs[: config.limit] if source is not None else ()


def find_host_problems(config: RunConfig) -> list[str]:
    """Say what this host cannot do of what was asked, to be told beside what else is wrong."""
    found = find_here(config, read_host())
    problems = []
    try:
        plan_layout(config, found.host)
    except (ConfigError, PlacementError) as error:
        problems.append(error.message)
    try:
        engine = load_engine(config.engine)
        require_offered(engine, config.precision)
        if engine.needs_model:
            require_precision(config, found)
    except (EngineError, PrecisionError) as error:
        problems.append(error.message)
    return problems


def limit_instances(plan: RunPlan, batches: int) -> RunPlan:
    """Return the plan with no more instances than batches to see, but one on each host."""
    each = -(-batches // len(plan.sites))
    sites = tuple(
        replace(site, placement=plan_fewer(plan.config, site.host, site.placement, each))
        for site in plan.sites
    )
    mpi = replace(plan.mpi, counts=_count_instances(sites)) if plan.mpi is not None else None
    return replace(plan, sites=sites, mpi=mpi)
