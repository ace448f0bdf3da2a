"""Whether every instance started, stayed where it was told to be, and measured what it should."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.errors import ExitCode
from resnet50_bench.host.machine import format_cpu_list
from resnet50_bench.interpreter import advise_import
from resnet50_bench.placement.plan import plan_cores_per_instance_that_fits
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.kpi import Kpis, Window, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resnet50_bench.results.record import InstanceRecord, Lane, Record

LOST_INSTANCES_LINE = (
    "#INVALID RESULT: Some instances were killed during execution! See README.md for more."
)
"""The workload's own words, which its users search logs for."""

MAX_REMOTE_SHARE = 0.05


def has_lost_instances(record: Record) -> bool:
    """Whether instances were lost; not when interrupted, nor when they found the request wrong."""
    return record.status == "lost instances" and find_loss_code(record) is ExitCode.FAILURE


def find_loss_code(record: Record) -> ExitCode:
    """An instance that found the request to be wrong, such as unusable images, says so itself."""
    failures = [item.failure for item in list_lost(record)]
    if failures and all(failure is not None and failure.wrong_request for failure in failures):
        return ExitCode.WRONG_REQUEST
    return ExitCode.FAILURE


def list_lost(record: Record) -> list[InstanceRecord]:
    """Return the instances that ended otherwise than they should, those r50 ended left out."""
    return [item for item in record.instances if item.exit.kind not in {"ok", "stopped"}]


def check_status(record: Record) -> Iterator[Finding]:
    """The run came to its end."""
    again = "run it again"
    if record.config.mode is Mode.ACCURACY:
        again = "`r50 run --resume RUN` goes on with it"
    if record.status == "interrupted":
        yield Finding("the run was interrupted before it was complete", again)
    if record.status == "running":
        yield Finding("the run never came to its end: r50 itself was killed", again)


def check_instances(record: Record) -> Iterator[Finding]:
    """Launched = started = reported."""
    planned, launched = record.planned_instances, len(record.instances)
    started = sum(item.started for item in record.instances)
    count = len(reported(record))
    whole = record.status == "completed" and planned == launched == started == count
    if whole or record.status in {"interrupted", "running"}:
        return
    missing = f" of {planned}" if launched < planned else ""
    yield Finding(f"{launched}{missing} instances launched, {started} started, {count} reported")
    lost = list_lost(record)
    if record.config.mpi and lost and not any(item.started for item in record.instances):
        yield _explain_failed_launch(lost)
        return
    # Once for all: it looks at every instance.
    advise_memory = functools.cache(lambda: _advise_memory(record))
    for item in lost:
        where = f" on {item.host}" if item.host is not None else ""
        yield Finding(
            f"instance {item.slot.instance}{where} was {describe_loss(item)}",
            _advise_loss(item, advise_memory),
        )


def _explain_failed_launch(lost: Sequence[InstanceRecord]) -> Finding:
    """One finding for all: that none of them started has one cause."""
    numbers = format_cpu_list(tuple(item.slot.instance for item in lost))
    hosts = sorted({item.host for item in lost if item.host is not None})
    where = f" on {', '.join(hosts)}" if hosts else ""
    who = f"instances {numbers}{where} were" if len(lost) > 1 else f"instance {numbers}{where} was"
    reach = "; `ssh HOST true` must work without a password" if hosts else ""
    return Finding(
        f"MPI started no instance; {who} {describe_loss(lost[0])}",
        f"mpi.log in the run's folder holds all that the launcher said{reach}",
    )


def describe_loss(item: InstanceRecord) -> str:
    """Say when and how an instance was lost."""
    detail = f": {item.exit.detail}" if item.exit.detail else ""
    return f"lost while {item.phase}: {item.exit.kind}{detail}"


def _advise_loss(item: InstanceRecord, advise_memory: Callable[[], str]) -> str | None:
    if item.failure is not None and item.failure.advice is not None:
        return item.failure.advice
    if item.exit.kind == "exit code" and not item.started:
        return advise_import(item.exit.detail.partition(": ")[2])
    if item.exit.kind == "deadline":
        return "look at its log; --timeout SECONDS gives it longer"
    killed = item.exit.detail.startswith("SIGKILL")
    if killed and item.exit.kind == "signal":
        return f"if memory ran out: {advise_memory()}"
    return advise_memory() if item.exit.kind == "out of memory" else None


