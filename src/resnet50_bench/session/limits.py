"""How long the instances of a run should take, and when they count as hung."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig, Workload
    from resnet50_bench.launch import Worker
    from resnet50_bench.planning.plan import RunPlan

READY_TIMEOUT_S = 600.0
"""Importing TensorFlow from a cold network disk and decoding images take minutes, not more."""

_SLOWEST = 3
_GRACE_NS = 60_000_000_000


def expect_s(workload: Workload, workers: Sequence[Worker]) -> float:
    """Return how long measuring should take, by the slowest worker's warm-up."""
    slowest_ns = max(
        statistics.median(worker.ready.warmup_query_ns)
        for worker in workers
        if worker.ready is not None
    )
    return max(workload.steps * slowest_ns, workload.min_time_ns + slowest_ns) / 1e9


def plan_ready_limit_ns(config: RunConfig) -> int:
    """Return how long all may take until they are ready."""
    return round((config.timeout_s or READY_TIMEOUT_S) * 1e9)


def plan_measured_limit_ns(plan: RunPlan, workers: Sequence[Worker]) -> int:
    """Return how long a worker may say nothing while it measures."""
    if plan.config.timeout_s is not None:
        return round(plan.config.timeout_s * 1e9)
    return _SLOWEST * round(expect_s(plan.workload, workers) * 1e9) + _GRACE_NS
