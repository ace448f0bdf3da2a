"""Each host of a hostfile gets a plan by what it is itself; what one cannot do is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.hosts.cpus import GRANITE_RAPIDS, ICE_LAKE
from tests.hosts.synthetic import Machine

from resnet50_bench import __version__
from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.errors import PlacementError, PrecisionError, RequestError
from resnet50_bench.host.amx_probe import AmxProbe
from resnet50_bench.host.machine import read_boot_id
from resnet50_bench.instance.mpi.protocol import HostSeen
from resnet50_bench.launch.mpi.command import FoundMpi, MpiProgram
from resnet50_bench.launch.mpi.hostfile import HostEntry
from resnet50_bench.planning import plan as plan_module
from resnet50_bench.planning.hosts import require_distinct
from resnet50_bench.planning.jobs import plan_jobs
from resnet50_bench.planning.launchers import list_orders
from resnet50_bench.planning.plan import RunPlan, plan_run
from resnet50_bench.session.contention import list_plan_cpus

USABLE = AmxProbe(permitted=True, tile_operation=True, reason="it works")
BIG = replace(
    Machine(packages=2, nodes=(8,)).host(), cpu_model="Big", cpu_flags=tuple(sorted(GRANITE_RAPIDS))
)
SMALL = replace(Machine(nodes=(4,)).host(), cpu_model="Small", cpu_flags=tuple(sorted(ICE_LAKE)))


@pytest.fixture
def cluster(monkeypatch) -> None:
    """A big host and a small one, which is the machine that r50 runs on."""
    program = MpiProgram("mpirun", "Open MPI", "5.0.11")
    found = FoundMpi(program, "hosts", (HostEntry("a", 2), HostEntry("b", None)))
    seen = (
        HostSeen(tool_version=__version__, host=BIG, amx=USABLE, boot_id="another"),
        HostSeen(tool_version=__version__, host=SMALL, amx=None, boot_id=read_boot_id()),
    )
    monkeypatch.setattr(plan_module, "find_mpi", lambda *_: found)
    monkeypatch.setattr(plan_module, "describe_hosts", lambda *_: seen)


def plan(**asked: object) -> RunPlan:
    fields = {"engine": "null", "mpi": True, "hostfile": "hosts"} | asked
    return plan_run(RunConfig(**fields), {})


@pytest.mark.usefixtures("cluster")
class TestHosts:
    def test_each_is_planned_by_itself(self):
        found = plan()
        assert [(site.name, site.host.cpu_model) for site in found.sites] == [
            ("a", "Big"), ("b", "Small"),
        ]  # fmt: skip
        slots = [[slot.cores for slot in site.placement.slots] for site in found.sites]
        assert slots == [[8, 8], [4]]
        assert found.mpi.counts == (2, 1)
        jobs = plan_jobs(found)
        assert [(job.slot.instance, job.slot.cores) for job in jobs] == [(0, 8), (1, 8), (2, 4)]

    def test_both_are_told(self):
        assert plan().describe_host() == (
            "a: Big: 16 cores, 2 sockets, 2 memory nodes, 64 GiB; "
            "b: Small: 4 cores, 1 socket, 1 memory node, 64 GiB"
        )

    def test_a_size_that_one_has_not_is_refused_by_name(self):
        with pytest.raises(PlacementError, match=r"^b: --cores-per-instance 8 does not fit: "):
            plan(cores_per_instance=8)

    def test_a_precision_that_one_lacks_is_refused_by_name(self):
        asked = {"engine": "tensorflow", "precision": Precision.AMX_INT8}
        with pytest.raises(PrecisionError, match=r"^b: .*amx"):
            plan(**asked)

    def test_variables_follow_the_threads_of_each_host(self, monkeypatch):
        monkeypatch.setattr(plan_module, "find_model", lambda *_: None)
        asked = {"engine": "tensorflow", "precision": Precision.AVX_FP32, "batch_size": 32}
        first, second = list_orders(plan(**asked))
        assert first.environment == {}
        assert second.environment["OMP_NUM_THREADS"] == "4"
        assert (second.facts.cpu_model, second.facts.cores) == ("Small", SMALL.cores)

    def test_fewer_slots_than_a_host_needs(self):
        with pytest.raises(RequestError, match="hosts gives a 2 slots, and the run needs 4 there"):
            plan(num_mpi=2)

    def test_only_the_machine_that_r50_runs_on_is_locked(self):
        assert list_plan_cpus(plan(cores_per_instance=2, instances=1)) == (0, 1)

    def test_warnings_name_the_host(self, monkeypatch):
        there = {id(BIG): 1 << 40, id(SMALL): 1}
        monkeypatch.setattr(plan_module, "find_memory_bytes", lambda host: there[id(host)])
        (warning,) = [text for text in plan().warnings() if "GiB" in text]
        assert warning.startswith("b: the instances may need ")


def test_two_forms_of_a_model_are_refused(cluster, monkeypatch):
    forms = iter(["split", "whole"])
    monkeypatch.setattr(plan_module, "find_model_source", lambda *_: next(forms))
    with pytest.raises(RequestError, match="the instances of b need another form of the model"):
        plan()


def test_two_names_of_one_machine_are_refused():
    one = HostSeen(tool_version=__version__, host=SMALL, amx=None, boot_id="x")
    other = HostSeen(tool_version=__version__, host=SMALL, amx=None, boot_id="y")
    require_distinct(("a", "b"), (one, other))
    with pytest.raises(RequestError, match=f"a and c are one machine, {SMALL.hostname}"):
        require_distinct(("a", "b", "c"), (one, other, one))
