"""Files of real machines, as their kernels wrote them: `{path below the root: text}`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.hosts.synthetic import write_files

from resnet50_bench.config import Mode, Precision
from resnet50_bench.errors import PlacementError
from resnet50_bench.host.machine import read_host
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.precision.runnable import default_precisions_on

CAPTURED = Path(__file__).parents[2] / "hosts" / "captured"


@pytest.fixture
def zen5(tmp_path):
    """A KVM guest with two cores of a Zen 5 EPYC, cgroup v1 and v2 side by side."""
    write_files(tmp_path, json.loads((CAPTURED / "zen5-guest-2-cores.json").read_text()))
    return read_host(tmp_path)


def test_zen5_guest_is_read(zen5):
    assert [core.cpus for core in zen5.cores] == [(0,), (1,)]
    assert {(core.socket, core.node) for core in zen5.cores} == {(0, 0)}
    assert (zen5.total_sockets, zen5.total_cores, zen5.online_cpus, zen5.smt) == (1, 2, 2, False)
    assert [(node.id, node.cpus) for node in zen5.nodes] == [(0, (0, 1))]
    assert zen5.cpu_model == "AMD EPYC"
    assert (zen5.quota_cpus, zen5.memory_limit_bytes) == (None, None)
    assert 23 * 1024**3 < zen5.memory_total_bytes < 24 * 1024**3
    assert (zen5.transparent_hugepage, zen5.numa_balancing) == ("madvise", False)


def test_zen5_guest_runs_the_three_avx_precisions(zen5):
    assert default_precisions_on(zen5.cpu_flags) == (
        Precision.AVX_FP32,
        Precision.AVX_INT8,
        Precision.AVX_BFLOAT16,
    )


def test_zen5_guest_holds_one_instance_of_both_cores_and_none_for_latency(zen5):
    (slot,) = plan_placement(zen5, PlacementRequest(Mode.THROUGHPUT)).slots
    assert (slot.cpus, slot.threads, slot.nodes) == ((0, 1), 2, (0,))
    with pytest.raises(PlacementError, match="2 usable physical cores"):
        plan_placement(zen5, PlacementRequest(Mode.LATENCY))
