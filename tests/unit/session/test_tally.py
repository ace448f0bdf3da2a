"""Every image is one instance's to see, and what else comes back is counted."""

from __future__ import annotations

from resnet50_bench.instance.job import Predicted
from resnet50_bench.instance.predictions import Prediction, pack_row
from resnet50_bench.results.record import Share
from resnet50_bench.session.tally import Tally


def answer(*positions: int, unreadable: tuple[int, ...] = ()) -> Predicted:
    best = (1, 0, 0, 0, 0), (1.0, 0.0, 0.0, 0.0, 0.0)
    rows = b"".join(pack_row(Prediction(position, *best)) for position in positions)
    return Predicted("mlperf", rows, tuple((position, "is empty") for position in unreadable))


def describe(tally: Tally, *kept: int) -> list[Share]:
    return list(tally.describe(frozenset(kept), lambda instance: f"host{instance}"))


def test_what_was_asked_and_came_back_once():
    tally = Tally([(0, 1, 4), (2, 3)])
    tally.add(1, answer(2, unreadable=(3,)))
    tally.add(0, answer(0, 1))
    tally.add(0, answer(4))
    assert describe(tally, 0, 1, 2, 3, 4) == [
        Share(instance=0, host="host0", asked=3),
        Share(instance=1, host="host1", asked=2),
    ]


def test_what_is_missing_is_what_nobody_ever_answered():
    tally = Tally([(0, 1, 4), (2, 3)])
    tally.add(0, answer(4))
    # 3 was answered in an earlier part of the run.
    assert [share.missing for share in describe(tally, 3, 4)] == [(0, 1), (2,)]


def test_answers_too_many_are_counted_where_they_came_from():
    tally = Tally([(0, 1), (2, 3)])
    tally.add(0, answer(0, 1, 1))
    tally.add(1, answer(2, 0, unreadable=(3, 9)))
    counts = [(share.repeated, share.strange) for share in describe(tally, 0, 1, 2, 3, 9)]
    assert counts == [(1, 0), (1, 2)]
