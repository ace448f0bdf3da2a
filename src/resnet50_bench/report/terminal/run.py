"""The result as a person reads it on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import DataType, Mode
from resnet50_bench.engines.tensorflow import find_unfused
from resnet50_bench.host.allocators import name_allocator
from resnet50_bench.host.machine import format_cpu_list, short_list
from resnet50_bench.planning.model import describe_model
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.report.styled import Line
from resnet50_bench.report.terminal.accuracy import describe_accuracy, describe_evaluated
from resnet50_bench.report.terminal.contention import describe_contention
from resnet50_bench.report.terminal.efficiency import describe_efficiency
from resnet50_bench.report.terminal.loadgen import describe_loadgen
from resnet50_bench.report.terminal.model import describe_answers
from resnet50_bench.report.terminal.placement_map import render_placement
from resnet50_bench.report.terminal.shape import describe_shape
from resnet50_bench.report.terminal.sharing import describe_shared_memory
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.kpi import Kpis, Latency, reported, run_kpis, survivors_kpis
from resnet50_bench.results.limit import DEFINITION, compute_limit
from resnet50_bench.verdict.instances import LOST_INSTANCES_LINE, has_lost_instances
from resnet50_bench.verdict.judge import Verdict, judge
from resnet50_bench.verdict.precision import merge_kernels, prove

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from resnet50_bench.instance.job import Phases
    from resnet50_bench.results.record import InstanceRecord, Record
    from resnet50_bench.stats.intervals import MeanInterval

_GIB = 1024**3
_SHOWN_TAIL_LINES = 12
_SHOWN_ORDERS = 4

Row = tuple[str, "str | Sequence[str]"]
"""A name and what stands behind it: one line, or several."""


def print_result(console: Console, record: Record, folder: Path, *, verbose: bool = False) -> None:
    """Print a run's result: the KPI first, the verdict last."""
    print_rows(console, [*list_result_rows(record, verbose=verbose), ("Record", str(folder))])
    verdict = judge(record)
    for item in _lost_with_output(record):
        console.print(Line(f"last output of instance {item.slot.instance}:", style="bold"))
        for line in (item.log_tail or "").splitlines()[-_SHOWN_TAIL_LINES:]:
            console.print(Line(f"  {line.expandtabs()}", style="dim"))
    _print_verdict(console, verdict, record)


def print_rows(console: Console, rows: Sequence[Row]) -> None:
    """Print named rows; further lines of a row stand below its first."""
    width = max(len(name) for name, _ in rows) + 2
    for name, text in rows:
        first, *rest = [text] if isinstance(text, str) else text or [""]
        console.print(Line(name.ljust(width), style="bold").add(first, "not bold"))
        for line in rest:
            console.print(Line(" " * width + line))


def list_result_rows(record: Record, *, verbose: bool) -> Iterator[Row]:
    """Yield what there is to say of a run, the KPI first; the verdict stands apart."""
    kpis = run_kpis(record)
    yield from describe_loadgen(record)
    yield from describe_accuracy(record)
    if kpis is not None:
        yield from _describe_kpis(record, kpis)
        yield from describe_efficiency(record, kpis)
    else:
        survivors = survivors_kpis(record)
        if survivors is not None:
            yield (
                "Subtotal",
                (
                    f"{survivors.images_per_s:.2f} images/s by the {survivors.instances} of "
                    f"{len(record.instances)} instances that survived; this is not the KPI"
                ),
            )
    yield "CPU", _describe_cpus(record)
    if record.model is not None:
        yield "Model", describe_model(record.model)
        if record.model.conversion is not None:
            yield "Answers", describe_answers(record.model.conversion)
    yield "Engine", record.runtime
    yield from _describe_order(record)
    yield from _describe_precision(record)
    yield from describe_unfused(find_unfused(record.fused_ops))
    yield "Images", _describe_images(record)
    yield "Placement", _describe_placements(record)
    yield from describe_contention(record, kpis)
    yield from _describe_instances(record)
    if verbose:
        yield from _describe_details(record)


