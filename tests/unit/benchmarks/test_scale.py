"""Many instances: what is done once stays done once. `benchmarks/scale.py` has the times."""

from __future__ import annotations

import pytest
from benchmarks import scale
from tests.hosts.synthetic import GIB, Machine
from tests.records import make_lost, make_record

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.host.specs import describe_host
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.verdict import instances
from resnet50_bench.verdict.judge import judge


def test_a_thousand_instances_on_sixteen_sockets():
    host = describe_host("16x64x2 snc2")
    placement = plan_placement(host, PlacementRequest(Mode.THROUGHPUT, 1, 1000))
    assert len(placement.slots) == 1000
    assert len({slot.cpus for slot in placement.slots}) == 1000
    per_node = [sum(slot.nodes == (node,) for slot in placement.slots) for node in range(32)]
    assert set(per_node) == {31, 32}


def test_the_advice_on_memory_is_worked_out_once_for_all_that_were_lost(monkeypatch):
    calls = []

    def count(*arguments):
        calls.append(arguments)
        return 4

    monkeypatch.setattr(instances, "plan_cores_per_instance_that_fits", count)
    host = Machine(packages=2, nodes=(100,)).host(available_bytes=GIB)
    config = RunConfig(cores_per_instance=1)
    lost = [make_lost(number, "out of memory", "SIGKILL") for number in range(200)]
    record = make_record(config, host, lost, status="lost instances")
    failures = judge(record).failures
    assert len(calls) == 1
    advised = [item for item in failures if item.advice and "--cores-per-instance 4" in item.advice]
    assert len(advised) == 200


@pytest.mark.parametrize("killed", [False, True])
def test_the_benchmark_replays_and_judges_a_run(tmp_path, killed):
    costs = scale.measure_record(32, tmp_path, killed=killed)
    assert {"gather the record", "read it", "compute KPIs", "judge"} <= costs.keys()
