"""A worker's log of the kernels it executed, and what `r50 profile` makes of it."""

from __future__ import annotations

import os

import pytest
from tests.records import make_record

from resnet50_bench.config import Mode, Precision
from resnet50_bench.engines.tensorflow import ENGINE
from resnet50_bench.host.machine import read_host
from resnet50_bench.instance.job import DummyFeedRequest, Job
from resnet50_bench.launch import Deadlines, LocalLauncher, run_workers
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.results.kernel_logs import Part, find_kernel_logs, read_profile

pytestmark = pytest.mark.tensorflow

STEPS = 3
CONVOLUTIONS = 53
LIMIT_NS = 300_000_000_000


def test_the_measured_queries_are_told_from_all_else(thin_path, tmp_path):
    request = PlacementRequest(Mode.LATENCY, cores_per_instance=1, instances=1)
    job = Job(
        slot=plan_placement(read_host(), request).slots[0],
        engine="tensorflow",
        engine_options={},
        model_path=str(thin_path),
        precision=Precision.AVX_FP32,
        batch_size=1,
        steps=STEPS,
        warmup_steps=2,
        min_time_ns=0,
        kernel_log=True,
        dummy=DummyFeedRequest(0),
    )
    environment = {
        **os.environ,
        **ENGINE.environment(Precision.AVX_FP32, 1),
        "ONEDNN_VERBOSE": "1",
    }
    with LocalLauncher().start([job], environment, tmp_path) as workers:
        run_workers(
            workers,
            Deadlines(LIMIT_NS, lambda _: LIMIT_NS),
            lambda *_: None,
            lambda _: None,
        )
        (worker,) = workers
        assert worker.failed is None
        assert worker.reap() == 0
    assert "onednn_verbose" not in (tmp_path / "instance_000.log").read_text()
    record = make_record()
    logs = find_kernel_logs(tmp_path, record, 0, everything=False)
    assert logs.part is Part.MEASURED
    profile = read_profile(logs, record)
    calls = sum(item.calls for item in profile.trace.problems if item.primitive == "convolution")
    assert (calls, profile.trace.unparsed) == (STEPS * CONVOLUTIONS, 0)
    assert profile.trace.version is not None
    everything = find_kernel_logs(tmp_path, record, 0, everything=True)
    kernels = read_profile(everything, record).trace.kernels
    # Two queries of warm-up, and the batch that is read as evidence.
    assert (
        sum(item.calls for item in kernels if item.primitive == "convolution") == 6 * CONVOLUTIONS
    )
