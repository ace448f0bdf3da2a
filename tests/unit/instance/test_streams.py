"""Streams are threads with CPUs of their own, and what they start stays there."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from resnet50_bench.instance.measure import StopRule
from resnet50_bench.instance.streams import Stream, measure_streams, warm_up

CPUS = sorted(os.sched_getaffinity(0))
two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="two streams need two CPUs; this host has one")


class Model:
    """Says where each query ran."""

    def __init__(self):
        self.threads = []
        self.opened = []

    def open_stream(self, threads):
        self.opened.append((threads, threading.get_ident(), tuple(sorted(os.sched_getaffinity(0)))))
        helper = ThreadPoolExecutor(1)

        def query(batch):
            inner = helper.submit(os.sched_getaffinity, 0).result()
            self.threads.append((threading.get_ident(), tuple(sorted(os.sched_getaffinity(0))),
                                 tuple(sorted(inner))))  # fmt: skip
            return batch

        return query


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def streams(model):
    made = [Stream((cpu,), model) for cpu in CPUS[:2]]
    yield made
    for stream in made:
        stream.close()


def fill(number):
    return SimpleNamespace(batch=lambda index: (number, index))


@two_cpus
def test_each_stream_has_a_thread_of_its_own_on_its_cpus(model, streams):
    warm_up(streams, fill, 3)
    opened = {thread: cpus for _, thread, cpus in model.opened}
    assert sorted(opened.values()) == [(CPUS[0],), (CPUS[1],)]
    assert {(thread, own) for thread, own, _ in model.threads} == set(opened.items())
    assert all(own == inner for _, own, inner in model.threads), "a thread it starts stays there"


@two_cpus
def test_the_rest_of_the_process_keeps_its_cpus(streams):
    assert streams
    assert sorted(os.sched_getaffinity(0)) == CPUS


def test_warm_up_makes_so_many_queries_of_each_streams_own_feed(streams):
    prepared = warm_up(streams, fill, 3)
    assert [len(samples.end_ns) for _, samples in prepared] == [3] * len(streams)
    assert [samples.last_answer for _, samples in prepared] == [
        (number, 2) for number in range(len(streams))
    ]


def test_measuring_begins_at_the_given_moment_and_each_stream_is_counted_by_itself(streams):
    feeds = [fill(number) for number in range(len(streams))]
    start_ns = time.monotonic_ns() + 20_000_000
    measured = measure_streams(streams, feeds, StopRule(5, 0), start_ns)
    for number, (samples, answer) in enumerate(measured):
        assert len(samples.start_ns) == len(samples.end_ns) == 5
        assert samples.start_ns[0] >= start_ns
        assert samples.cpus == streams[number].cpus
        assert answer == (number, 4)
        assert samples.cpu_ns > 0


def test_what_a_query_raises_is_raised(streams):
    def fail(_):
        raise RuntimeError("the feed is broken")

    with pytest.raises(RuntimeError, match="the feed is broken"):
        warm_up(streams, fail, 1)
