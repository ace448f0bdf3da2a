"""What LoadGen is asked to do, and what follows from the scenario."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from resnet50_bench.config import Mode


class Scenario(str, Enum):
    """How queries arrive, in MLPerf's words."""

    OFFLINE = "Offline"
    SERVER = "Server"
    SINGLE_STREAM = "SingleStream"
    MULTI_STREAM = "MultiStream"


class LoadgenMode(str, Enum):
    """What LoadGen is for: its `PerformanceOnly` or `AccuracyOnly`."""

    PERFORMANCE = "performance"
    ACCURACY = "accuracy"


class IssuerCore(str, Enum):
    """Where LoadGen runs: on a core that no instance has, where there is one; or with them."""

    AUTO = "auto"
    OWN = "own"
    SHARED = "shared"


MODES: dict[Scenario, tuple[Mode, ...]] = {
    Scenario.OFFLINE: (Mode.THROUGHPUT,),
    Scenario.SERVER: (Mode.LATENCY, Mode.THROUGHPUT),
    Scenario.SINGLE_STREAM: (Mode.LATENCY,),
    Scenario.MULTI_STREAM: (Mode.LATENCY,),
}
"""What a case of this scenario measures; the first decides the placement where no case is named."""

MIN_QUERIES = {
    Scenario.OFFLINE: 1,
    Scenario.SERVER: 1000,
    Scenario.SINGLE_STREAM: 300,
    Scenario.MULTI_STREAM: 662,
}
"""Where nothing else is asked: LoadGen's early stopping calls a Server or MultiStream run of fewer
invalid (at p99 with 99 % confidence 662 queries may have one over the bound)."""

LATENCY_BOUND_NS = {Scenario.SERVER: 15_000_000, Scenario.MULTI_STREAM: 50_000_000}
"""MLPerf's bound of Server for this model (mlperf.conf), and the one that MultiStream had until
v1.1, when it was the number of streams that was reported."""

SAMPLES_PER_QUERY = 8
"""Of MultiStream (mlperf.conf)."""

PERFORMANCE_SAMPLES = 1024
"""Images in memory at the least, by MLPerf's rules (mlperf.conf)."""

GENERATED_SAMPLES = 128
"""The same, of generated images, where no rules are asked for: as `r50 run` holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadgenRequest:
    """What LoadGen is asked to do; None where LoadGen, or what is measured first, decides.

    Attributes:
        scenario: how queries arrive.
        mode: speed or accuracy.
        target_qps: Server: queries a second; Offline: samples a second to expect.
        latency_bound_ns: Server: what 99 % of queries have to hold.
        samples_per_query: of MultiStream.
        samples: images in memory.
        min_time_ms: how long to issue, at least; None for the run's own --min-time.
        min_queries: how many to issue, at least; of samples in Offline.
        batch_wait_ns: how long the first sample of a batch may wait for others.
        core: where LoadGen runs.
        rules: with the settings of MLPerf's rules, as they are built into LoadGen.
        mlperf_conf, user_conf: files of settings, in LoadGen's form.
    """

    scenario: Scenario
    mode: LoadgenMode = LoadgenMode.PERFORMANCE
    target_qps: float | None = None
    latency_bound_ns: int | None = None
    samples_per_query: int | None = None
    samples: int | None = None
    min_time_ms: int | None = None
    min_queries: int | None = None
    batch_wait_ns: int = 0
    core: IssuerCore = IssuerCore.AUTO
    rules: bool = False
    mlperf_conf: str | None = None
    user_conf: str | None = None

    @property
    def by_conf(self) -> bool:
        """Whether MLPerf's settings hold where no flag says otherwise."""
        return self.rules or self.mlperf_conf is not None or self.user_conf is not None
