"""What may have swayed the figure: other work on the cores, cores that waited, an uneven window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import CaseType, Mode
from resnet50_bench.contention.shares import (
    SLICES,
    Shares,
    Taken,
    Territory,
    compute_increase,
    compute_taken,
)
from resnet50_bench.contention.territory import plan_territories
from resnet50_bench.printable import show_controls
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.kpi import Kpis, Window, reported
from resnet50_bench.scenarios.request import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.contention.samples import Contention, ProcessTime
    from resnet50_bench.results.record import InstanceRecord, Record

MIN_CPU_SHARE = 0.8
MIN_QUERIES = 20
MAX_PARENT_SHARE = 0.01
MAX_VARIATION = 0.1
MIN_DRIFT = 0.01
"""Of the mean, over the window: less sways no figure by more than its other digits."""

TELL_SHARE = 0.03
"""Of an instance's CPU time in other hands: above it there is a warning. A quiet guest showed at
most 1.4 %, one busy process on one of two cores 50 % (docs/trust.md)."""

TELL_TENTH_SHARE = 0.1
"""The same in one tenth of the window: what came and went."""

REFUSE_SHARE = 0.1
"""Of an instance's CPU time with other processes, on its CPUs or the other threads of its cores."""

REFUSE_CPU = 0.25
"""Of one CPU with one process: the threads of an instance wait for the slowest of them, so on many
cores a process is in the way long before its share of them all is large."""

REFUSE_STEAL_SHARE = 0.25
"""Of an instance's CPU time that the virtual machine did not get: common, in small parts, on shared
hosts, and nothing that its user can stop."""

MAX_FREQUENCY_DROP = 0.15
_SHOWN = 3
_LONG_ENOUGH_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceTaken:
    """What was taken from one instance, and what its host's counters were.

    Attributes:
        item: the instance.
        taken: the shares.
        contention: where they come from.
        window: over which.
    """

    item: InstanceRecord
    taken: Taken
    contention: Contention
    window: Window


def list_taken(record: Record, kpis: Kpis | None) -> list[InstanceTaken]:
    """Return what was taken from each instance that was watched, in their order.

    Instances on this host are watched by r50, those on others by themselves.
    """
    if record.status != "completed":
        return []
    territories = plan_territories(
        record.host.cores, [item.slot.cpus for item in record.instances if item.host is None]
    )
    found = []
    for place, item in enumerate(record.instances):
        contention, territory = record.contention, Territory(index=0, cpus=item.slot.cpus)
        if contention is None:
            contention = item.contention
        else:
            territory = territories[place]
        if contention is None or not contention.samples:
            continue
        window = _find_window(kpis, item, contention)
        taken = compute_taken(contention, territory, window.begin_ns, window.end_ns)
        if taken is not None:
            found.append(
                InstanceTaken(item=item, taken=taken, contention=contention, window=window)
            )
    return found


def check_contention(record: Record, found: Sequence[InstanceTaken]) -> Iterator[Finding]:
    """What makes a figure of speed invalid because others had the cores.

    Args:
        record: of the run.
        found: by `list_taken`.
    """
    if _is_told_only(record):
        return
    worst = find_worst(found)
    if worst is not None and _is_refused(worst):
        yield _describe(worst)


def warn_of_conditions(
    record: Record, kpis: Kpis | None, taken: Sequence[InstanceTaken]
) -> Iterator[Finding]:
    """What may have swayed the figure.

    Args:
        record: of the run.
        kpis: of it.
        taken: by `list_taken`.
    """
    yield from _warn_of_parent(record)
    yield from _warn_of_others(record, kpis, taken)
    if kpis is not None:
        yield from _warn_of_few_queries(kpis)
        yield from _warn_of_warm_up(record, kpis)
        yield from _warn_of_drift(kpis)
    if kpis is not None or record.evaluation is not None:
        yield from _warn_of_idle_cores(record, taken)


def _warn_of_parent(record: Record) -> Iterator[Finding]:
    launch = record.launch
    # Sending the word and reading the results cost milliseconds, whatever the length of the run.
    if launch.parent_cpu_ns is not None and (launch.parent_wall_ns or 0) >= _LONG_ENOUGH_NS:
        share = launch.parent_cpu_ns / (launch.parent_wall_ns or 1)
        if share > MAX_PARENT_SHARE:
            yield Finding(f"r50 itself used {share:.1%} of one core while the instances measured")


