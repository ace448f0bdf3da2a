"""The queue, by itself and between processes."""

from __future__ import annotations

import ctypes
import os
import threading
import time

import pytest

from resnet50_bench.instance.serving import queue as module
from resnet50_bench.instance.serving.queue import Batch, QueryQueue, SharedMemory


def make_queue(streams: int = 2) -> QueryQueue:
    return QueryQueue(SharedMemory.make("test", QueryQueue.SIZE), streams)


def read_answers(addresses: list[int]) -> list[int]:
    return [ctypes.c_int64.from_address(address).value for address in addresses]


def test_samples_are_taken_in_order_and_answered_in_any() -> None:
    queue = make_queue()
    queue.put([2**63 + 1, 12, 13], [0, 1, 2], [100, 101, 102])
    first = queue.take(0, 2, 0)
    second = queue.take(1, 2, 0)
    assert first == Batch(0, [0, 1], [100, 101])
    assert second == Batch(2, [2], [102])
    queue.answer(1, second, [-1])
    queue.answer(0, first, [7, 8])
    answered = queue.collect()
    assert answered is not None
    assert list(answered.ids) == [13]
    assert read_answers(list(answered.addresses)) == [-1]
    answered = queue.collect()
    assert answered is not None
    assert list(answered.ids) == [2**63 + 1, 12]
    assert read_answers(list(answered.addresses)) == [7, 8]
    assert (queue.put_count, queue.answered) == (3, 3)


def test_room_comes_back_when_all_before_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 8)
    queue = make_queue()
    queue.put(list(range(8)), [0] * 8, [0] * 8)
    assert queue.room == 0
    batches = [queue.take(0, 4, 0), queue.take(1, 4, 0)]
    assert batches[0] is not None
    assert batches[1] is not None
    queue.answer(1, batches[1], [0] * 4)
    queue.collect()
    assert queue.room == 0  # the slots of the first four are still in use
    queue.answer(0, batches[0], [0] * 4)
    queue.collect()
    assert queue.room == 8
    queue.put([21, 22], [5, 6], [5, 6])  # in the slots of the first
    assert queue.take(0, 4, 0) == Batch(8, [5, 6], [5, 6])


def test_a_batch_waits_for_more_until_its_first_sample_has_waited_long_enough() -> None:
    queue = make_queue(streams=1)
    queue.put([1], [0], [0])
    begin_ns = time.monotonic_ns()
    batch = queue.take(0, 4, 20_000_000)
    assert batch is not None
    assert len(batch.places) == 1
    assert time.monotonic_ns() - begin_ns >= 15_000_000
    queue.put([1, 2, 3, 4, 5], [0] * 5, [0] * 5)
    batch = queue.take(0, 4, 3_600_000_000_000)  # is full at once
    assert batch is not None
    assert len(batch.places) == 4


class Late:
    """Counts up only when somebody waits, as where who counts has to wait for that core."""

    def __init__(self) -> None:
        self.count = 0

    def post(self) -> None:
        self.count += 1

    def wait(self) -> None:
        assert self.count
        self.count -= 1

    def try_wait(self) -> bool:
        return False


@pytest.mark.parametrize(("most", "taken"), [(4, 4), (32, 6)])
def test_samples_that_are_put_together_are_taken_together(
    most: int, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue(streams=1)
    monkeypatch.setattr(queue, "_waiting", Late())
    queue.put(list(range(6)), [0] * 6, list(range(6)))
    batch = queue.take(0, most, 0)
    assert batch is not None
    assert batch.indices == list(range(taken))


@pytest.mark.parametrize("streams", [1, 3])
def test_the_end_wakes_all_who_wait(streams: int) -> None:
    queue = make_queue(streams)
    taken: list[Batch | None] = []
    threads = [
        threading.Thread(target=lambda number=number: taken.append(queue.take(number, 4, 0)))
        for number in range(streams)
    ]
    for thread in threads:
        thread.start()
    queue.end()
    for thread in threads:
        thread.join(30)
    assert taken == [None] * streams
    assert queue.collect() is None
    assert queue.ended


def test_the_end_wakes_those_who_wait_for_one_that_died_with_the_turn() -> None:
    queue = make_queue(streams=2)
    pid = os.fork()
    if pid == 0:  # takes the turn, then waits for a sample, and is killed there
        QueryQueue(SharedMemory.open(queue.memory.path)).take(0, 1, 0)
        os._exit(0)
    while not queue.find_turn():
        time.sleep(0.001)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert queue.find_turn() == [0]
    queue.end()
    assert queue.take(1, 1, 0) is None


def test_who_computes_for_too_long_is_found() -> None:
    queue = make_queue(streams=3)
    queue.put([1, 2], [0, 0], [0, 0])
    batch = queue.take(2, 1, 0)
    assert batch is not None
    assert queue.find_computing(time.monotonic_ns() + 1) == [2]
    assert queue.find_computing(1) == []
    queue.answer(2, batch, [1])
    assert queue.find_computing(time.monotonic_ns() + 1) == []


class Answered:
    """A semaphore that an answer has counted up when somebody has looked so often."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.calls: list[object] = []

    def wait(self) -> None:
        self.calls.append("wait")

    def wait_until(self, deadline_ns: int) -> bool:
        self.calls.append(deadline_ns)
        self.looks -= 1
        return self.looks < 1

    def spin(self, limit_ns: int | None) -> bool:
        self.calls.append(("spin", limit_ns))
        return True


@pytest.mark.parametrize(
    ("awake_from_ns", "looks", "calls"),
    [(None, 1, ["wait"]), (123, 1, [123]), (123, 2, [123, ("spin", None)])],
)
def test_who_collects_sleeps_until_it_is_to_be_awake(
    awake_from_ns: int | None, looks: int, calls: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = make_queue(streams=1)
    queue.put([7], [0], [0])
    batch = queue.take(0, 1, 0)
    assert batch is not None
    queue.answer(0, batch, [5])
    done = Answered(looks)
    monkeypatch.setattr(queue, "_done", done)
    answered = queue.collect(awake_from_ns=awake_from_ns)
    assert done.calls == calls
    assert answered is not None
    assert (list(answered.ids), read_answers(list(answered.addresses))) == ([7], [5])


def test_an_answer_that_comes_before_it_was_expected_is_collected_when_it_comes() -> None:
    queue = make_queue(streams=1)
    queue.put([7], [0], [0])

    def answer_one() -> None:
        batch = queue.take(0, 1, 0)
        assert batch is not None
        queue.answer(0, batch, [5])

    answering = threading.Thread(target=answer_one)
    answering.start()
    expected_ns = time.monotonic_ns() + 600_000_000_000
    answered = queue.collect(awake_from_ns=expected_ns)
    answering.join()
    assert answered is not None
    assert time.monotonic_ns() < expected_ns


def test_another_process_answers_what_is_put_here() -> None:
    queue = make_queue(streams=1)
    pid = os.fork()
    if pid == 0:
        other = QueryQueue(SharedMemory.open(queue.memory.path))
        while (batch := other.take(0, 8, 0)) is not None:
            other.answer(0, batch, [10 * place for place in batch.places])
        os._exit(0)
    answers: dict[int, int] = {}
    for first in range(0, 300, 3):
        numbers = [first, first + 1, first + 2]
        queue.put(numbers, numbers, numbers)
        while len(answers) < first + 3:
            answered = queue.collect()
            assert answered is not None
            answers.update(zip(answered.ids, read_answers(list(answered.addresses))))
    queue.end()
    assert os.waitpid(pid, 0)[1] == 0
    assert answers == {number: 10 * number for number in range(300)}
