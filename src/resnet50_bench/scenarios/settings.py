"""LoadGen's settings: its defaults, the rules and files asked for, then what was said by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import ConfigError
from resnet50_bench.scenarios.messages import Settled
from resnet50_bench.scenarios.request import (
    GENERATED_SAMPLES,
    LATENCY_BOUND_NS,
    MIN_QUERIES,
    PERFORMANCE_SAMPLES,
    SAMPLES_PER_QUERY,
    LoadgenMode,
    Scenario,
)

if TYPE_CHECKING:
    from resnet50_bench.scenarios.messages import Begin, IssuerJob
    from resnet50_bench.scenarios.request import LoadgenRequest

MODEL = "resnet50"
"""The model's name in LoadGen's files."""

_MIN_TIME_MS = 10_000
_WITH_RULES, _ALONE = 1, 2
"""Whether LoadGen reads a file on top of the rules that are built into it (6.0.17)."""

_PERCENTILE = 0.99


def make_settings(loadgen: Any, job: IssuerJob) -> Any:
    """Return LoadGen's `TestSettings`: the strongest word comes last.

    Args:
        loadgen: the module.
        job: what was asked.
    """
    request = job.request
    settings = loadgen.TestSettings()
    if request.by_conf:
        _read_files(settings, request)
    else:
        _set_defaults(settings, request)
    settings.scenario = getattr(loadgen.TestScenario, request.scenario.value)
    accuracy = request.mode is LoadgenMode.ACCURACY
    modes = loadgen.TestMode
    settings.mode = modes.AccuracyOnly if accuracy else modes.PerformanceOnly
    if request.mlperf_conf is None:  # which has its own
        for name, seed in job.seeds.items():
            setattr(settings, name, seed)
    _set_asked(settings, request)
    return settings


def _read_files(settings: Any, request: LoadgenRequest) -> None:
    """Rules in a file stand in place of those that are built into LoadGen.

    Raises:
        ConfigError: LoadGen cannot read a file.
    """
    files = {"--mlperf-conf": request.mlperf_conf, "--user-conf": request.user_conf}
    kind = _ALONE if request.mlperf_conf is not None else _WITH_RULES
    given = {flag: path for flag, path in files.items() if path is not None}
    problems = []
    for flag, path in (given or {"": os.devnull}).items():
        code = settings.FromConfig(path, MODEL, request.scenario.value, kind)
        if code:
            problems.append(
                f"{flag} {path}: LoadGen cannot read it (code {code}); its lines are like "
                f"`{MODEL}.{request.scenario.value}.min_duration = 600000`"
            )
    if problems:
        raise ConfigError(problems)


def _set_defaults(settings: Any, request: LoadgenRequest) -> None:
    scenario = request.scenario
    settings.min_duration_ms = _MIN_TIME_MS
    settings.min_query_count = MIN_QUERIES[scenario]
    settings.single_stream_target_latency_percentile = 0.9
    settings.multi_stream_target_latency_percentile = _PERCENTILE
    settings.multi_stream_samples_per_query = SAMPLES_PER_QUERY
    settings.server_target_latency_percentile = _PERCENTILE
    settings.server_target_latency_ns = LATENCY_BOUND_NS[Scenario.SERVER]


def _set_asked(settings: Any, request: LoadgenRequest) -> None:
    asked = {
        "min_duration_ms": request.min_time_ms,
        "min_query_count": request.min_queries,
        "server_target_latency_ns": request.latency_bound_ns,
        "multi_stream_samples_per_query": request.samples_per_query,
        "server_target_qps": request.target_qps,
        "offline_expected_qps": request.target_qps,
    }
    for name, value in asked.items():
        if value is not None:
            setattr(settings, name, value)


def settle(settings: Any, job: IssuerJob, version: str) -> Settled:
    """Return the settings that hold.

    Raises:
        ConfigError: they cannot be met with these images.
    """
    request = job.request
    is_server = request.scenario is Scenario.SERVER
    multi = request.scenario is Scenario.MULTI_STREAM
    settled = Settled(
        version=version,
        samples=_choose_samples(settings, job),
        min_time_ms=settings.min_duration_ms,
        min_queries=settings.min_query_count,
        samples_per_query=settings.multi_stream_samples_per_query if multi else 1,
        target_qps=settings.server_target_qps if is_server else None,
        latency_bound_ns=settings.server_target_latency_ns if is_server else None,
    )
    problems = []
    if settled.samples > job.total:
        problems.append(
            f"too few images: {settled.samples:,} are to be in memory, and there are "
            f"{job.total:,}: give a larger --dataset, or fewer --samples"
        )
    if settled.samples < settled.samples_per_query:
        problems.append(
            f"too few images in memory: a query has {settled.samples_per_query} samples, and "
            f"{settled.samples} are held: more --samples, or fewer --samples-per-query"
        )
    if is_server and not (settled.target_qps or 0) > 0:
        problems.append("the target of queries a second is 0: set it with --target-qps")
    if problems:
        raise ConfigError(problems)
    return settled


def _choose_samples(settings: Any, job: IssuerJob) -> int:
    if job.samples is not None:
        return job.samples
    if job.request.by_conf:
        return int(settings.performance_sample_count_override) or job.total
    return min(job.total, GENERATED_SAMPLES if job.real is None else PERFORMANCE_SAMPLES)


def set_expected(settings: Any, begin: Begin, request: LoadgenRequest) -> None:
    """Say what to expect: how much LoadGen prepares to issue follows from it."""
    if request.target_qps is None:
        settings.offline_expected_qps = begin.expected_qps
    settings.single_stream_expected_latency_ns = begin.expected_latency_ns
    settings.multi_stream_expected_latency_ns = begin.expected_latency_ns


def make_log_settings(loadgen: Any, folder: Path) -> Any:
    """Return LoadGen's `LogSettings`: its logs in a folder, and no trace, which grows to gigabytes.

    Args:
        loadgen: the module.
        folder: exists.
    """
    log_settings = loadgen.LogSettings()
    log_settings.enable_trace = False
    log_settings.log_mode_async_poll_interval_ms = 100
    log_settings.log_output.outdir = str(folder)
    log_settings.log_output.copy_summary_to_stdout = False
    return log_settings
