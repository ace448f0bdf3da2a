"""When LoadGen's core sleeps while a query is out."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from resnet50_bench.scenarios import rest as module
from resnet50_bench.scenarios.rest import Rest

MS = 1_000_000


class Clock:
    """Stands still between calls of `pass_ns`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 1_000 * MS
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: self.now_ns))

    def take(self, rest: Rest, took_ns: int) -> int:
        """One query; return how long it would sleep."""
        begin_ns, awake_from_ns = self.now_ns, rest.begin()
        assert awake_from_ns is not None
        self.now_ns += took_ns
        rest.end()
        return awake_from_ns - begin_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_it_stays_awake_until_it_has_seen_what_queries_take(clock: Clock) -> None:
    rest = Rest(own_core=True)
    slept = [clock.take(rest, 32 * MS) for _ in range(17)]
    assert slept == [0] * 16 + [30 * MS]


def test_it_wakes_before_the_shortest_of_the_last_could_be_answered(clock: Clock) -> None:
    rest = Rest(own_core=True)
    for took_ms in [16, *range(40, 55)]:
        clock.take(rest, took_ms * MS)
    assert clock.take(rest, 48 * MS) == 15 * MS
    assert clock.take(rest, 48 * MS) == 40 * MS * 15 // 16  # the 16 is forgotten


def test_short_queries_leave_no_time_to_sleep(clock: Clock) -> None:
    rest = Rest(own_core=True)
    slept = [clock.take(rest, took) for took in itertools.repeat(4 * MS - 1, 30)]
    assert slept == [0] * 30


def test_of_a_query_with_many_answers_the_first_counts(clock: Clock) -> None:
    rest = Rest(own_core=True)
    for _ in range(16):
        clock.take(rest, 16 * MS)
        clock.now_ns += 100 * MS
        rest.end()
    assert clock.take(rest, 16 * MS) == 15 * MS


def test_on_a_shared_core_it_sleeps(clock: Clock) -> None:
    rest = Rest(own_core=False)
    for _ in range(20):
        assert rest.begin() is None
        clock.now_ns += 32 * MS
        rest.end()
