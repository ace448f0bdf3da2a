from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from resnet50_bench.config import CaseType, Mode, RunConfig, Workload, plan_workload

LATENCY = Mode.LATENCY
GATED = CaseType.GATED


@pytest.mark.parametrize(
    ("config", "amounts"),
    [
        # batch size, steps, warm-up steps, minimum time in ns
        (RunConfig(), (32, 30, 5, 20_000_000_000)),
        (RunConfig(mode=LATENCY), (1, 300, 50, 10_000_000_000)),
        (RunConfig(case_type=CaseType.PKM), (32, 30, 5, 20_000_000_000)),
        (RunConfig(case_type=GATED), (1, 10, 5, 0)),
        (RunConfig(case_type=GATED, mode=LATENCY), (1, 10, 50, 0)),
        (RunConfig(case_type=GATED, batch_size=8, steps=3), (8, 3, 5, 0)),
        (RunConfig(case_type=GATED, min_time_s=2.0), (1, 10, 5, 2_000_000_000)),
        # Naming STEPS lifts the minimum time, naming MIN_TIME brings it back.
        (RunConfig(steps=7), (32, 7, 5, 0)),
        (RunConfig(mode=LATENCY, steps=1), (1, 1, 50, 0)),
        (RunConfig(steps=7, min_time_s=0.5), (32, 7, 5, 500_000_000)),
        (RunConfig(min_time_s=60.0), (32, 30, 5, 60_000_000_000)),
        (RunConfig(min_time_s=1e-9), (32, 30, 5, 1)),
        (RunConfig(min_time_s=0.3), (32, 30, 5, 300_000_000)),
        (RunConfig(batch_size=1, warmup_steps=1), (1, 30, 1, 20_000_000_000)),
        (RunConfig(mode=LATENCY, batch_size=4), (4, 300, 50, 10_000_000_000)),
    ],
)
def test_amounts(config, amounts):
    batch_size, steps, warmup_steps, min_time_ns = amounts
    assert plan_workload(config) == Workload(
        batch_size=batch_size, steps=steps, warmup_steps=warmup_steps, min_time_ns=min_time_ns
    )


def test_config_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        RunConfig().steps = 1
