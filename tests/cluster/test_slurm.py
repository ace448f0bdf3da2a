"""`r50 slurm` on a Slurm of two nodes: submitted, run, cancelled, and told that its time is up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.namespaces import SWITCH, wait_for
from tests.process.conftest import R50, Ended
from tests.process.test_accuracy import IMAGES, labelled  # noqa: F401 - a fixture

from resnet50_bench.results.files import read_record
from resnet50_bench.results.record import Record

from .conftest import HOSTS, find_python
from .slurm import Slurm, find_obstacle

pytestmark = pytest.mark.cluster

QUICK = ("ENGINE=null", "BATCH_SIZE=1", "STEPS=40", "WARMUP_STEPS=3", "INSTANCES=2",
         "CORES_PER_INSTANCE=1")  # fmt: skip


@pytest.fixture(scope="module")
def slurm(network, tmp_path_factory) -> Iterator[Slurm]:
    obstacle = find_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    slurm = Slurm(tmp_path_factory.mktemp("slurm"), network)
    with slurm.serving():
        yield slurm


@dataclass(frozen=True)
class Desk:
    """Where the user sits."""

    r50: R50
    slurm: Slurm
    python: str

    def submit(self, case: str, *words: object, settings: tuple[str, ...] = QUICK) -> Ended:
        command = [self.python, "-c", "from resnet50_bench.cli import main; main()"]
        given = [word for text in settings for word in ("--set", text)]
        return self.r50(
            "slurm", case, *given, "--output", self.r50.output, *words,
            command=self.slurm.network.enter(SWITCH, *command),
            env=self.slurm.environment(),
        )  # fmt: skip

    def submit_json(self, *words: object, **options) -> tuple[str, Path]:
        ended = self.submit(*words, "--json", **options)
        assert ended.code == 0, ended.stdout + ended.stderr
        answer = json.loads(ended.stdout)
        return str(answer["job"]), Path(answer["folder"])

    def list_ranks(self) -> dict[int, str]:
        """What runs on the hosts of this user's."""
        found = self.slurm.network.list_processes()
        return {pid: text for pid, text in found.items() if "resnet50_bench" in text}

    def resume(self, folder: Path) -> Ended:
        """On the machine where the user sits, alone."""
        return self.r50("run", "--resume", folder, "--set", "MPI=False")


@pytest.fixture
def desk(request, r50, slurm):
    desk = Desk(r50, slurm, find_python(getattr(request, "param", "Open MPI")))
    yield desk
    wait_for(lambda: desk.list_ranks() == {}, f"the end of {desk.list_ranks()}")


def find_record(folder: Path) -> Record:
    """The record of the only run of a job."""
    (path,) = folder.glob("*/record.json")
    return read_record(path.parent)


def ask_accuracy(labelled: Path, query_ms: int) -> tuple[str, ...]:  # noqa: F811
    return ("ENGINE=null", f"ENGINE_OPTION=answer=image query_ms={query_ms}", "BATCH_SIZE=1",
            "WARMUP_STEPS=1", f"DATASET={labelled / 'images'}",
            f"LABELS={labelled / 'val_map.txt'}")  # fmt: skip


@pytest.mark.parametrize("desk", ["Open MPI", "MPICH"], indirect=True)
def test_a_job_on_two_nodes_is_waited_for(desk):
    ended = desk.submit("throughput_avx_fp32", "--nodes", 2, "--wait")
    (folder,) = desk.r50.output.glob("*-slurm")
    said = (folder / "slurm.log").read_text()
    assert ended.code == 0, ended.stdout + ended.stderr + said
    job = re.match(r"job (\d+) ended with exit code 0: ", ended.stdout)[1]
    assert desk.slurm.read_job(job)["JobState"] == "COMPLETED"
    record = find_record(folder)
    assert record.launch.hosts == HOSTS
    assert [item.host for item in record.instances] == ["nodeA", "nodeA", "nodeB", "nodeB"]
    assert {item.exit.kind for item in record.instances} == {"ok"}
    assert "VALID" in said


def test_a_job_on_one_node_needs_no_mpi_and_ends_with_the_exit_code_of_its_run(desk):
    fault = (*QUICK, "ENGINE_OPTION=fault=raise fault_query=10 query_ms=5")
    ended = desk.submit("throughput_avx_fp32", "--wait", settings=fault)
    assert ended.code == 3, ended.stdout + ended.stderr
    (folder,) = desk.r50.output.glob("*-slurm")
    job = re.match(r"job (\d+) ended with exit code 3: ", ended.stdout)[1]
    state = desk.slurm.wait_for_end(job)
    assert (state["JobState"], state["ExitCode"]) == ("FAILED", "3:0")
    assert find_record(folder).launch.hosts == ()


def test_a_cancelled_job_keeps_what_was_seen(desk, labelled):  # noqa: F811
    settings = ask_accuracy(labelled, 400)
    job, folder = desk.submit_json("accuracy_avx_fp32", "--nodes", 2, settings=settings)
    wait_for_answers(desk, folder, 4)
    desk.slurm.call("scancel", job)
    assert desk.slurm.wait_for_end(job)["JobState"] == "CANCELLED"
    wait_for(lambda: find_record(folder).status != "running", "the record")
    record = find_record(folder)
    assert record.status == "interrupted"
    left = sum(len(item.missing) for item in record.evaluation.shares)
    assert 0 < left <= IMAGES - 4
    (run,) = (path.parent for path in folder.glob("*/record.json"))
    resumed = desk.resume(run)
    assert resumed.code == 0, resumed.stdout + resumed.stderr
    assert f"of {IMAGES} images" in resumed.stdout


def test_the_end_of_its_time_is_told_before(desk, labelled):  # noqa: F811
    """A minute is the least that Slurm gives; it is told 50 seconds before that is over."""
    settings = ask_accuracy(labelled, 3000)
    words = ["accuracy_avx_fp32", "--nodes", 2, "--time", 1, "--notice", 50]
    job, folder = desk.submit_json(*words, settings=settings)
    state = desk.slurm.wait_for_end(job)
    assert (state["JobState"], state["ExitCode"]) == ("FAILED", "143:0"), state
    record = find_record(folder)
    assert record.status == "interrupted"
    assert {item.exit.kind for item in record.instances} <= {"stopped"}
    assert "go on with: r50 run --resume " in (folder / "slurm.log").read_text()


def test_what_slurm_refuses_is_said(desk):
    ended = desk.submit("throughput_avx_fp32", "--partition", "nowhere")
    assert ended.code == 3
    assert "error: Slurm does not take the job; sbatch says: " in ended.stderr
    assert "invalid partition" in ended.stderr


def wait_for_answers(desk: Desk, folder: Path, count: int) -> None:
    def is_there() -> bool:
        lines = [line for path in folder.glob("*/answers.jsonl")
                 for line in path.read_text().splitlines()]  # fmt: skip
        return len(lines) > count // 2

    try:
        wait_for(is_there, "answers")
    except AssertionError:
        log = folder / "slurm.log"
        raise AssertionError(log.read_text() if log.exists() else "no log") from None