def _warn_of_warm_up(record: Record, kpis: Kpis) -> Iterator[Finding]:
    """What was left out of the window because it was not yet steady."""
    if not kpis.warm_ups:
        return
    longest = max(kpis.warm_ups, key=lambda item: item.seconds)
    others = f" ({len(kpis.warm_ups)} of {kpis.lanes} were)" if kpis.lanes > 1 else ""
    steps = record.workload.warmup_steps + max(item.queries for item in kpis.warm_ups)
    first = "its first query" if longest.queries == 1 else f"its first {longest.queries} queries"
    yield Finding(
        f"{longest.name} was still warming up in {first}{others}: the window begins "
        f"{longest.seconds:.1f} s later, behind that",
        f"--warmup-steps {steps} has it before the measurement",
    )


def _warn_of_drift(kpis: Kpis) -> Iterator[Finding]:
    """A rate that had no steady state: the interval is that of its mean, not of its future."""
    interval = kpis.throughput_interval
    if interval is None or abs(interval.drift) < MIN_DRIFT * interval.mean:
        return
    change = interval.drift / interval.mean
    yield Finding(
        f"not steady: images per second {'rose' if change > 0 else 'fell'} by {abs(change):.1%} in "
        "the course of the window; the interval is that of their mean in this window",
        "measure longer (--min-time), and see whether the CPU heats up or others end their work",
    )


def _warn_of_few_queries(kpis: Kpis) -> Iterator[Finding]:
    if kpis.queries < MIN_QUERIES:
        yield Finding(
            f"only {kpis.queries} queries were measured: too few to tell a difference by",
            "leave out --steps, or raise it",
        )


def _warn_of_others(
    record: Record, kpis: Kpis | None, found: Sequence[InstanceTaken]
) -> Iterator[Finding]:
    """What a reader of the figure should know of the time it was measured in."""
    if record.launch.cpu_lock_failure is not None:
        yield Finding(
            f"the CPUs were not locked against other runs: {record.launch.cpu_lock_failure}",
            "R50_LOCK_DIR names a folder for the lock that every user may write to",
        )
    worst = find_worst(found)
    is_taken = worst is not None and _is_told(worst)
    if worst is not None and is_taken and (_is_told_only(record) or not _is_refused(worst)):
        yield _describe(worst)
    yield from _warn_of_clocks(found)
    if kpis is not None and kpis.spread is not None and kpis.spread.variation > MAX_VARIATION:
        watched = worst is not None
        longer = "measure longer: --min-time 60"
        advice = longer if watched else f"look for other load on this machine, or {longer}"
        yield Finding(
            f"unstable: images per second varied by {kpis.spread.variation:.0%} within the window",
            None if is_taken else advice,
        )


def _warn_of_idle_cores(record: Record, found: Sequence[InstanceTaken]) -> Iterator[Finding]:
    """Cores that waited; where others had them that is the reason, and it has been told."""
    if record.model is None:  # an engine that computes nothing
        return
    if record.loadgen is not None and record.loadgen.request.scenario is not Scenario.OFFLINE:
        return  # whose instances wait for queries
    taken = {item.item.slot.instance: item for item in found}
    for item in reported(record):
        busy = (item.cpu_ns or 0) / (item.span_ns or 1) / item.slot.threads
        others = taken.get(item.slot.instance)
        if busy < MIN_CPU_SHARE and not (others is not None and _is_told(others)):
            yield Finding(
                f"instance {item.slot.instance} kept its {item.slot.threads} threads busy for "
                f"{busy:.0%} of the time",
                _advise_on_idle_cores(record, item.slot.threads),
            )


def _find_window(kpis: Kpis | None, item: InstanceRecord, contention: Contention) -> Window:
    if kpis is not None and item.host in kpis.windows:
        return kpis.windows[item.host]
    return Window(contention.samples[0].at_ns, contention.samples[-1].at_ns)


def _is_told_only(record: Record) -> bool:
    """Whether the result is no figure of speed, or its user accepts what others did to it."""
    config = record.config
    no_speed = config.mode is Mode.ACCURACY or config.case_type is CaseType.GATED
    return no_speed or record.model is None or config.accept_noise


def find_worst(found: Sequence[InstanceTaken]) -> InstanceTaken | None:
    """Return the instance that lost most, one that makes the result invalid before all others."""
    return max(found, key=lambda item: (_is_refused(item), item.taken.window.total), default=None)


def _is_refused(item: InstanceTaken) -> bool:
    shares, spare = item.taken.window, item.taken.resolution
    processes = shares.processes + shares.siblings - spare
    if processes > REFUSE_SHARE or shares.steal - spare > REFUSE_STEAL_SHARE:
        return True
    suspects = list_suspects(item)
    one = max((find_cpu_share(item, process) for process in suspects), default=0.0)
    return one > REFUSE_CPU and processes * len(item.item.slot.cpus) > REFUSE_CPU


def _is_told(item: InstanceTaken) -> bool:
    taken = item.taken
    worst = max(shares.total for shares in taken.tenths)
    return (
        _is_refused(item)
        or taken.window.total - taken.resolution > TELL_SHARE
        or worst - SLICES * taken.resolution > TELL_TENTH_SHARE
    )


