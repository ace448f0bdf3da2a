from __future__ import annotations

from dataclasses import replace

import pytest
from tests.hosts.synthetic import GIB
from tests.unit.planning.plans import names, plan, real

from resnet50_bench.config import Precision
from resnet50_bench.errors import DatasetError
from resnet50_bench.instance.job import DummyFeedRequest
from resnet50_bench.planning import plan as plan_module
from resnet50_bench.planning.jobs import plan_jobs, plan_trace_jobs


@pytest.mark.usefixtures("host")
class TestJobs:
    def test_one_for_each_slot(self):
        found = plan(
            precision=Precision.AVX_INT8, batch_size=3, steps=4, warmup_steps=2, min_time_s=0.5,
            seed=9,
        )  # fmt: skip
        jobs = plan_jobs(found)
        assert [job.slot for job in jobs] == list(found.placement.slots)
        for job in jobs:
            assert (job.engine, job.model_path) == ("null", None)
            assert job.precision is Precision.AVX_INT8
            assert (job.batch_size, job.steps, job.warmup_steps) == (3, 4, 2)
            assert job.min_time_ns == 500_000_000
            assert (job.dummy, job.real, job.trace) == (DummyFeedRequest(9), None, False)
            assert job.instances == len(jobs)
            assert job.kept_folder == str(found.cache_dir.parent / "engines")

    def test_images_are_divided_among_the_instances(self, images):
        jobs = plan_jobs(real(images, batch_size=2))
        assert [names(job.real.refs) for job in jobs] == [
            ["0.jpg", "2.jpg", "4.jpg"],
            ["1.jpg", "3.jpg"],
        ]
        for job in jobs:
            assert job.dummy is None
            assert (job.real.batch_size, job.real.threads, job.real.profile) == (2, 4, "mlperf")
            assert job.real.path == images

    def test_limit_takes_the_first_by_name(self, images):
        found = real(images, limit=3)
        assert names(found.refs) == ["0.jpg", "1.jpg", "2.jpg"]
        assert [names(job.real.refs) for job in plan_jobs(found)] == [["0.jpg", "2.jpg"], ["1.jpg"]]

    def test_fewer_images_than_instances(self, images):
        jobs = plan_jobs(real(images, limit=1))
        assert [names(job.real.refs) for job in jobs] == [["0.jpg"], ["0.jpg"]]

    @pytest.mark.parametrize(
        ("memory", "pool"),
        [
            # available and limit
            ((64 * GIB, None), 2 * GIB),  # the bound of a pool
            ((8 * GIB, None), GIB),  # a quarter of 8 GiB, for 2 instances
            ((64 * GIB, 4 * GIB), GIB // 2),
            ((4 * GIB, 64 * GIB), GIB // 2),
        ],
    )
    def test_pools_share_a_quarter_of_the_memory(self, monkeypatch, host, images, memory, pool):
        available, limit = memory
        small = replace(host, memory_available_bytes=available, memory_limit_bytes=limit)
        monkeypatch.setattr(plan_module, "read_host", lambda: small)
        assert [job.real.max_pool_bytes for job in plan_jobs(real(images))] == [pool, pool]

    def test_a_traced_batch_takes_generated_images(self, images):
        found = real(images)
        for job, traced in zip(plan_jobs(found), plan_trace_jobs(found), strict=True):
            assert traced.trace
            assert (traced.dummy, traced.real) == (DummyFeedRequest(0), None)
            assert (traced.slot, traced.batch_size) == (job.slot, job.batch_size)

    def test_no_images(self, tmp_path):
        with pytest.raises(DatasetError):
            real(str(tmp_path))
