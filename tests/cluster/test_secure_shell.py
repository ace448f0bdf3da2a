"""Ranks that a launcher starts by ssh on two hosts, none of them the one that r50 runs on."""

from __future__ import annotations

import signal
from dataclasses import dataclass

import pytest
from tests.namespaces import SWITCH, wait_for
from tests.process.conftest import MEASURE, QUICK, R50, Ended
from tests.process.test_accuracy import (  # noqa: F401 - a fixture
    IMAGES,
    WRONG,
    labelled,
    plan_words,
)

from .conftest import HOSTS, find_python
from .secure_shell import SecureShell

pytestmark = pytest.mark.cluster

SEEN = f"{IMAGES - len(WRONG)} and {IMAGES - len(WRONG)} of {IMAGES} images"


@dataclass(frozen=True)
class Desk:
    """Where the user sits: r50 with one kind of MPI, and the way to the hosts."""

    r50: R50
    shell: SecureShell
    kind: str
    python: str

    def plan(self) -> dict[str, object]:
        hosts = self.r50.root / "hosts"
        hosts.write_text("".join(f"{name}\n" for name in HOSTS))
        agent = str(self.shell.agent)
        environment = {"PRTE_MCA_plm_ssh_agent": agent}
        if self.kind == "MPICH":
            environment = {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": agent}
        command = [self.python, "-c", "from resnet50_bench.cli import main; main()"]
        return {"command": self.shell.network.enter(SWITCH, *command), "env": environment}

    @property
    def hosts(self) -> list[str]:
        return ["--mpi", "--hostfile", str(self.r50.root / "hosts")]

    def run(self, *arguments: object) -> Ended:
        return self.r50(*arguments, **self.plan())

    def start(self, *arguments: object):
        return self.r50.start(*arguments, **self.plan())

    def list_ranks(self) -> dict[int, str]:
        """What runs on the hosts beside sshd."""
        found = self.shell.network.list_processes()
        return {pid: text for pid, text in found.items() if "sshd" not in text}


@pytest.fixture(params=["Open MPI", "MPICH"])
def desk(request, r50, secure_shell):
    desk = Desk(r50, secure_shell, request.param, find_python(request.param))
    yield desk
    wait_for(lambda: desk.list_ranks() == {}, f"the end of {desk.list_ranks()}")
    assert r50.live() == {}


def test_a_run_on_two_hosts(desk):
    ended = desk.run("run", *MEASURE, *desk.hosts, "--num-mpi", 2, "--output", desk.r50.output)
    assert ended.code == 0, ended.stdout + ended.stderr
    record = desk.r50.record()
    assert record.launch.hosts == HOSTS
    assert [item.host for item in record.instances] == ["nodeA", "nodeA", "nodeB", "nodeB"]
    assert (record.host.hostname, record.others[0].host.hostname) == HOSTS
    assert {item.exit.kind for item in record.instances} == {"ok"}
    assert "nodeB: " in ended.stdout


def test_a_killed_rank_and_the_images_that_are_missing(desk, labelled):  # noqa: F811
    """Ranks report at 1.2 s, and one dies at 1.8 s; without --num-mpi a host has one, later."""
    fault = "answer=image query_ms=600 fault=kill fault_instance=3 fault_query=4"
    more = ["--engine-option", fault, *desk.hosts, "--num-mpi", "2", "--batch-size", "1"]
    ended = desk.run(*plan_words(labelled, desk.r50.output, *more))
    assert (ended.code, desk.r50.output.exists()) == (3, True), ended.stdout + ended.stderr
    lost = desk.r50.record().evaluation
    assert 0 < sum(len(item.missing) for item in lost.shares) < IMAGES
    assert " on nodeB (ILSVRC2012_val_000000" in ended.stdout
    assert desk.r50.record().instances[3].exit.detail == "SIGKILL (Killed)"
    resumed = desk.run("run", "--resume", desk.r50.folder(), *desk.hosts)
    assert resumed.code == 0, resumed.stdout + resumed.stderr
    assert SEEN in resumed.stdout


def test_a_host_that_lets_nobody_in(desk):
    desk.shell.refuse()
    try:
        ended = desk.run("run", *MEASURE, *desk.hosts, "--output", desk.r50.output)
    finally:
        desk.shell.let_in()
    assert ended.code == 3
    assert " did not say what it is; " in ended.stderr
    assert "`ssh HOST true` must work without a password" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not desk.r50.output.exists()


def test_an_interrupt_ends_everything_on_all_hosts(desk):
    long = [*QUICK, "--engine-option", "query_ms=20", "--steps", "100000"]
    process = desk.start("run", *long, *desk.hosts, "--output", desk.r50.output)
    desk.r50.wait_for_stderr(process, "measure for about")
    process.send_signal(signal.SIGINT)
    assert desk.r50.end(process).code == 130
    assert desk.r50.record().status == "interrupted"
