"""Workers -> instance records: what each answered, and how it ended."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING

from resnet50_bench.instance.job import TRACE_BEGIN
from resnet50_bench.interpreter import find_error
from resnet50_bench.results.record import ExitCause, InstanceRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.engines.base import Engine, KernelShare
    from resnet50_bench.launch import Worker


def describe_instances(
    workers: Sequence[Worker], *, oom_killed: bool, stopped: bool
) -> tuple[InstanceRecord, ...]:
    """Return one record per worker; ends those that still run.

    Args:
        workers: finished, lost, or (when `stopped`) still at work.
        oom_killed: the kernel killed a process of this host for want of memory meanwhile.
        stopped: the run is being given up, so workers still at work are ended.
    """
    return tuple(_describe(worker, oom_killed=oom_killed, stopped=stopped) for worker in workers)


def describe_answers(workers: Sequence[Worker]) -> tuple[InstanceRecord, ...]:
    """Return one record per worker that has finished a job and waits for another."""
    return tuple(_describe_seen(worker, ExitCause("ok")) for worker in workers)


def _describe(worker: Worker, *, oom_killed: bool, stopped: bool) -> InstanceRecord:
    alone = stopped and worker.finished is None and not worker.lost and not worker.overdue
    if alone:
        worker.kill()
    status = worker.reap()
    cause = (
        ExitCause("stopped", "ended by r50")
        if alone
        else find_cause(worker, status, oom_killed=oom_killed)
    )
    return _describe_seen(worker, cause)


def _describe_seen(worker: Worker, cause: ExitCause) -> InstanceRecord:
    started, ready, finished = worker.started, worker.ready, worker.finished
    return InstanceRecord(
        slot=worker.job.slot,
        host=worker.host,
        pid=worker.pid,
        started=started is not None,
        reported=finished is not None and cause.kind == "ok",
        exit=cause,
        phase=worker.phase,
        # Another host's clock tells nothing about this one's.
        spawn_ns=started.at_ns - worker.launched_ns if started and not worker.host else None,
        phases=ready.phases if ready else None,
        feed=ready.feed if ready else None,
        warmup_query_ns=ready.warmup_query_ns if ready else (),
        start_ns=finished.start_ns if finished else (),
        end_ns=finished.end_ns if finished else (),
        images=finished.images if finished else (),
        prepare_ns=finished.prepare_ns if finished else (),
        streams=finished.streams if finished else (),
        cpu_ns=finished.cpu_ns if finished else None,
        involuntary_switches=finished.involuntary_switches if finished else None,
        contention=finished.contention if finished else None,
        seen=finished.seen if finished else None,
        resident_bytes=finished.resident_bytes if finished else None,
        peak_resident_bytes=finished.peak_resident_bytes if finished else None,
        proportional_bytes=finished.proportional_bytes if finished else None,
        malloc_library=finished.malloc_library if finished else None,
        cpu_latency_limit_us=finished.cpu_latency_limit_us if finished else None,
        evidence=finished.evidence if finished else None,
        failure=worker.failed,
        log_tail=None if cause.kind == "ok" else worker.read_tail(),
    )


def read_trace(worker: Worker, engine: Engine) -> tuple[tuple[KernelShare, ...], str | None]:
    """Return the kernels of a worker's traced batch, or none and why."""
    if not worker.traced:
        cause = find_cause(worker, worker.reap(), oom_killed=False)
        return (), f"the traced batch failed while {worker.phase}: {cause.kind}: {cause.detail}"
    worker.reap()  # so that its log is whole
    with worker.open_log() as log:
        behind = itertools.dropwhile(lambda line: TRACE_BEGIN not in line, log)
        kernels = engine.parse_trace(behind)
    return kernels, None if kernels else "the trace holds no kernel"


def find_cause(worker: Worker, status: int, *, oom_killed: bool) -> ExitCause:
    """Say how a worker ended.

    Args:
        worker: the worker.
        status: its exit status; negative for a signal.
        oom_killed: see `describe_instances`.
    """
    if worker.overdue:
        return ExitCause("deadline", "no answer in time, so r50 ended it")
    failed = worker.failed
    if failed is not None:
        text = f"{failed.kind}: {failed.message}"
        return ExitCause("out of memory" if failed.out_of_memory else "exception", text)
    if worker.ended_with is not None:
        return ExitCause("stopped", worker.ended_with)
    if status == -signal.SIGKILL and oom_killed:
        return ExitCause("out of memory", "the kernel killed it (SIGKILL) for want of memory")
    return _find_cause_by_status(worker, status)


def _find_cause_by_status(worker: Worker, status: int) -> ExitCause:
    if status < 0:
        return ExitCause("signal", _name_signal(-status))
    if status > 0 or worker.finished is None:
        # One that could not answer for itself has left its error in its log.
        loss = worker.loss or (find_error(worker.read_tail()) if worker.started is None else None)
        return ExitCause("exit code", f"{status}: {loss}" if loss is not None else f"{status}")
    return ExitCause("ok")


def _name_signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"
