import os
import threading

import numpy as np
import pytest

from resnet50_bench.engines.onednn import threads
from resnet50_bench.engines.onednn.threads import Crew, plan_shares


@pytest.fixture(autouse=True)
def no_openmp(monkeypatch):
    """Its library need not be there."""
    monkeypatch.setattr(threads, "Team", lambda cpus, count: None)


@pytest.mark.parametrize(
    ("cpus", "threads", "callers", "shares"),
    [
        ((4, 5), 2, 2, ((4,), (5,))),
        ((4, 5), 2, 1, ((4, 5),)),
        ((4, 5, 6, 7), 4, 2, ((4, 5), (6, 7))),
        ((4, 5, 6, 7), 2, 2, ((), ())),  # two hardware threads a core: the kernel decides
        ((4,), 2, 2, ((), ())),
    ],
)
def test_each_caller_has_its_share_of_the_cpus(cpus, threads, callers, shares):
    assert plan_shares(cpus, threads, callers) == shares


@pytest.mark.parametrize(
    ("images", "parts"), [(5, [[0, 1], [2, 3, 4]]), (2, [[0], [1]]), (1, [[0]])]
)
def test_a_crew_shares_out_all_images_in_their_order(images, parts):
    seen = {}

    def open_run():
        def run(part, scores):
            seen[part[0]] = part.tolist()
            scores[:] = part + 100

        return run

    crew = Crew([(), ()], 1)
    crew.open(open_run)
    scores = np.zeros(images, np.int64)
    crew(np.arange(images), scores)
    crew.close()
    assert [seen[first] for first in sorted(seen)] == parts
    assert scores.tolist() == [100 + number for number in range(images)]


def test_the_callers_of_a_crew_are_on_their_cpus_and_the_one_that_asks_is_not():
    cpus = sorted(os.sched_getaffinity(0))
    shares = [(cpu,) for cpu in cpus[:2]]
    seen = []

    def open_run():
        own = os.sched_getaffinity(0)
        seen.append(own)
        return lambda part, scores: None

    crew = Crew(shares, 1)
    crew.open(open_run)
    crew.close()
    assert sorted(map(sorted, seen)) == [list(share) for share in shares]
    assert sorted(os.sched_getaffinity(0)) == cpus


def test_what_a_caller_fails_with_is_raised_where_it_was_asked():
    def open_run():
        def run(part, scores):
            raise MemoryError("none left")

        return run

    crew = Crew([()], 1)
    crew.open(open_run)
    with pytest.raises(MemoryError, match="none left"):
        crew(np.zeros(1), np.zeros(1))
    crew.close()


def test_callers_do_what_they_are_told_at_the_same_time():
    together = threading.Barrier(2)
    crew = Crew([(), ()], 1)
    assert crew.do(lambda: together.wait(timeout=60) in (0, 1)) == [True, True]
    crew.close()
