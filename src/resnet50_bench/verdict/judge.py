"""Whether a result may be believed: checks on the record alone, the failed ones with advice."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import CaseType, Mode
from resnet50_bench.engines.base import KernelShare
from resnet50_bench.errors import ExitCode
from resnet50_bench.host.machine import format_cpu_list
from resnet50_bench.interpreter import advise_import
from resnet50_bench.placement.slots import PlacementRequest, plan_cores_per_instance_that_fits
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.precision.proof import Proof, ProofState, plan_verdict
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.kpi import Kpis, Window, reported, run_kpis
from resnet50_bench.verdict.accuracy import check_accuracy, warn_of_accuracy
from resnet50_bench.verdict.conditions import (
    check_contention,
    warn_of_conditions,
    warn_of_idle_cores,
)
from resnet50_bench.verdict.environment import check_environment
from resnet50_bench.verdict.model import warn_of_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resnet50_bench.results.record import InstanceRecord, Lane, Record

LOST_INSTANCES_LINE = (
    "#INVALID RESULT: Some instances were killed during execution! See README.md for more."
)
"""The workload's own words, which its users search logs for."""

MAX_PARENT_SHARE = 0.01
MAX_REMOTE_SHARE = 0.05
MIN_QUERIES = 20
_LONG_ENOUGH_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of all checks.

    Attributes:
        failures: each of them makes the result invalid.
        warnings: what a reader should know about a valid result.
        exit_code: 0 valid; 1 invalid; 3 invalid because an instance was lost.
    """

    failures: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    exit_code: int

    @property
    def valid(self) -> bool:
        """Whether no check failed."""
        return not self.failures


def prove(record: Record) -> Proof | None:
    """Return what the kernels that ran say about the precision; None for an engine without any.

    Every instance has to prove it, by a trace that holds every convolution of the model: one that
    ran outside oneDNN is in no trace. The answer is that of the instance with the least share.
    """
    if record.model is None:
        return None
    meaning = plan_meaning(record.config.precision, record.host.cpu_flags)
    needed = record.model.graph.structure.convolutions
    proofs = [plan_verdict(meaning, item.kernels) for item in record.instances]
    if not proofs or any(_count_convolutions(item) < needed for item in record.instances):
        return Proof(ProofState.UNPROVEN, None, ())
    return min(proofs, key=lambda proof: proof.share or 0.0)


def _count_convolutions(item: InstanceRecord) -> int:
    return sum(kernel.calls for kernel in item.kernels if kernel.primitive == "convolution")


def merge_kernels(traces: Sequence[tuple[KernelShare, ...]]) -> tuple[KernelShare, ...]:
    """Return the kernels of several traces as one: the mean share, all calls; longest first."""
    shares: dict[tuple[str, str, str], float] = defaultdict(float)
    calls: dict[tuple[str, str, str], int] = defaultdict(int)
    for kernel in (kernel for trace in traces for kernel in trace):
        kind = kernel.primitive, kernel.dtype, kernel.isa
        shares[kind] += kernel.time_share / len(traces)
        calls[kind] += kernel.calls
    by_share = sorted(shares, key=lambda kind: shares[kind], reverse=True)
    return tuple(KernelShare(*kind, shares[kind], calls[kind]) for kind in by_share)


def judge(record: Record) -> Verdict:
    """Return the verdict on a run."""
    kpis = run_kpis(record)
    failures = (
        *_check_status(record),
        *_check_instances(record),
        *_check_placement(record),
        *check_environment(record),
        *_check_amounts(record, kpis),
        *check_accuracy(record),
        *_check_precision(record),
        *check_contention(record, kpis),
    )
    if not failures:
        code = int(ExitCode.VALID)
    elif record.status == "lost instances" or (_lost(record) and record.status != "interrupted"):
        code = int(_find_loss_code(record))
    else:
        code = int(ExitCode.INVALID_RESULT)
    warnings = *_warn_of_conditions(record, kpis), *_warn_of_kind(record), *warn_of_accuracy(record)
    return Verdict(failures, warnings, code)


def has_lost_instances(record: Record) -> bool:
    """Whether instances were lost; not when interrupted, nor when they found the request wrong."""
    return record.status == "lost instances" and _find_loss_code(record) is ExitCode.FAILURE


def _find_loss_code(record: Record) -> ExitCode:
    """An instance that found the request to be wrong, such as unusable images, says so itself."""
    failures = [item.failure for item in _lost(record)]
    if failures and all(failure is not None and failure.wrong_request for failure in failures):
        return ExitCode.WRONG_REQUEST
    return ExitCode.FAILURE


def _lost(record: Record) -> list[InstanceRecord]:
    return [item for item in record.instances if item.exit.kind not in {"ok", "stopped"}]


def _check_status(record: Record) -> Iterator[Finding]:
    again = "run it again"
    if record.config.mode is Mode.ACCURACY:
        again = "`r50 run --resume RUN` goes on with it"
    if record.status == "interrupted":
        yield Finding("the run was interrupted before it was complete", again)
    if record.status == "running":
        yield Finding("the run never came to its end: r50 itself was killed", again)


def _check_instances(record: Record) -> Iterator[Finding]:
    """Launched = started = reported."""
    planned, launched = record.planned_instances, len(record.instances)
    started = sum(item.started for item in record.instances)
    count = len(reported(record))
    whole = record.status == "completed" and planned == launched == started == count
    if whole or record.status in {"interrupted", "running"}:
        return
    missing = f" of {planned}" if launched < planned else ""
    yield Finding(f"{launched}{missing} instances launched, {started} started, {count} reported")
    lost = _lost(record)
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


def _check_placement(record: Record) -> Iterator[Finding]:
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
        if len(record.host.nodes) > 1:
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


def _check_amounts(record: Record, kpis: Kpis | None) -> Iterator[Finding]:
    instances = reported(record)
    if record.status != "completed" or len(instances) != len(record.instances):
        return
    if record.evaluation is not None:
        return
    if kpis is None:
        yield Finding(
            "the instances share no time in which all of them measured",
            "measure longer: --min-time or a larger --steps",
        )
        return
    for lane in (lane for item in instances for lane in item.lanes):
        yield from _check_lane(record, lane, kpis.windows[lane.host])


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


def _check_precision(record: Record) -> Iterator[Finding]:
    """What ran is what the label says; an emulated run need only keep to the data type."""
    proof = prove(record)
    if proof is None or record.status != "completed":
        return
    if proof.share is None:
        failures = sorted({item.trace_failure for item in record.instances if item.trace_failure})
        reason = "; ".join(failures) or "oneDNN's trace does not hold the model's convolutions"
        yield Finding(
            f"UNPROVEN: what ran could not be read from the engine: {reason}",
            "look at the trace_*.log files of the run, and at --customer-env",
        )
        return
    meaning = plan_meaning(record.config.precision, record.host.cpu_flags)
    wrong = proof.offenders
    if record.emulated:
        wrong = tuple(item for item in wrong if item.dtype not in meaning.kernel_dtypes)
    if proof.state is ProofState.MISLABELED and wrong:
        kernels = ", ".join(
            f"{kernel.primitive} in {kernel.dtype} on {kernel.isa} ({kernel.time_share:.0%})"
            for kernel in wrong[:3]
        )
        yield Finding(
            f"MISLABELED: {proof.share:.0%} of the convolutions' time was spent in "
            f"{record.config.precision.value}; the rest ran as {kernels}",
            "something excludes the instructions: look at ONEDNN_MAX_CPU_ISA in --customer-env",
        )


def _warn_of_conditions(record: Record, kpis: Kpis | None) -> Iterator[Finding]:
    """What may have swayed the figure."""
    launch = record.launch
    # Sending the word and reading the results cost milliseconds, whatever the length of the run.
    if launch.parent_cpu_ns is not None and (launch.parent_wall_ns or 0) >= _LONG_ENOUGH_NS:
        share = launch.parent_cpu_ns / (launch.parent_wall_ns or 1)
        if share > MAX_PARENT_SHARE:
            yield Finding(f"r50 itself used {share:.1%} of one core while the instances measured")
    yield from warn_of_conditions(record, kpis)
    if record.evaluation is not None:
        yield from warn_of_idle_cores(record, kpis)
    if kpis is None:
        return
    queries = kpis.images // record.workload.batch_size
    if queries < MIN_QUERIES:
        yield Finding(
            f"only {queries} queries were measured: too few to tell a difference by",
            "leave out --steps, or raise it",
        )
    yield from warn_of_idle_cores(record, kpis)


def _warn_of_kind(record: Record) -> Iterator[Finding]:
    """What the figure is not."""
    if record.model is None:
        yield Finding("the null engine computes nothing: this measures r50, not the CPU")
        return
    if record.emulated:
        yield Finding(
            f"EMULATED: this CPU has no instructions for {record.config.precision.value}; slower "
            "ones stood in"
        )
    if record.model.kind == "generated":
        yield Finding(
            "generated weights: speed does not depend on weight values, accuracy does",
            "--model FILE uses a trained graph",
        )
    yield from (Finding(f"the prepared model: {note}") for note in record.model.graph.notes)
    yield from warn_of_model(record)
    if record.config.case_type is CaseType.GATED:
        yield Finding("a gated case: a short check, not a performance figure")
    single_node = len(record.host.nodes) == 1  # with more it is a failed check
    if single_node and any(i.seen and i.seen.memory_policy_error for i in record.instances):
        yield Finding("memory was not bound to its node; on a single-node host that changes little")
