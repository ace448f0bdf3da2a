"""A plan as a person reads it: what `--dry-run` prints."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.config import Gramine
from resnet50_bench.host.machine import short_list
from resnet50_bench.model import CalibrationRequest
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.planning.evaluation import find_calibrating
from resnet50_bench.planning.launchers import plan_instance_enclave, plan_mpi_command
from resnet50_bench.planning.memory import GIB
from resnet50_bench.planning.model import describe_model
from resnet50_bench.planning.plan import RunPlan
from resnet50_bench.report.terminal.host import describe_host_shape
from resnet50_bench.report.terminal.placement_map import describe_instances, render_placement
from resnet50_bench.report.terminal.run import Row, print_rows

if TYPE_CHECKING:
    from rich.console import Console

    from resnet50_bench.host.machine import Host
    from resnet50_bench.placement.slots import Placement


def print_plan(console: Console, plan: RunPlan) -> None:
    """Print what a run would do."""
    slots = plan.placement.slots
    model = "none"
    if plan.model is not None:
        model = describe_model(plan.model.manifest)
    elif plan.model_source is not None:
        model = "will be prepared first, once: about half a minute"
    total = plan.memory_per_instance_bytes * len(slots)
    limit = plan.config.cpu_latency_limit_us
    held = [("Wake-up", f"idle CPUs of the machine will be held to {limit} us")]
    launch = [("MPI", shlex.join(plan_mpi_command(plan, plan.mpi)))] if plan.mpi else []
    rows: list[Row] = [
        ("Run", f"{plan.config.mode.value}, {plan.config.precision.value}, {plan.config.engine}"),
        ("Host", plan.describe_host()),
        ("Model", model),
        *_describe_calibration(plan),
        ("Images", plan.source.describe() if plan.source else "generated"),
        *([("Labels", plan.evaluation.labels_origin)] if plan.evaluation else ()),
        *_list_amounts(plan),
        *_list_sites(plan),
        *launch,
        *(held if limit is not None else ()),
        *_list_enclave(plan),
        ("Environment", [f"{k}={v}" for k, v in sorted(plan.environment.items())]),
        (
            "Memory",
            (
                f"about {total / GIB:.1f} GiB for {len(slots)} x "
                f"{plan.memory_per_instance_bytes / GIB:.1f} GiB; "
                f"{plan.memory_bytes / GIB:.1f} GiB available"
            ),
        ),
        ("Duration", f"about {plan.expected_s:.0f} s, by a cautious guess of the speed"),
    ]
    print_rows(console, rows)


def _list_sites(plan: RunPlan) -> list[Row]:
    """Who would sit where, on each kind of host."""
    kinds: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for site in plan.sites:
        shown = tuple(render_placement(site.host, site.placement))
        kind = describe_instances(site.placement), shown
        kinds.setdefault(kind, []).extend([site.name] if site.name is not None else [])
    return [
        row
        for (instances, shown), names in kinds.items()
        for row in (
            ("Instances", instances + (f" on {', '.join(names)}" if names else "")),
            ("Placement", list(shown)),
        )
    ]


def _list_amounts(plan: RunPlan) -> list[Row]:
    """How much there will be: each instance's own affair, or LoadGen's."""
    workload, loadgen = plan.workload, plan.loadgen
    if loadgen is None:
        text = (
            f"{workload.steps} queries or more of batch size {workload.batch_size} after "
            f"{workload.warmup_steps} of warm-up, for {workload.min_time_ns / 1e9:g} s or more"
        )
        return [("Each instance", text)]
    request = loadgen.request
    where = "a core of its own" if loadgen.own_core else "the instances' cores"
    rules = "MLPerf's rules" if request.by_conf else "not MLPerf's rules"
    size = workload.batch_size
    batches = f"batches of {size} or fewer" if size > 1 else "images one by one"
    return [
        ("LoadGen", f"{request.scenario.value}, {request.mode.value}, {rules}, {batches}"),
        ("LoadGen's core", f"CPUs {short_list(loadgen.cpus)}: {where}"),
    ]


def _describe_calibration(plan: RunPlan) -> list[tuple[str, str]]:
    """What int8 is calibrated with; nothing for other precisions."""
    if plan.model_source is None or "int8" not in plan.config.precision.value:
        return []
    chosen = select_calibration(plan.calibration or CalibrationRequest())
    identity = chosen.identity
    text = f"{identity.images} {identity.kind}"
    if chosen.dataset is not None:
        text = f"{identity.images} images of {chosen.dataset}, drawn with seed {identity.seed}"
    if plan.evaluation is None:
        return [("Calibration", text)]
    seen = len(find_calibrating(plan.evaluation, plan.calibration))
    if seen:
        left_out = plan.config.leave_out_calibration
        how = "left out of the accuracy" if left_out else "counted, and the others by themselves"
        text += f"; {seen} of them are evaluated: {how}"
    return [("Calibration", text)]


def _list_enclave(plan: RunPlan) -> list[tuple[str, str]]:
    if plan.config.gramine is Gramine.OFF:
        return []
    enclave = plan_instance_enclave(plan)
    text = (
        f"{enclave.size_bytes / GIB:g} GiB and at most {enclave.max_threads} threads for each "
        f"instance, attestation {enclave.attestation.value}"
    )
    return [("Enclave", text)]


def summarize_plan(plan: RunPlan) -> dict[str, Any]:
    """Return the plan as plain JSON types."""
    return {
        "config": msgspec.to_builtins(plan.config),
        "workload": msgspec.to_builtins(plan.workload),
        "placement": msgspec.to_builtins(plan.placement),
        "others": [
            {
                "name": site.name,
                "cpu": site.host.cpu_model,
                "placement": msgspec.to_builtins(site.placement),
            }
            for site in plan.sites[1:]
        ],
        "model": msgspec.to_builtins(plan.model.manifest) if plan.model else None,
        "mpi_command": plan_mpi_command(plan, plan.mpi) if plan.mpi else None,
        "labels": plan.evaluation.labels_origin if plan.evaluation else None,
        "environment": plan.environment,
        "memory_per_instance_bytes": plan.memory_per_instance_bytes,
        "expected_s": round(plan.expected_s, 1),
        "warnings": plan.warnings(),
    }


def print_placement(console: Console, host: Host, placement: Placement) -> None:
    """Print who would sit where on the host."""
    used, usable = sum(slot.cores for slot in placement.slots), host.physical_cores
    rows: list[Row] = [
        ("Host", describe_host_shape(host)),
        (
            "Instances",
            f"{describe_instances(placement)}; {used} of {usable} core{'s' * (usable != 1)} in use",
        ),
        ("Placement", render_placement(host, placement)),
    ]
    print_rows(console, rows)
