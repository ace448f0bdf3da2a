"""How much LoadGen will issue, and what it is told to expect, from the instances' warm-up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.scenarios.request import LoadgenMode, Scenario

if TYPE_CHECKING:
    from resnet50_bench.scenarios.messages import Settled
    from resnet50_bench.scenarios.request import LoadgenRequest

_MOST_QPS = 100_000.0
"""What the queue manages is of this order: with an engine that takes no time, no more is planned,
which would fill the memory with queries."""

_LEAST_LATENCY_NS = 20_000
_LATENCY_SHARE = 0.4
"""Of the latency seen: SingleStream and MultiStream prepare as many queries as fit, and a run that
has too few of them ends before its time."""

_OFFLINE_SLACK = 1.1
"""LoadGen's own: Offline issues so much more than it expects to need."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the instances were when they warmed up.

    Attributes:
        batch_ns: median duration of a full batch.
        images_per_s: of all streams together.
        images_at_once: that all streams compute at the same time.
    """

    batch_ns: int
    images_per_s: float
    images_at_once: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What LoadGen is told to expect.

    Attributes:
        qps: samples a second.
        latency_ns: of a query; below the real one.
    """

    qps: float
    latency_ns: int


@dataclass(frozen=True, slots=True)
class Amount:
    """What a run will take.

    Attributes:
        samples: that LoadGen will issue.
        seconds: that it will take.
    """

    samples: int
    seconds: float


def plan_expected(pace: Pace, settled: Settled, request: LoadgenRequest) -> Expected:
    """Return what LoadGen is told to expect."""
    latency_ns = max(_LEAST_LATENCY_NS, round(_LATENCY_SHARE * _query_ns(pace, settled)))
    if request.target_qps:
        return Expected(request.target_qps, latency_ns)
    qps = min(_MOST_QPS, pace.images_per_s)
    if request.scenario is Scenario.OFFLINE and qps < _MOST_QPS:
        qps = _fill_batches(qps, pace, settled)
    return Expected(qps, latency_ns)


def _fill_batches(qps: float, pace: Pace, settled: Settled) -> float:
    """Return the lowest rate, from this one on, whose samples fill every batch of all streams.

    Offline computes full batches: of a last one that is nearly empty all places but a few would be
    computed for nothing, one part in eight of a run of eight batches.
    """
    planned_s = _OFFLINE_SLACK * settled.min_time_ms / 1000
    rounds = math.ceil(qps * planned_s / pace.images_at_once)
    # LoadGen cuts what is behind the decimal point.
    return (rounds * pace.images_at_once + 0.4) / planned_s


def _query_ns(pace: Pace, settled: Settled) -> int:
    """How long a query takes that comes alone."""
    return pace.batch_ns * -(-settled.samples_per_query // pace.images_at_once)


def expect_amount(pace: Pace, settled: Settled, request: LoadgenRequest, total: int) -> Amount:
    """Return what a run will take; never less than one sample and a tenth of a second.

    Args:
        pace: of the instances.
        settled: the settings.
        request: what was asked.
        total: samples of the data set, all of which accuracy mode asks for.
    """
    rate = min(_MOST_QPS, pace.images_per_s)
    least_s = settled.min_time_ms / 1000
    expected = plan_expected(pace, settled, request)
    query_s = max(_LEAST_LATENCY_NS, _query_ns(pace, settled)) / 1e9
    if request.mode is LoadgenMode.ACCURACY:
        samples, seconds = total, total / rate
    elif request.scenario is Scenario.OFFLINE:
        samples = max(settled.min_queries, round(_OFFLINE_SLACK * expected.qps * least_s))
        seconds = samples / rate
    elif request.scenario is Scenario.SERVER:
        qps = settled.target_qps or 1.0
        seconds = max(least_s, settled.min_queries / qps)
        samples = round(qps * seconds)
    else:
        seconds = max(least_s, settled.min_queries * query_s)
        samples = round(seconds / query_s) * settled.samples_per_query
    return Amount(max(1, samples), max(0.1, seconds))
