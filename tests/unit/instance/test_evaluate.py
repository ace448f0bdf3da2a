"""The evaluation loop with a scripted model and scripted images: exact answers, no clock."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from resnet50_bench.data.sources import UnreadableImage
from resnet50_bench.instance.evaluate import Batches, Timings, evaluate, pack_scores
from resnet50_bench.instance.predictions import unpack_rows
from resnet50_bench.instance.streams import Stream

CLASSES = 1001
TIMEOUT_S = 60


class Images:
    """An image holds its position in every value; some cannot be read."""

    def __init__(self, unreadable=()):
        self.unreadable = set(unreadable)

    def load_into(self, position, out):
        if position in self.unreadable:
            raise UnreadableImage(str(position), f"is broken at {position}")
        out[:] = position


class Model:
    """Answers every stream alike."""

    def __init__(self, query):
        self._query = query

    def open_stream(self, threads):
        assert threads == 1
        return self._query


def answer_position(images):
    """The class of an image is the value it holds plus 1."""
    scores = np.zeros((len(images), CLASSES), np.float32)
    for place, image in enumerate(images):
        assert (image == image[0, 0, 0]).all()
        scores[place, int(image[0, 0, 0]) + 1] = 1
    return scores


def run(count, size, streams=1, unreadable=(), query=answer_position, *, timings=None):
    batches = [range(first, min(first + size, count)) for first in range(0, count, size)]
    reports, timings = [], timings or Timings()
    model = Model(query)
    cpu = min(os.sched_getaffinity(0))
    workers = [Stream((cpu,), model) for _ in range(streams)]
    try:
        evaluate(
            workers,
            Images(unreadable),
            Batches(batches, size),
            lambda rows, broken: reports.append((rows, broken)),
            timings,
        )
    finally:
        for worker in workers:
            worker.close()
    answers = {}
    for rows, _ in reports:
        for prediction in unpack_rows(rows):
            assert prediction.position not in answers
            answers[prediction.position] = prediction.classes[0]
    return answers, dict(item for _, broken in reports for item in broken), timings


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize(("count", "size"), [(1, 1), (12, 4), (13, 4), (3, 8)])
def test_every_image_is_answered_once_with_its_own_answer(count, size, streams):
    answers, unreadable, timings = run(count, size, streams)
    assert answers == {position: position + 1 for position in range(count)}
    assert unreadable == {}
    batches = -(-count // size)
    assert [len(timings.prepare_ns), len(timings.start_ns), len(timings.end_ns)] == [batches] * 3
    assert timings.end_ns == sorted(timings.end_ns)


def test_queries_are_in_the_order_of_their_ends_however_late_a_stream_notes_its_own(monkeypatch):
    ended, noted = threading.Event(), threading.Event()

    class Ends(list):
        def append(self, value):
            super().append(value)
            noted.set()

    def pack(batch, scores, unreadable):
        if 0 in batch:  # has ended, and is noted only after the other
            ended.set()
            assert noted.wait(TIMEOUT_S)
        return pack_scores(batch, scores, unreadable)

    def query(images):
        if images[0, 0, 0, 0] > 0:
            assert ended.wait(TIMEOUT_S)
        return answer_position(images)

    monkeypatch.setattr("resnet50_bench.instance.evaluate.pack_scores", pack)
    timings = Timings([], [], Ends())
    run(8, 4, streams=2, query=query, timings=timings)
    assert len(timings.end_ns) == 2
    assert timings.end_ns == sorted(timings.end_ns)


@pytest.mark.parametrize("streams", [1, 2])
def test_unreadable_images_shift_nothing(streams):
    answers, unreadable, _ = run(13, 4, streams, unreadable=(0, 5, 12))
    assert unreadable == {position: f"is broken at {position}" for position in (0, 5, 12)}
    assert answers == {
        position: position + 1 for position in range(13) if position not in unreadable
    }


def test_every_query_is_a_full_batch_and_empty_places_hold_zeros():
    seen = []

    def query(images):
        seen.append([float(image[0, 0, 0]) for image in images])
        return answer_position(images)

    run(6, 4, unreadable=(1,), query=query)
    assert seen == [[0, 0, 2, 3], [4, 5, 0, 0]]


def test_what_a_query_raises_ends_every_stream():
    calls = []
    lock = threading.Lock()

    def query(images):
        with lock:
            calls.append(1)
            if len(calls) == 3:
                raise RuntimeError("the third query fails")
        return answer_position(images)

    with pytest.raises(RuntimeError, match="the third query fails"):
        run(400, 4, streams=2, query=query)
    assert len(calls) < 100


def test_streams_work_at_the_same_time():
    both = threading.Barrier(2)

    def query(images):
        both.wait(TIMEOUT_S)  # passes only when two streams are inside a query at once
        return answer_position(images)

    assert len(run(8, 4, streams=2, query=query)[0]) == 8


def test_answers_are_reported_while_it_goes_on(monkeypatch):
    monkeypatch.setattr("resnet50_bench.instance.evaluate.REPORT_INTERVAL_NS", 0)
    reports = []
    batches = Batches([range(2), range(2, 4)], 2)
    stream = Stream(sorted(os.sched_getaffinity(0))[:1], Model(answer_position))
    evaluate([stream], Images(), batches, lambda *report: reports.append(report), Timings())
    stream.close()
    positions = [[item.position for item in unpack_rows(rows)] for rows, _ in reports]
    assert positions == [[0, 1], [2, 3], []]


def test_the_five_best_are_packed_and_ties_go_to_the_lower_class():
    scores = np.zeros((3, CLASSES), np.float32)
    scores[0, [10, 20, 30]] = [0.25, 0.5, 0.25]
    scores[1, 1000] = 1
    rows = list(unpack_rows(pack_scores([4, 5], scores, {})))
    assert [row.position for row in rows] == [4, 5]
    assert rows[0].classes == (20, 10, 30, 0, 1)
    assert rows[0].scores == (0.5, 0.25, 0.25, 0, 0)
    assert rows[1].classes == (1000, 0, 1, 2, 3)
    assert [row.position for row in unpack_rows(pack_scores([4, 5], scores, {4: "broken"}))] == [5]
