from __future__ import annotations

from dataclasses import replace

import pytest
from tests.hosts.synthetic import Machine
from tests.unit.planning.plans import IMAGE_BYTES, MIB, plan

from resnet50_bench.config import CaseType, Mode
from resnet50_bench.errors import ConfigError, PlacementError
from resnet50_bench.planning import plan as plan_module
from resnet50_bench.planning.jobs import plan_jobs
from resnet50_bench.planning.memory import GIB


@pytest.mark.usefixtures("host")
class TestPlacement:
    @pytest.mark.parametrize(
        ("asked", "cores", "instances"),
        [
            ({}, 4, 2),
            ({"mode": Mode.LATENCY}, 4, 2),
            ({"cores_per_instance": 1, "instances": 3}, 1, 3),
            ({"mode": Mode.LATENCY, "cores_per_instance": 2}, 2, 4),
        ],
    )
    def test_follows_the_request(self, asked, cores, instances):
        found = plan(**asked).placement
        assert (found.cores_per_instance, len(found.slots)) == (cores, instances)

    @pytest.mark.parametrize("mode", [Mode.THROUGHPUT, Mode.LATENCY])
    def test_gated_is_a_whole_socket_in_every_mode(self, monkeypatch, mode):
        host = Machine(packages=2, nodes=(6,)).host()
        monkeypatch.setattr(plan_module, "read_host", lambda: host)
        found = plan(case_type=CaseType.GATED, mode=mode)
        assert (found.placement.cores_per_instance, len(found.placement.slots)) == (6, 2)
        assert (found.workload.steps, found.workload.batch_size) == (10, 1)

    def test_gated_keeps_the_cores_that_were_asked_for(self):
        found = plan(case_type=CaseType.GATED, mode=Mode.LATENCY, cores_per_instance=3)
        assert found.placement.cores_per_instance == 3

    def test_smt_and_span_sockets_are_passed_on(self):
        found = plan(smt=True, span_sockets=True, cores_per_instance=8).placement
        assert found.slots[0].cpus == tuple(range(16))
        assert found.slots[0].sockets == (0, 1)

    def test_what_does_not_fit(self):
        with pytest.raises(PlacementError):
            plan(cores_per_instance=5)


@pytest.mark.usefixtures("host")
class TestEngineOptions:
    def test_every_problem_is_named(self):
        with pytest.raises(ConfigError) as caught:
            plan(engine_options={"callers": "2", "query_ms": "fast", "fault": "kill"})
        assert caught.value.problems == (
            "--engine-option callers: the null engine has only query_ms, answer, fault, fault_instance, "
            "fault_query",
            "--engine-option query_ms=fast: must be a number of milliseconds",
        )

    def test_reach_the_jobs(self):
        for job in plan_jobs(plan(engine_options={"query_ms": "2.5"})):
            assert job.engine_options == {"query_ms": "2.5"}


class TestDescriptions:
    def test_host(self, host):
        assert plan().describe_host() == "Synthetic CPU: 8 cores, 2 sockets, 2 memory nodes, 64 GiB"

    def test_part_of_a_small_host(self, monkeypatch):
        machine = replace(Machine(nodes=(1,)).host(), total_cores=4)
        monkeypatch.setattr(plan_module, "read_host", lambda: machine)
        assert plan(cores_per_instance=1).describe_host() == (
            "Synthetic CPU: 1 core of 4, 1 socket, 1 memory node, 64 GiB"
        )


@pytest.mark.usefixtures("host")
class TestEstimates:
    def test_null_engine(self):
        found = plan(batch_size=1, steps=600, warmup_steps=6)
        # A pool of 128 images at least; 60 images/s on 4 cores: 600 / 60 + 6 / 60 + 8 to start.
        assert found.memory_per_instance_bytes == 100 * MIB + 128 * IMAGE_BYTES
        assert found.expected_s == pytest.approx(18.1)

    def test_four_batches_when_these_are_more_than_128_images(self):
        found = plan(batch_size=64)
        assert found.memory_per_instance_bytes == 100 * MIB + 256 * IMAGE_BYTES
        # 30 * 64 / 60 = 32 s is more than the minimum time of 20 s; warm-up 5 * 64 / 60.
        assert found.expected_s == pytest.approx(8 + 32 + 16 / 3)

    def test_minimum_time_binds(self):
        found = plan(batch_size=1)
        assert found.expected_s == pytest.approx(8 + 20 + 5 / 60)

    def test_no_model_is_needed(self):
        found = plan()
        assert (found.model_source, found.model, found.emulated) == (None, None, False)

    def test_too_little_memory_is_a_warning(self, monkeypatch, host):
        # Two instances of 100 MiB + 73.5 MiB: 0.34 GiB.
        small = replace(host, memory_available_bytes=GIB, memory_limit_bytes=GIB // 4)
        monkeypatch.setattr(plan_module, "read_host", lambda: small)
        assert plan().warnings() == [
            "the instances may need 0.3 GiB and 0.2 GiB is available: use a smaller --batch-size "
            "or a larger --cores-per-instance"
        ]

    def test_memory_that_just_suffices(self, monkeypatch, host):
        needed = 2 * (100 * MIB + 128 * IMAGE_BYTES)
        for spare_bytes, count in ((0, 0), (-1, 1)):
            tight = replace(host, memory_available_bytes=needed + spare_bytes)
            monkeypatch.setattr(plan_module, "read_host", lambda tight=tight: tight)
            assert len(plan().warnings()) == count
