"""Who is ended when an instance is lost, hangs, or LoadGen's process is gone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.loadgens import render_line
from tests.records import make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.instance.serving import queue as queue_module
from resnet50_bench.instance.serving.queue import QueryQueue, SharedMemory
from resnet50_bench.placement.slots import Slot
from resnet50_bench.scenarios.logs import DETAIL_LOG
from resnet50_bench.scenarios.messages import IssuerFailed, Settled
from resnet50_bench.scenarios.plan import LoadgenPlan
from resnet50_bench.scenarios.request import LoadgenRequest, Scenario
from resnet50_bench.scenarios.rounds import read_rounds
from resnet50_bench.session.loadgen import LoadgenTask, _Memory

SETTLED = Settled(version="6", samples=4, min_time_ms=1000, min_queries=1, samples_per_query=1)


@dataclass
class FakeIssuer:
    """LoadGen's process, as far as the task looks at it."""

    failed: IssuerFailed | None = None
    ended: bool = False
    issuing: bool = True
    loaded: int = 4
    stopped: int = 0

    def wait_settled(self) -> Settled:
        return SETTLED

    def receive(self) -> None:
        """Nothing new."""

    def stop(self) -> None:
        self.stopped += 1


@dataclass
class FakeWorker:
    """An instance as the task sees it."""

    number: int
    lost: bool = False
    finished: object = None
    overdue: bool = False
    given_up: int = 0
    job: Any = field(init=False)

    def __post_init__(self) -> None:
        slot = Slot(instance=self.number, cpus=(self.number,), cores=1, threads=1, sockets=(0,),
                    nodes=(0,))  # fmt: skip
        self.job = SimpleNamespace(slot=slot, serving=SimpleNamespace(first_stream=self.number))

    def give_up(self) -> None:
        self.given_up += 1


class Bench:
    """A task with two instances and a queue."""

    def __init__(self, folder: Path, timeout_s: float | None = None) -> None:
        plan = SimpleNamespace(config=RunConfig(timeout_s=timeout_s), evaluation=None)
        own = SimpleNamespace(plan=plan, note=lambda record: record)
        self.queue = QueryQueue(SharedMemory.make("test", QueryQueue.SIZE), 2)
        self.issuer = FakeIssuer()
        self.workers = [FakeWorker(0), FakeWorker(1)]
        loadgen = LoadgenPlan(
            request=LoadgenRequest(scenario=Scenario.OFFLINE), cpus=(3,), own_core=True, total=4,
            round=read_rounds()[-1],
        )  # fmt: skip
        memory = _Memory(self.queue, SharedMemory.make("images", 64))
        self.task = LoadgenTask(own, loadgen, self.issuer, memory, folder)  # type: ignore[arg-type]

    def look(self) -> None:
        self.task.look_after(self.workers)  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_nobody_is_ended_while_all_are_well(bench: Bench) -> None:
    bench.queue.put([1], [0], [0])
    bench.queue.take(0, 1, 0)
    bench.look()
    assert not bench.queue.ended
    assert [worker.given_up for worker in bench.workers] == [0, 0]


def test_a_lost_instance_ends_the_queue_and_is_named(bench: Bench) -> None:
    bench.workers[1].lost = True
    bench.look()
    assert bench.queue.ended
    loadgen = bench.task.note(make_record()).loadgen
    assert loadgen is not None
    assert loadgen.failure == "instance 1 was lost, and LoadGen waits for every answer"
    assert bench.issuer.stopped == 1


def test_a_lost_loadgen_ends_the_queue_and_says_why(bench: Bench) -> None:
    bench.issuer.failed = IssuerFailed(message="it broke", advice="mend it", wrong_request=True)
    bench.look()
    assert bench.queue.ended
    loadgen = bench.task.note(make_record()).loadgen
    assert loadgen is not None
    assert (loadgen.failure, loadgen.advice, loadgen.wrong_request) == ("it broke", "mend it", True)


def test_an_instance_that_computes_for_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, timeout_s=5)
    now_ns = time.monotonic_ns()
    bench.queue.put([1, 2], [0, 0], [0, 0])
    monkeypatch.setattr(queue_module.time, "monotonic_ns", lambda: now_ns - 6_000_000_000)
    bench.queue.take(1, 1, 0)
    monkeypatch.setattr(queue_module.time, "monotonic_ns", lambda: now_ns)
    bench.queue.take(0, 1, 0)
    bench.look()
    assert [(worker.given_up, worker.overdue) for worker in bench.workers] == [
        (0, False),
        (1, True),
    ]


def test_one_that_holds_the_turn_and_takes_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, timeout_s=5)
    monkeypatch.setattr(bench.queue, "find_turn", lambda: [0])
    bench.look()  # nothing is out: who has the turn just waits
    bench.queue.put([1], [0], [0])
    bench.look()
    assert bench.workers[0].given_up == 0
    later_ns = time.monotonic_ns() + 6_000_000_000
    monkeypatch.setattr(queue_module.time, "monotonic_ns", lambda: later_ns)
    bench.look()
    assert bench.workers[0].overdue


def test_a_loadgen_that_issues_nothing_more_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, timeout_s=5)
    bench.look()
    assert not bench.queue.ended
    bench.issuer.issuing = False  # it loads the next images
    later_ns = time.monotonic_ns() + 6_000_000_000
    monkeypatch.setattr(queue_module.time, "monotonic_ns", lambda: later_ns)
    bench.look()
    assert not bench.queue.ended
    bench.issuer.issuing = True
    monkeypatch.setattr(queue_module.time, "monotonic_ns", lambda: later_ns + 7_000_000_000)
    bench.look()
    assert bench.queue.ended
    loadgen = bench.task.note(make_record()).loadgen
    assert loadgen is not None
    assert loadgen.failure == "LoadGen's process issued nothing for 7 s"


def test_a_run_that_ended_has_loadgens_word(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / DETAIL_LOG).write_text(render_line("result_validity", "VALID"))
    bench.issuer.ended = True
    loadgen = bench.task.note(make_record()).loadgen
    assert loadgen is not None
    assert loadgen.ended
    assert loadgen.failure is None
    assert loadgen.log.values == {"result_validity": "VALID"}
    assert loadgen.answers is None
