"""No more instances than there are batches, on however many hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.planning.plans import plan

from resnet50_bench.launch.mpi.command import MpiPlan, MpiProgram
from resnet50_bench.planning.jobs import plan_jobs
from resnet50_bench.planning.plan import limit_instances

PROGRAM = MpiProgram("mpirun", "Open MPI", "5.0.11")


@pytest.mark.usefixtures("host")
def test_batches_are_shared_by_the_hosts():
    whole = plan(cores_per_instance=1)
    assert whole.instances == 8
    hosts = replace(whole, sites=whole.sites * 2, mpi=MpiPlan(PROGRAM, ("a", "b"), (8, 8)))
    assert hosts.instances == 16
    fewer = limit_instances(hosts, 5)
    assert (len(fewer.placement.slots), fewer.mpi.counts, fewer.instances) == (3, (3, 3), 6)
    assert [job.slot.instance for job in plan_jobs(fewer)] == list(range(6))
    assert limit_instances(whole, 5).instances == 5