def _describe_cpus(record: Record) -> str | list[str]:
    """The CPU; where hosts have different ones, which have which."""
    names: dict[str, list[str]] = {}
    for name in record.launch.hosts:
        names.setdefault(record.find_host(name).cpu_model, []).append(name)
    if len(names) < 2:
        return record.host.cpu_model
    return [f"{', '.join(hosts)}: {model}" for model, hosts in names.items()]


def _describe_placements(record: Record) -> list[str]:
    """The map of the host, or of each kind of host, with the numbers its instances have in the run.

    A map counts the instances of its own host, from 0.
    """
    names: dict[tuple[str, ...], list[str]] = {}
    first = 0
    for name, placement in zip(record.launch.hosts, record.placements):
        lines = render_placement(record.find_host(name), placement)
        numbers = format_cpu_list(tuple(range(first, first + len(placement.slots))))
        names.setdefault(tuple(lines), []).append(f"{name} (instances {numbers})")
        first += len(placement.slots)
    if not names:
        return render_placement(record.host, record.placement)
    if len(names) == 1:
        return [f"on each of {', '.join(record.launch.hosts)}:", *next(iter(names))]
    return [line for lines, hosts in names.items() for line in (f"on {', '.join(hosts)}:", *lines)]


def _describe_kpis(record: Record, kpis: Kpis) -> Iterator[Row]:
    rows: list[Row] = [("Throughput", _describe_throughput(kpis))]
    if kpis.throughput_interval is not None:
        rows.append(("Interval", _describe_interval(kpis.throughput_interval)))
    if kpis.latency is not None:
        place = 0 if record.config.mode is Mode.LATENCY else len(rows)
        rows.insert(place, ("Latency", _describe_latency(kpis.latency)))
    yield from rows
    yield from describe_shape(record, kpis)
    yield from _describe_limit(record, kpis)
    if record.launch.hosts:
        rates = [f"{host}: {rate:.2f} images/s" for host, rate in kpis.by_host.items()]
        yield "Hosts", [*rates, "throughput is their sum, each over its own window"]
    if record.loadgen is not None:  # whose queries are not of one size
        return
    on_hosts = f" (the shortest of {len(kpis.windows)} hosts)" if record.launch.hosts else ""
    yield (
        "Window",
        (
            f"{kpis.window.seconds:.1f} s{on_hosts} common to {_describe_lanes(kpis)}: "
            f"{kpis.queries} queries of {_count(record.workload.batch_size, 'image')}"
        ),
    )


def _describe_limit(record: Record, kpis: Kpis) -> Iterator[Row]:
    limit = compute_limit(record, kpis)
    if limit is not None:
        rate = f"{limit.operations_per_s / 1e9:.0f} G operations/s in {limit.kernel.title}"
        yield (
            "Limit",
            [
                f"{limit.share:.1%} of this machine's limit of {limit.limit_images_per_s:.2f} "
                f"images/s: {rate}, measured on CPUs {short_list(limit.cpus)}",
                f"({DEFINITION})",
            ],
        )


def _describe_lanes(kpis: Kpis) -> str:
    instances = _count(kpis.instances, "instance")
    return instances if kpis.lanes == kpis.instances else f"{kpis.lanes} streams of {instances}"


def _describe_throughput(kpis: Kpis) -> str:
    text = f"{kpis.images_per_s:.2f} images/s"
    if kpis.spread is not None:
        spread = kpis.spread
        text += (
            f"   (tenths of the window: {spread.low:.2f} .. {spread.high:.2f}, "
            f"variation {spread.variation:.1%})"
        )
    return text


def _describe_interval(interval: MeanInterval) -> str:
    """How well the throughput is known."""
    return (
        f"95 %: {interval.low:.2f} .. {interval.high:.2f} images/s, +-{interval.relative:.1%} "
        f"(as from {interval.effective:.0f} independent values)"
    )