def list_suspects(item: InstanceTaken) -> list[ProcessTime]:
    """Return the processes seen on the CPUs that were watched."""
    watched = set(item.contention.cpus)
    return [process for process in item.contention.processes if watched & set(process.cpus)]


def find_cpu_share(item: InstanceTaken, process: ProcessTime) -> float:
    """Return what a process used, of one CPU, over the time of the samples."""
    samples = item.contention.samples
    seconds = (samples[-1].at_ns - samples[0].at_ns) / 1e9
    return process.cpu_ticks / item.contention.ticks_per_s / seconds


def _describe(item: InstanceTaken) -> Finding:
    slot, shares = item.item.slot, item.taken.window
    host = f" on {item.item.host}" if item.item.host is not None else ""
    parts = describe_parts(shares)
    message = (
        f"other work took {shares.total:.0%} of the time of instance {slot.instance}'s "
        f"{len(slot.cpus)} CPU{'s' * (len(slot.cpus) > 1)}{host} (up to "
        f"{max(tenth.total for tenth in item.taken.tenths):.0%} in a tenth of the window): {parts}"
    )
    if max(shares.processes + shares.siblings, shares.steal, shares.interrupts) == shares.steal:
        return Finding(
            message,
            "the host of this virtual machine had other work for its CPUs: run it again at another "
            "time, or on CPUs that are not shared",
        )
    suspects = _name_suspects(item)
    if suspects:
        return Finding(
            f"{message}; {suspects}",
            "end that work, or keep it off these CPUs, and run it again; --accept-noise takes the "
            "result as it is",
        )
    return Finding(
        f"{message}; by nothing that can be seen from here",
        "look outside this container, or for processes that come and go; --accept-noise takes the "
        "result as it is",
    )


def describe_parts(shares: Shares) -> str:
    """Return what the time went into, the largest part first."""
    parts = {
        "processes": shares.processes,
        "the cores' other hardware threads": shares.siblings,
        "interrupts": shares.interrupts,
        "stolen by the host of this virtual machine": shares.steal,
    }
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return ", ".join(f"{name} {share:.1%}" for name, share in ordered if share >= 0.0005) or "none"


def _name_suspects(item: InstanceTaken) -> str:
    named = [
        f"{show_controls(process.name)} (pid {process.pid}) {find_cpu_share(item, process):.0%}"
        for process in list_suspects(item)
        if find_cpu_share(item, process) >= 0.01
    ][:_SHOWN]
    return f"seen on them, in parts of one CPU: {', '.join(named)}" if named else ""


def _warn_of_clocks(found: Sequence[InstanceTaken]) -> Iterator[Finding]:
    """CPUs that were slowed down: by heat, by a quota, or by a lower frequency."""
    for item in found[:1]:
        samples, window = item.contention.samples, item.window
        heat = compute_increase(
            item.contention, window.begin_ns, window.end_ns, lambda s: s.heat_stops or 0
        )
        if heat >= 1:
            yield Finding(
                f"the CPUs slowed down because of heat {heat:.0f} times within the window",
                "look after the cooling, and measure longer: --min-time 120",
            )
        held_ns = compute_increase(
            item.contention, window.begin_ns, window.end_ns, lambda s: s.throttled_ns or 0
        )
        if held_ns / 1e9 > TELL_SHARE * window.seconds:
            yield Finding(
                f"the CPU quota of this container held processes back for {held_ns / 1e9:.1f} s",
                "raise the quota, or use fewer cores: --instances or --cores-per-instance",
            )
        speeds = [max(s.khz) for s in samples if s.khz]
        if speeds and min(speeds) < (1 - MAX_FREQUENCY_DROP) * max(speeds):
            yield Finding(
                f"the CPUs' frequency went from {max(speeds) / 1e6:.2f} down to "
                f"{min(speeds) / 1e6:.2f} GHz while the instances measured",
                "look at governor, power limits and cooling, and measure longer: --min-time 120",
            )


def _advise_on_idle_cores(record: Record, threads: int) -> str:
    ways = ["fewer cores for each instance (--cores-per-instance)"]
    config = record.config
    if config.mode is not Mode.LATENCY:
        ways.append("a larger --batch-size")
        shared = config.mode is Mode.THROUGHPUT and not config.weight_sharing
        if shared and not config.engine_options and record.workload.batch_size >= threads:
            ways.append(f"a caller for each core (--engine-option callers={threads})")
    elif config.cpu_latency_limit_us is None:
        ways.append("idle cores kept awake (--cpu-latency-limit 0)")
    return f"try {' or '.join(ways)}"
