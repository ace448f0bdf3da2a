"""Runs behind LoadGen: what they are told, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.planning.plans import IMAGE_BYTES, names, plan, real

from resnet50_bench.config import Mode
from resnet50_bench.errors import ConfigError, DatasetError, RequestError
from resnet50_bench.instance.serving.queue import QueryQueue
from resnet50_bench.planning import loadgen as module
from resnet50_bench.planning.jobs import plan_serving_jobs
from resnet50_bench.planning.loadgen import (
    plan_issuer_job,
    plan_loadgen,
    require_loadgen,
    require_memory,
)
from resnet50_bench.scenarios.request import LoadgenMode, LoadgenRequest, Scenario

OFFLINE = LoadgenRequest(scenario=Scenario.OFFLINE)


@pytest.fixture(autouse=True)
def is_installed(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: object())


def test_where_loadgen_is_not_installed_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match="LoadGen is not installed") as raised:
        require_loadgen()
    assert raised.value.advice == "pip install 'resnet50-bench[loadgen]'"


@pytest.mark.usefixtures("host")
class TestPlan:
    def test_every_instance_takes_from_one_queue(self):
        found = plan_loadgen(plan(batch_size=6, cores_per_instance=2, instances=3), OFFLINE)
        assert found.loadgen is not None
        assert found.loadgen.own_core
        assert found.loadgen.cpus[0] not in {
            cpu for slot in found.placement.slots for cpu in slot.cpus
        }
        jobs = plan_serving_jobs(found, found.loadgen, ("queue", "library"), 9)
        assert [job.serving.first_stream for job in jobs] == [0, 1, 2]
        for job in jobs:
            assert (job.dummy, job.real, job.evaluation) == (None, None, None)
            assert (job.serving.queue, job.serving.library, job.serving.samples) == (
                "queue", "library", 9,
            )  # fmt: skip
            assert (job.serving.sizes, job.serving.class_offset) == ((6,), 1)
            assert job.serving.awake_ns > 0

    def test_generated_images_are_as_many_as_are_asked_or_the_rules_want(self):
        totals = [
            plan_loadgen(plan(), replace(OFFLINE, **asked)).loadgen.total
            for asked in ({}, {"rules": True}, {"samples": 5})
        ]
        assert totals == [128, 1024, 5]

    def test_the_issuer_has_every_image_and_loads_on_every_cpu_of_the_run(self, images):
        found = plan_loadgen(real(images, cores_per_instance=2, instances=1), OFFLINE)
        job = plan_issuer_job(found, found.loadgen, Path("/run"), "queue")
        assert names(job.real.refs) == [f"{number}.jpg" for number in range(5)]
        assert (job.total, job.samples, job.seed) == (5, None, None)
        slot = found.placement.slots[0]
        assert set(job.loading_cpus) == {*slot.cpus, *found.loadgen.cpus}

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({"samples": 6}, "--samples 6, and folder"),
            ({"rules": True}, "MLPerf's rules want 1,024, and folder"),
        ],
    )
    def test_too_few_images_are_refused(self, images, asked, said):
        with pytest.raises(DatasetError, match=f"too few images in memory: {said}"):
            plan_loadgen(real(images), replace(OFFLINE, **asked))

    def test_accuracy_holds_as_many_at_a_time_as_there_are(self, images):
        request = replace(OFFLINE, mode=LoadgenMode.ACCURACY, rules=True)
        found = plan_loadgen(real(images), request)
        assert plan_issuer_job(found, found.loadgen, Path("/run"), "queue").samples == 5

    def test_more_images_than_the_memory_holds_are_refused(self):
        found = plan_loadgen(plan(), OFFLINE)
        most = found.memory_bytes // IMAGE_BYTES
        require_memory(found, 10)
        with pytest.raises(RequestError, match="images in memory take") as raised:
            require_memory(found, most + 1)
        assert "--samples" in (raised.value.advice or "")

    def test_more_streams_than_the_queue_has_places_for_are_refused(self, monkeypatch):
        monkeypatch.setattr(QueryQueue, "MAX_STREAMS", 1)
        with pytest.raises(ConfigError, match="2 streams are more than 1"):
            plan_loadgen(plan(mode=Mode.LATENCY, cores_per_instance=1, instances=2), OFFLINE)
