"""A resolved run -> how its instances are started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench import __version__
from resnet50_bench.config import Gramine
from resnet50_bench.instance.mpi.protocol import HostFacts
from resnet50_bench.launch import (
    GramineLauncher,
    HostOrders,
    Launcher,
    LocalLauncher,
    MpiLauncher,
)
from resnet50_bench.launch.gramine.manifest import EnclavePlan, plan_enclave
from resnet50_bench.launch.mpi.command import plan_command, plan_rank

if TYPE_CHECKING:
    from resnet50_bench.launch import MpiPlan
    from resnet50_bench.planning.hosts import Site
    from resnet50_bench.planning.plan import RunPlan

RUN_FOLDER = "RUN_FOLDER"
"""Stands for the run's folder in a command line that is shown before there is one."""


def choose_launcher(plan: RunPlan) -> Launcher:
    """Return what starts the instances of a run whose model is prepared."""
    own = _plan_environment(plan)
    inherited = {name: text for name, text in plan.worker_environment.items() if name not in own}
    if plan.config.gramine is not Gramine.OFF:
        return GramineLauncher(plan.config.gramine, plan_instance_enclave(plan), inherited)
    if plan.mpi is None:
        return LocalLauncher()
    return MpiLauncher(
        plan.mpi, inherited, list_orders(plan), tuple(plan_mpi_command(plan, plan.mpi))
    )


def list_orders(plan: RunPlan) -> list[HostOrders]:
    """Return what the ranks of each host are told beside their jobs."""
    return [_plan_orders(plan, site) for site in plan.sites]


def _plan_orders(plan: RunPlan, site: Site) -> HostOrders:
    """What the ranks of one host are told."""
    first = plan.environment
    differing = {k: text for k, text in site.environment.items() if first.get(k) != text}
    if site.name is None:
        return HostOrders(differing, None)
    facts = HostFacts(
        tool_version=__version__,
        cpu_model=site.host.cpu_model,
        cores=site.host.cores,
        model_sha256=plan.model.manifest.loaded.sha256 if plan.model is not None else None,
    )
    return HostOrders(differing, facts)


def plan_instance_enclave(plan: RunPlan) -> EnclavePlan:
    """Return how large the enclave of an instance of a run is."""
    slot = plan.placement.slots[0]
    threads = max(slot.threads, len(slot.cpus))
    config = plan.config
    memory_bytes = plan.memory_per_instance_bytes
    return plan_enclave(memory_bytes, threads, config.precision, config.remote_attestation)


def plan_mpi_command(plan: RunPlan, mpi: MpiPlan) -> list[str]:
    """Return the launcher's command line, with `RUN_FOLDER` for the run's folder."""
    return plan_command(mpi, _plan_environment(plan), plan_rank(mpi.ranks, RUN_FOLDER, "instance"))


def _plan_environment(plan: RunPlan) -> dict[str, str]:
    """The variables r50 sets, which other hosts do not have from it."""
    return {"PYTHONUNBUFFERED": "1"} | plan.environment