def _describe_latency(latency: Latency) -> str:
    parts = [f"mean {latency.mean_ns / 1e6:.2f} ms"]
    parts += [f"p{percent:g} {value / 1e6:.2f}" for percent, value in latency.percentiles.items()]
    parts += [f"min {latency.min_ns / 1e6:.2f}", f"max {latency.max_ns / 1e6:.2f}"]
    return ", ".join(parts)


def _describe_order(record: Record) -> Iterator[Row]:
    """In which order layers are computed, where the engine has chosen it; by instance if unlike."""
    orders: dict[str, list[int]] = {}
    for item in record.instances:
        if item.evidence is not None and item.evidence.order is not None:
            orders.setdefault(item.evidence.order, []).append(item.slot.instance)
    if len(orders) == 1:
        yield "Order", next(iter(orders))
    elif orders:
        shown = [
            f"instance{'s' * (len(each) > 1)} {short_list(tuple(each))}: {order}"
            for order, each in list(orders.items())[:_SHOWN_ORDERS]
        ]
        more = len(orders) - len(shown)
        yield "Order", [*shown, *([f"and {more} more: record.json has all"] if more else [])]


def _describe_precision(record: Record) -> Iterator[Row]:
    proof = prove(record)
    if proof is None:
        return
    meaning = plan_meaning(record.config.precision, record.host.cpu_flags)
    state = "EMULATED" if record.emulated else proof.state.value
    text = f"{record.config.precision.value} {state}"
    if proof.share is not None:
        text += f": {proof.share:.1%} of convolution time in {meaning.dtype} on {meaning.isa}"
    yield "Precision", text


