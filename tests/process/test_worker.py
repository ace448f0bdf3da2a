"""The worker as a process, driven over its socket as r50 drives it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from resnet50_bench.config import Mode, Precision
from resnet50_bench.host.machine import read_host
from resnet50_bench.instance.job import (
    DummyFeedRequest,
    Entered,
    Failed,
    Finished,
    Go,
    Job,
    Ready,
    Started,
    decode_answer,
    encode,
)
from resnet50_bench.launch.local import WORKER_ARGUMENTS
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest

from .conftest import GIVE_UP_SECONDS


class Driven:
    """A worker and the parent's end of its socket."""

    def __init__(self, r50) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(GIVE_UP_SECONDS)
        self.log = r50.root / "worker.log"
        with theirs, self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *WORKER_ARGUMENTS, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=r50.environment(),
                cwd=r50.cwd,
                pass_fds=(theirs.fileno(),),
            )
        r50.started.append(self.process)
        self.lines = self.socket.makefile("rb")

    def send(self, message) -> None:
        self.socket.sendall(encode(message))

    def receive(self):
        return decode_answer(self.lines.readline())

    def hang_up(self) -> None:
        self.lines.close()
        self.socket.close()

    def end(self) -> int:
        return self.process.wait(GIVE_UP_SECONDS)


@pytest.fixture
def worker(r50):
    driven = Driven(r50)
    yield driven
    driven.hang_up()


@pytest.fixture(scope="module")
def slot():
    request = PlacementRequest(Mode.THROUGHPUT, cores_per_instance=1, instances=1)
    return plan_placement(read_host(), request).slots[0]


def make_job(slot, **changes) -> Job:
    defaults = {
        "slot": slot,
        "engine": "null",
        "engine_options": {},
        "model_path": None,
        "precision": Precision.AVX_FP32,
        "batch_size": 1,
        "steps": 4,
        "warmup_steps": 2,
        "min_time_ns": 0,
        "dummy": DummyFeedRequest(0),
    }
    return Job(**{**defaults, **changes})


def test_one_job_from_start_to_finish(worker, slot):
    worker.send(make_job(slot))
    started = worker.receive()
    assert isinstance(started, Started)
    assert started.pid == worker.process.pid
    assert os.sched_getaffinity(started.pid) == set(slot.cpus)
    phases = [worker.receive() for _ in range(3)]
    assert phases == [Entered("loading"), Entered("filling the feed"), Entered("warming up")]
    ready = worker.receive()
    assert isinstance(ready, Ready)
    assert len(ready.warmup_query_ns) == 2
    assert ready.feed.kind == "dummy"

    start_ns = time.monotonic_ns() + 20_000_000
    worker.send(Go(start_ns))
    finished = worker.receive()
    assert isinstance(finished, Finished)
    assert len(finished.start_ns) == len(finished.end_ns) == 4
    assert finished.start_ns[0] >= start_ns
    assert all(a <= b for a, b in zip(finished.start_ns, finished.end_ns, strict=True))
    assert finished.seen.cpus == slot.cpus
    assert finished.evidence.runtime == "null"
    assert worker.end() == 0
    assert worker.lines.read() == b""
    assert worker.log.read_text() == ""


def test_the_minimum_time_holds_beyond_the_steps(worker, slot):
    options = {"query_ms": "1"}
    worker.send(make_job(slot, steps=1, min_time_ns=30_000_000, engine_options=options))
    for _ in range(5):
        worker.receive()
    worker.send(Go(0))
    finished = worker.receive()
    assert len(finished.end_ns) > 1
    assert finished.end_ns[-1] - finished.start_ns[0] >= 30_000_000
    assert finished.end_ns[-2] - finished.start_ns[0] < 30_000_000 + 1_000_000
    assert worker.end() == 0


def test_a_failure_is_answered_with_its_phase(worker, slot):
    worker.send(make_job(slot, engine_options={"fault": "raise"}))
    assert isinstance(worker.receive(), Started)
    assert worker.receive() == Entered("loading")
    failed = worker.receive()
    assert isinstance(failed, Failed)
    assert (failed.phase, failed.kind) == ("loading", "RuntimeError")
    assert failed.message == "the null engine was told to fail"
    assert not failed.out_of_memory
    assert failed.traceback in worker.log.read_text()
    assert worker.end() == 1


def test_an_unknown_engine_is_a_failure(worker, slot):
    worker.send(make_job(slot, engine="none"))
    assert isinstance(worker.receive(), Started)
    assert worker.receive() == Entered("loading")
    assert worker.receive().kind == "KeyError"
    assert worker.end() == 1


def test_a_parent_that_goes_before_the_job(worker):
    worker.hang_up()
    assert worker.end() == 0
    assert worker.log.read_text() == ""


def test_a_parent_that_goes_before_the_word(worker, slot):
    worker.send(make_job(slot))
    for _ in range(5):
        worker.receive()
    worker.hang_up()
    assert worker.end() == 0
    assert worker.log.read_text() == ""


def test_a_job_that_is_none(worker):
    worker.socket.sendall(b"{}\n")
    failed = worker.receive()
    assert isinstance(failed, Failed)
    assert (failed.phase, failed.kind) == ("starting", "ValidationError")
    assert worker.end() == 1


def test_a_job_that_follows_is_done_with_the_model_that_is_loaded(worker, slot):
    first = make_job(slot, followed=True)
    worker.send(first)
    answers = [receive_finished(worker)]
    worker.send(make_job(slot, followed=True, batch_size=4, steps=3))
    answers.append(receive_finished(worker))
    worker.hang_up()
    assert worker.end() == 0
    (ready, finished), (again, more) = answers
    assert ready.phases.load_ns > 0
    assert again.phases.load_ns == 0
    assert again.feed.batch_size == 4
    assert len(more.end_ns) == 3
    assert more.start_ns[0] > finished.end_ns[-1]


def receive_finished(worker):
    """Bring a job to its end; return what it said when it was ready, and its result."""
    ready = None
    while not isinstance(answer := worker.receive(), Finished):
        assert not isinstance(answer, Failed), answer
        if isinstance(answer, Ready):
            ready = answer
            worker.send(Go(time.monotonic_ns()))
    return ready, answer
