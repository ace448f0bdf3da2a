"""The same model in several engines: what is measured of each, and what came of it.

Of each engine there are two runs a round: the one that was asked for, and one query of one image at
a time on the cores of one of its instances. In latency mode the second alone is made.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.engines import ENGINES, load_engine
from resnet50_bench.engines.callers import CALLERS_OPTION
from resnet50_bench.errors import ConfigError, RequestError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.results.kpi import reported, run_kpis
from resnet50_bench.results.limit import compute_limit
from resnet50_bench.search.grid import ALL, Candidate
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.results.record import InstanceRecord, Record

ROUNDS = 3
"""The fewest of which the median is no accident of one of them."""

_SHORT = {Mode.THROUGHPUT: (5, 5.0, 3), Mode.LATENCY: (50, 5.0, 10)}
"""Steps, seconds and warm-up steps: a run is short, and rounds make up for it."""

_NS = 1e9
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """What one valid run of an engine tells; None where it does not.

    Attributes:
        images_per_s: its throughput.
        latency_ms: the median time of a query of one image, one at a time.
        limit_share: of what the cores can do at most, 0..1.
        memory_bytes: resident in all of its instances together, warm.
        start_s: from the launch of an instance until it is warm; of the slowest.
    """

    images_per_s: float | None = None
    latency_ms: float | None = None
    limit_share: float | None = None
    memory_bytes: float | None = None
    start_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRow:
    """What is known of an engine.

    Attributes:
        engine: its name.
        runtime: its name and version; None where it was not measured.
        figures: medians of the valid runs.
        rounds: how many valid runs the throughput is of; in latency mode, the latency.
        same_class, probe_images: to how many of how many held-out images it gives the class that
            float32 gives; None where that is not known.
        reason: why there are no figures, or not all; None where there are.
        runs: names of the folders of all its runs.
    """

    engine: str
    runtime: str | None = None
    figures: EngineFigures = EngineFigures()
    rounds: int = 0
    same_class: int | None = None
    probe_images: int | None = None
    reason: str | None = None
    runs: tuple[str, ...] = ()


def list_engines(text: str) -> tuple[str, ...]:
    """Return the engines of `all` or of a list with commas; TensorFlow's own first.

    Raises:
        ConfigError: there is no engine of a name, or no name.
    """
    computing = [name for name in ENGINES if load_engine(name).needs_model]
    if text.strip().lower() == ALL:
        return tuple(computing)
    names = dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip())
    unknown = [name for name in names if name not in ENGINES]
    if unknown:
        raise ConfigError(
            [f"--engine {name}: there is no such engine; there are {', '.join(ENGINES)}"
             for name in unknown]
        )  # fmt: skip
    if not names:
        raise ConfigError([f"--engine {text}: it names no engine; there are {', '.join(ENGINES)}"])
    return tuple(names)


def plan_candidates(config: RunConfig, cores: int) -> tuple[Candidate, ...]:
    """Return what is measured of an engine in each round.

    Args:
        config: what was asked, of that engine.
        cores: of an instance of it.

    Raises:
        RequestError: accuracy is asked for, which is no matter of speed.
    """
    if config.mode is Mode.ACCURACY:
        raise RequestError(
            "--engine with several names compares speeds, and --mode accuracy asks for none",
            "name one engine; `r50 accuracy compare` puts two runs beside each other",
        )
    alone = replace(
        config,
        mode=Mode.LATENCY,
        batch_size=1,
        instances=1,
        cores_per_instance=cores,
        weight_sharing=False,
        engine_options={
            name: text for name, text in config.engine_options.items() if name != CALLERS_OPTION
        },
    )
    configs = [alone] if config.mode is Mode.LATENCY else [config, alone]
    return tuple(
        Candidate(
            (Setting("ENGINE", item.engine, "--engine"), Setting("MODE", item.mode.value, "")),
            _shorten(item),
        )
        for item in configs
    )


def _shorten(config: RunConfig) -> RunConfig:
    """Bound the time of a run where nobody did."""
    steps, seconds, warmup = _SHORT[config.mode]
    if config.steps is None and config.min_time_s is None:
        config = replace(config, steps=steps, min_time_s=seconds)
    return config if config.warmup_steps is not None else replace(config, warmup_steps=warmup)


def summarize_engine(engine: str, records: Sequence[Record], reason: str | None) -> EngineRow:
    """Return what the runs of an engine tell.

    Args:
        engine: its name.
        records: of its runs.
        reason: why it has none, or an error kept one of them from being made.
    """
    valid = [record for record in records if judge(record).valid]
    invalid = next((record for record in records if not judge(record).valid), None)
    if reason is None and invalid is not None:
        # The run's own result tells it all.
        reason = f"INVALID: {judge(invalid).failures[0].message.partition(' (')[0]}"
    rated = [item for item in valid if item.config.mode is Mode.THROUGHPUT]
    alone = [item for item in valid if item.config.mode is Mode.LATENCY]
    manifest = records[0].model if records else None
    figures = [_read_figures(item) for item in valid]
    return EngineRow(
        engine=engine,
        runtime=next((name for record in records for name in record.runtimes), None),
        figures=EngineFigures(
            images_per_s=_find_median([item.images_per_s for item in figures]),
            latency_ms=_find_median([item.latency_ms for item in figures]),
            limit_share=_find_median([item.limit_share for item in figures]),
            memory_bytes=_find_median([item.memory_bytes for item in figures]),
            start_s=_find_median([item.start_s for item in figures]),
        ),
        rounds=len(rated or alone),
        same_class=manifest.agreement.same_class if manifest is not None else None,
        probe_images=manifest.agreement.images if manifest is not None else None,
        reason=reason,
        runs=tuple(item.run_id for item in records),
    )


def _read_figures(record: Record) -> EngineFigures:
    """A run in latency mode tells of latency alone: its throughput is that of one query."""
    kpis = run_kpis(record)
    if kpis is None:
        return EngineFigures()
    if record.config.mode is Mode.LATENCY:
        p50_ns = kpis.latency.percentiles.get(50.0) if kpis.latency is not None else None
        return EngineFigures(latency_ms=None if p50_ns is None else p50_ns / _NS_PER_MS)
    limit = compute_limit(record, kpis)
    instances = reported(record)
    memory = [item.resident_bytes for item in instances if item.resident_bytes is not None]
    starts = [found for item in instances if (found := _measure_start_s(item)) is not None]
    return EngineFigures(
        images_per_s=kpis.images_per_s,
        limit_share=None if limit is None else limit.share,
        memory_bytes=sum(memory) or None,
        start_s=max(starts, default=None),
    )


def _measure_start_s(item: InstanceRecord) -> float | None:
    if item.phases is None:
        return None
    phases = item.phases
    return ((item.spawn_ns or 0) + phases.load_ns + phases.feed_ns + phases.warmup_ns) / _NS


def _find_median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