def describe_unfused(unfused: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """What is computed outside of the convolutions and could be inside, see `find_unfused`."""
    if unfused:
        names = ", ".join(f"{count} x {name}" for name, count in unfused.items())
        yield "Not fused", f"{names}: operations of their own, in each query"


def _describe_images(record: Record) -> str | Sequence[str]:
    if record.evaluation is not None:
        return describe_evaluated(record, record.evaluation)
    feeds = [item.feed for item in record.instances if item.feed is not None]
    if not feeds:
        return f"{record.config.data_type.value}"
    images = sum(feed.images for feed in feeds)
    when = "decoded and preprocessed before the window, so decoding is not in the figure"
    if record.config.data_type is DataType.DUMMY or record.dataset is None:
        return f"{images} distinct generated images in memory before the window"
    skipped = [(item.name, item.reason) for feed in feeds for item in feed.skipped]
    skipped += record.dataset.skipped
    text = f"{images} of {record.dataset.images} files of the {record.dataset.description}, {when}"
    notes = sorted({note for feed in feeds for note in feed.notes})
    if skipped:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        notes.insert(0, f"{_count(len(skipped), 'file')} skipped ({reasons}{more})")
    return [text, *notes]


def _describe_instances(record: Record) -> Iterator[Row]:
    instances = reported(record)
    peaks = [item.peak_resident_bytes for item in instances if item.peak_resident_bytes]
    resident = [item.resident_bytes for item in instances if item.resident_bytes]
    if peaks and resident:
        yield (
            "Memory",
            (
                f"{max(resident) / _GIB:.2f} GiB resident in a warm instance, "
                f"{max(peaks) / _GIB:.2f} GiB at its peak"
            ),
        )
    yield from describe_shared_memory(instances)
    yield from _describe_allocator(instances)
    yield from _describe_wake_up(record, instances)
    starts = [(item, item.phases) for item in instances if item.phases is not None]
    if starts:
        yield "Start", _describe_start(*max(starts, key=lambda start: _start_ns(*start)))


def _describe_allocator(instances: Sequence[InstanceRecord]) -> Iterator[Row]:
    """Whose malloc was at work, where it was not the C library's."""
    paths = sorted({item.malloc_library for item in instances if item.malloc_library})
    named = [(name_allocator(path), path) for path in paths]
    rows = [f"{allocator.value}: malloc of {path}" for allocator, path in named if allocator]
    if rows:
        yield "Allocator", rows


def _describe_wake_up(record: Record, instances: Sequence[InstanceRecord]) -> Iterator[Row]:
    """How long idle CPUs might take to wake; where that is in every query, what to do about it."""
    limits = (item.cpu_latency_limit_us for item in instances)
    seen = sorted({limit for limit in limits if limit is not None})
    if seen:
        yield "Wake-up", f"idle CPUs of the machine held to {', '.join(map(str, seen))} us"
    elif record.config.mode is Mode.LATENCY and any(item.slot.threads > 1 for item in instances):
        yield (
            "Wake-up",
            "idle CPUs sleep as the kernel decides; --cpu-latency-limit 0 keeps them awake",
        )


def _describe_start(item: InstanceRecord, phases: Phases) -> str:
    parts = [
        ("process", item.spawn_ns or 0),
        ("load", phases.load_ns),
        ("images", phases.feed_ns),
        ("warm-up", phases.warmup_ns),
    ]
    return ", ".join(f"{name} {time_ns / 1e9:.1f} s" for name, time_ns in parts)


def _start_ns(item: InstanceRecord, phases: Phases) -> int:
    return (item.spawn_ns or 0) + phases.load_ns + phases.feed_ns + phases.warmup_ns


def _describe_details(record: Record) -> Iterator[Row]:
    yield (
        "Environment",
        [f"{k}={v}" for k, v in sorted(record.launch.environment.items())] or "none set",
    )
    kernels = merge_kernels([item.kernels for item in record.instances if item.kernels])
    if kernels:
        rows = [
            f"{kernel.time_share:6.1%}  {kernel.calls:3d} x {kernel.primitive} {kernel.dtype} "
            f"{kernel.isa}"
            for kernel in kernels
        ]
        yield "Kernels", rows
    if record.fused_ops:
        rows = [f"{count:3d} x {name}" for name, count in record.fused_ops.items()]
        yield "Executed ops", rows
    launch = record.launch
    if launch.parent_cpu_ns is not None and launch.parent_wall_ns:
        share = launch.parent_cpu_ns / launch.parent_wall_ns
        yield "r50 itself", f"{share:.2%} of one core while the instances measured"
    for item in record.instances:
        if item.phases is not None:
            measured = f"measured {item.span_ns / 1e9:.1f} s"
            yield (
                f"Instance {item.slot.instance}",
                f"{_describe_start(item, item.phases)}, {measured}",
            )
        for skipped in item.feed.skipped if item.feed else ():
            yield "Skipped", f"{skipped.name}: {skipped.reason}"


def _lost_with_output(record: Record) -> list[InstanceRecord]:
    lost = [item for item in record.instances if item.exit.kind not in {"ok", "stopped"}]
    return [item for item in lost if item.log_tail]


def _print_verdict(console: Console, verdict: Verdict, record: Record) -> None:
    for warning in verdict.warnings:
        _print_finding(console, "warning: ", "yellow", warning)
    if verdict.valid:
        mark = " (EMULATED)" if record.emulated else ""
        console.print(Line(f"VALID{mark}", style="bold green"))
        return
    if has_lost_instances(record):
        console.print(Line(LOST_INSTANCES_LINE, style="bold red"))
    console.print(Line("INVALID", style="bold white on red"))
    for failure in verdict.failures:
        _print_finding(console, "failed: ", "red", failure)


def _print_finding(console: Console, label: str, style: str, finding: Finding) -> None:
    console.print(Line(label, style=style).add(finding.message, style="default"))
    if finding.advice is not None:
        console.print(Line(f"  -> {finding.advice}"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