def _advise_memory(record: Record) -> str:
    """Name the CORES_PER_INSTANCE with which the instances would fit, if there is one."""
    if record.config.mpi:
        fewer = "a smaller --num-mpi or " if record.config.num_mpi > 1 else ""
        fewer = "fewer --instances or " if (record.config.instances or 1) > 1 else fewer
        return f"use {fewer}a smaller --batch-size"
    needed = max(
        [record.memory_estimate_bytes, *(i.peak_resident_bytes or 0 for i in record.instances)]
    )
    request = PlacementRequest(
        record.config.mode,
        instances=record.config.instances,
        use_smt=record.config.smt,
        span_sockets=record.config.span_sockets,
        core_kind=record.config.core_kind,
    )
    size = plan_cores_per_instance_that_fits(record.host, needed, request)
    if size is None or size <= record.placement.cores_per_instance:
        fewer = ", or fewer --instances" if len(record.placement.slots) > 1 else ""
        return f"use a smaller --batch-size{fewer}"
    return f"--cores-per-instance {size} fits: fewer instances share the memory"


def check_placement(record: Record) -> Iterator[Finding]:
    """Each instance ran on the CPUs, and kept its memory on the nodes, that it was given."""
    for item in reported(record):
        if item.seen is None:
            continue
        if item.seen.cpus != item.slot.cpus:
            yield Finding(
                f"instance {item.slot.instance} was told to use CPUs "
                f"{format_cpu_list(item.slot.cpus)} and ran on {format_cpu_list(item.seen.cpus)}",
                "something in the process changed its affinity: look at --customer-env",
            )
        yield from _check_streams(item)
        if len(record.find_host(item.host).nodes) > 1:
            yield from _check_memory(item)


def _check_streams(item: InstanceRecord) -> Iterator[Finding]:
    """Each stream kept to its own cores."""
    for number, (told, stream) in enumerate(zip(item.slot.streams, item.streams)):
        if stream.cpus != told:
            yield Finding(
                f"stream {number} of instance {item.slot.instance} was told to use CPUs "
                f"{format_cpu_list(told)} and ran on {format_cpu_list(stream.cpus)}"
            )


def _check_memory(item: InstanceRecord) -> Iterator[Finding]:
    """On a host with several memory nodes the memory must be where it was bound to."""
    seen, who = item.seen, f"instance {item.slot.instance}"
    if seen is None:
        return
    if seen.memory_policy_error is not None:
        yield Finding(
            f"{who}: {seen.memory_policy_error}",
            "in a container, allow the call: docker run --cap-add SYS_NICE",
        )
    elif seen.memory_policy is not None and seen.memory_policy.nodes != item.slot.nodes:
        yield Finding(
            f"{who} was told to use memory nodes {format_cpu_list(item.slot.nodes)} and was bound "
            f"to {format_cpu_list(seen.memory_policy.nodes) or 'none'}",
            "the container or cgroup allows fewer memory nodes than CPUs: look at cpuset.mems",
        )
    elif seen.anonymous_bytes:
        total = sum(seen.anonymous_bytes.values())
        own = sum(seen.anonymous_bytes.get(node, 0) for node in item.slot.nodes)
        if total - own > MAX_REMOTE_SHARE * total:
            yield Finding(
                f"{who} has {(total - own) / total:.0%} of its memory outside memory nodes "
                f"{format_cpu_list(item.slot.nodes)}",
                "free memory on these nodes, or use a smaller --batch-size",
            )


def check_amounts(record: Record, kpis: Kpis | None) -> Iterator[Finding]:
    """Each instance measured as much as was asked, while all the others did."""
    instances = reported(record)
    if record.status != "completed" or len(instances) != len(record.instances):
        return
    if record.evaluation is not None or record.loadgen is not None:  # whose amounts are LoadGen's
        return
    if kpis is None:
        yield Finding(
            "the instances share no time in which all of them measured",
            "measure longer: --min-time or a larger --steps",
        )
        return
    for lane in (lane for item in instances for lane in item.lanes):
        yield from _check_lane(record, lane, kpis.windows[lane.host])
    yield from _check_until(record, kpis)


def _check_until(record: Record, kpis: Kpis) -> Iterator[Finding]:
    """The throughput is known as well as was asked."""
    until, interval = record.config.until, kpis.throughput_interval
    if until is None or (interval is not None and interval.relative * 100 <= until):
        return
    reached = f"+-{interval.relative:.2%}" if interval is not None else "no interval"
    yield Finding(
        f"--until {until:g}%: the throughput is known to {reached} after "
        f"{kpis.window.seconds:.1f} s",
        "raise --max-time, or ask for less",
    )


def _check_lane(record: Record, lane: Lane, window: Window) -> Iterator[Finding]:
    steps = record.workload.steps
    if len(lane.end_ns) < steps:
        yield Finding(f"{lane.name} answered {len(lane.end_ns)} of {steps} queries")
    if lane.end_ns[-1] - lane.start_ns[0] < record.workload.min_time_ns:
        yield Finding(f"{lane.name} measured for less than --min-time")
    if not any(window.begin_ns < end <= window.end_ns for end in lane.end_ns):
        yield Finding(
            f"{lane.name} finished no query in the common window",
            "measure longer: --min-time or a larger --steps",
        )
