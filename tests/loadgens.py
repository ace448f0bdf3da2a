"""Builds what LoadGen said of runs that never happened, in the form of LoadGen 6.0.17's own logs."""

from __future__ import annotations

import json
from typing import Any

from resnet50_bench.results.record import LoadgenRecord
from resnet50_bench.scenarios.logs import LoadgenLog, Value
from resnet50_bench.scenarios.messages import Settled
from resnet50_bench.scenarios.request import LoadgenRequest, Scenario
from resnet50_bench.scenarios.rounds import read_rounds

VALUES: dict[Scenario, dict[str, Value]] = {
    Scenario.OFFLINE: {
        "effective_min_sample_count": 84_480,
        "result_samples_per_second": 126.5,
        "result_50.00_percentile_latency_ns": 300_000_000_000,
    },
    Scenario.SINGLE_STREAM: {
        "early_stopping_latency_ss": 505_000_000,
        "result_50.00_percentile_latency_ns": 501_000_000,
        "result_90.00_percentile_latency_ns": 502_000_000,
    },
    Scenario.MULTI_STREAM: {
        "effective_samples_per_query": 8,
        "early_stopping_latency_ms": 75_000_000,
        "result_99.00_percentile_per_query_latency_ns": 70_000_000,
    },
    Scenario.SERVER: {
        "result_completed_samples_per_sec": 99.5,
        "result_99.00_percentile_latency_ns": 14_000_000,
    },
}


def make_log(scenario: Scenario, **changes: Value) -> LoadgenLog:
    """A valid run of 600 s by the rules."""
    values: dict[str, Value] = {
        "result_validity": "VALID",
        "result_min_duration_met": True,
        "result_min_queries_met": True,
        "early_stopping_met": True,
        "effective_min_duration_ms": 600_000,
        "effective_min_query_count": 1024,
        "effective_performance_sample_count": 1024,
    }
    seeds = {f"effective_{name}": seed for name, seed in read_rounds()[-1].seeds.items()}
    return LoadgenLog(values | seeds | VALUES[scenario] | changes)


def make_loadgen(scenario: Scenario = Scenario.OFFLINE, **changes: Any) -> LoadgenRecord:
    """A run that came to its end."""
    fields: dict[str, Any] = {
        "request": LoadgenRequest(scenario=scenario, rules=True),
        "settled": Settled(
            version="6.0.17",
            samples=1024,
            min_time_ms=600_000,
            min_queries=1024,
            samples_per_query=8 if scenario is Scenario.MULTI_STREAM else 1,
        ),
        "round": read_rounds()[-1].name,
        "cpus": (3,),
        "own_core": True,
        "ended": True,
        "log": make_log(scenario),
    }
    return LoadgenRecord(**fields | changes)


def render_log(**values: Value) -> str:
    """A detail log of these values."""
    return "".join(render_line(key, value) for key, value in values.items())


def render_line(key: str, value: object, **metadata: object) -> str:
    """One line of a detail log."""
    entry = {
        "key": key,
        "value": value,
        "time_ms": 0.1,
        "namespace": "mlperf::logging",
        "event_type": "POINT_IN_TIME",
        "metadata": {"is_error": False, "is_warning": False, **metadata},
    }
    return f":::MLLOG {json.dumps(entry)}\n"
