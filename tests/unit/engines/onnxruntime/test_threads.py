import os

import pytest

from resnet50_bench.engines.onnxruntime.engine import check_threads, plan_affinities
from resnet50_bench.errors import HostError


@pytest.mark.parametrize(
    ("own", "cpus", "planned"),
    [
        (3, (4, 5, 6, 7), (5, 6, 7)),  # one thread calls
        (2, (4, 5, 6, 7), ()),  # two call: which CPUs are left is not known
        (0, (4,), ()),
        (0, (4, 5), ()),
    ],
)
def test_each_thread_of_a_session_gets_a_cpu_where_one_thread_calls(own, cpus, planned):
    assert plan_affinities(own, cpus) == planned


def test_threads_where_they_should_be_are_right():
    check_threads(2, (5, 6), lambda: [{6}, {5}])
    check_threads(0, (), list)
    check_threads(1, (), lambda: [os.sched_getaffinity(0)])


def test_threads_that_are_still_on_their_way_are_waited_for():
    seen = iter([[], [{4, 5}], [{5}]])
    check_threads(1, (5,), lambda: next(seen))
    assert list(seen) == []


@pytest.mark.parametrize(
    ("own", "cpus", "seen", "found"),
    [
        (2, (5, 6), [{5}, {5, 6}], r"2 threads of its own on CPUs 5, 6; .* CPUs: 5; 5,6"),
        (2, (5, 6), [{5}], r"CPUs: 5$"),
        (1, (), [], r"1 threads of its own; .* CPUs: none"),
        (0, (), [{3}], r"0 threads of its own; .* CPUs: 3"),
    ],
)
def test_threads_elsewhere_more_or_fewer_are_refused(monkeypatch, own, cpus, seen, found):
    monkeypatch.setattr("resnet50_bench.engines.onnxruntime.engine._PINNED_WITHIN_S", 0.0)
    with pytest.raises(HostError, match=found):
        check_threads(own, cpus, lambda: seen)
