"""What LoadGen said of a run, beside what the instances saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.host.machine import short_list
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.loadgen import Figure, find_reported_ms, is_valid, list_figures
from resnet50_bench.scenarios.request import LoadgenMode, Scenario
from resnet50_bench.verdict.loadgen import describe_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.record import LoadgenRecord, Record

_WORDS = {True: "VALID", False: "INVALID"}


def describe_loadgen(record: Record) -> Iterator[tuple[str, str | Sequence[str]]]:
    """Yield the rows of a run that LoadGen drove: its figures first."""
    loadgen = record.loadgen
    if loadgen is None:
        return
    figures = list_figures(record)
    yield "LoadGen", [_describe_run(loadgen), *_describe_reported(loadgen)]
    if figures:
        yield "Figures", [_describe_figure(figure) for figure in figures]
    bound = describe_bound(record)
    if bound is not None:
        yield "MLPerf's bound", bound
    yield "Batches", _describe_batches(record)
    where = "a core of its own" if loadgen.own_core else "the instances' cores"
    yield "LoadGen's core", f"CPUs {short_list(loadgen.cpus)}: {where}"


def _describe_run(loadgen: LoadgenRecord) -> str:
    request, settled = loadgen.request, loadgen.settled
    valid = is_valid(loadgen.log)
    word = _WORDS[valid] if valid is not None else "ended" if loadgen.ended else "did not end"
    text = f"{request.scenario.value}, {request.mode.value}: {word}, by LoadGen {settled.version}"
    if request.mode is LoadgenMode.PERFORMANCE:
        rules = "MLPerf's rules" if request.by_conf else "not MLPerf's rules"
        text += f"; {rules}: {settled.min_time_ms / 1000:g} s or more"
    return f"{text}, {settled.samples:,} images in memory"


def _describe_reported(loadgen: LoadgenRecord) -> Iterator[str]:
    settled = loadgen.settled
    if loadgen.request.scenario is Scenario.SERVER and settled.latency_bound_ns is not None:
        yield (
            f"target {settled.target_qps:g} queries/s with 99 % within "
            f"{settled.latency_bound_ns / 1e6:g} ms"
        )
    reported = find_reported_ms(loadgen)
    if reported is not None:
        percent = 90 if loadgen.request.scenario is Scenario.SINGLE_STREAM else 99
        yield f"reports {reported:.3f} ms, its cautious estimate of p{percent}"


def _describe_figure(figure: Figure) -> str:
    text = f"{figure.name}: LoadGen {figure.loadgens:.3f} {figure.unit}"
    if figure.ours is None or figure.ratio is None:
        return text
    return f"{text}, ours {figure.ours:.3f}, ours / LoadGen's {figure.ratio:.4f}"


def _describe_batches(record: Record) -> str:
    sizes = [count for item in record.instances for lane in item.lanes for count in lane.images]
    if not sizes:
        return "none was computed"
    mean = sum(sizes) / len(sizes)
    text = f"{len(sizes):,} of {mean:.1f} images on average, at most {max(sizes)}"
    wait_ns = record.loadgen.request.batch_wait_ns if record.loadgen is not None else 0
    return f"{text}; the first of a batch waited {wait_ns / 1e6:g} ms at most" if wait_ns else text


def summarize_loadgen(record: Record) -> dict[str, Any] | None:
    """Return the same as plain JSON types; None of a run that LoadGen did not drive."""
    loadgen = record.loadgen
    if loadgen is None:
        return None
    return {
        "request": msgspec.to_builtins(loadgen.request),
        "settings": msgspec.to_builtins(loadgen.settled),
        "valid": is_valid(loadgen.log),
        "ended": loadgen.ended,
        "failure": loadgen.failure,
        "reported_latency_ms": find_reported_ms(loadgen),
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "loadgen": figure.loadgens,
                "ours": figure.ours,
                "ratio": figure.ratio,
            }
            for figure in list_figures(record)
        ],
        "queries": kpis.latency.queries if (kpis := run_kpis(record)) and kpis.latency else None,
        "accuracy_bound": describe_bound(record),
        "round": loadgen.round,
        "cpus": list(loadgen.cpus),
        "own_core": loadgen.own_core,
    }
