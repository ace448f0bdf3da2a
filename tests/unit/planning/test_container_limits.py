from __future__ import annotations

from dataclasses import replace

import pytest
from tests.hosts.synthetic import Machine

from resnet50_bench.config import Mode
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.planning.container_limits import find_limit_warnings

HOST = Machine(packages=1, nodes=(8,), smt=1).host()


def warnings(quota: float | None, cpus: int = 8) -> list[str]:
    kept = tuple(range(cpus))
    cores = tuple(core for core in HOST.cores if core.cpus[0] in kept)
    host = replace(HOST, quota_cpus=quota, allowed_cpus=kept, cores=cores)
    return find_limit_warnings(host, plan_placement(host, PlacementRequest(Mode.THROUGHPUT)))


@pytest.mark.parametrize(("quota", "cpus"), [(None, 8), (None, 3), (8.0, 8), (3.0, 3), (9.0, 8)])
def test_a_quota_that_takes_nothing_away_is_not_mentioned(quota, cpus):
    assert warnings(quota, cpus) == []


def test_three_and_a_half_cpus_of_eight():
    lost, floating = warnings(3.5)
    assert lost == ("the CPU quota of 3.5 is not whole: 3 CPUs of it can be used, and 0.5 is lost")
    assert floating.startswith(
        "the CPU quota of 3.5 holds for 8 allowed CPUs: none of them is set aside"
    )
    assert "limits.cpu equal to requests.cpu and whole" in floating
    assert "static policy" in floating


def test_a_whole_quota_without_cpus_of_its_own():
    (floating,) = warnings(4.0)
    assert floating.startswith("the CPU quota of 4 holds for 8 allowed CPUs")


def test_less_than_one_cpu():
    assert [text.partition(":")[0] for text in warnings(0.5)] == [
        "the CPU quota of 0.5 is not whole",
        "the CPU quota of 0.5 holds for 8 allowed CPUs",
        "the instances take 1 CPUs, and will be stopped in every period",
    ]
