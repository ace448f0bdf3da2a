"""The search for the largest load, against machines that are written down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resnet50_bench.scenarios.bounds import MOST_PROBES, Answer, Probe, Search, plan_probe

BOUND_NS = 15_000_000


def run(search: Search, measure: Callable[[float, int], Probe]) -> tuple[Answer, list[Probe]]:
    """Search with a machine: a load and how often it was tried before -> what came of it."""
    probes: list[Probe] = []
    while not isinstance(following := plan_probe(search, probes), Answer):
        tried = sum(probe.load == following for probe in probes)
        probes.append(measure(following, tried))
        assert len(probes) <= MOST_PROBES
    return following, probes


def make_machine(largest: float) -> Callable[[float, int], Probe]:
    """A machine without noise: latency grows with the load and meets the bound at `largest`."""

    def measure(load: float, _tried: int) -> Probe:
        latency_ns = round(BOUND_NS * load / largest)
        return Probe(load, latency_ns <= BOUND_NS, latency_ns)

    return measure


@pytest.mark.parametrize("largest", [0.31, 7.0, 30.0, 31.4, 999.0, 60_000.0])
@pytest.mark.parametrize("ceiling", [None, 40.0])
def test_the_largest_is_between_what_held_and_what_did_not(
    largest: float, ceiling: float | None
) -> None:
    search = Search(start=15.0, bound_ns=BOUND_NS, ceiling=ceiling)
    answer, probes = run(search, make_machine(largest))
    assert answer.settled
    assert answer.load is not None
    assert answer.missed is not None
    assert answer.load <= largest < answer.missed <= answer.load * 1.0201
    assert sum(probe.holds for probe in probes if probe.load == answer.load) >= 2


@pytest.mark.parametrize("largest", [1, 2, 7, 8, 9, 100])
def test_whole_loads_end_at_neighbours(largest: int) -> None:
    search = Search(start=8.0, bound_ns=BOUND_NS, whole=True)
    answer, probes = run(search, make_machine(largest))
    assert (answer.load, answer.missed) == (largest, largest + 1)
    assert all(probe.load == int(probe.load) >= 1 for probe in probes)


def test_where_none_holds_there_is_no_load() -> None:
    search = Search(start=8.0, bound_ns=BOUND_NS, whole=True)
    answer, _ = run(search, lambda load, _: Probe(load, False, 10 * BOUND_NS))
    assert answer == Answer(None, 1.0)
    answer, probes = run(
        Search(start=64.0, bound_ns=BOUND_NS), lambda load, _: Probe(load, False, 10 * BOUND_NS)
    )
    assert answer.load is None
    assert min(probe.load for probe in probes) == 64 / 1024


def test_near_the_bound_two_of_three_decide() -> None:
    """At 20 the first run misses by a little, the next two hold: it holds."""

    def measure(load: float, tried: int) -> Probe:
        if load == 20:
            held = tried > 0
            return Probe(load, held, round(BOUND_NS * (0.97 if held else 1.03)))
        return make_machine(20.0)(load, tried)

    answer, probes = run(Search(start=20.0, bound_ns=BOUND_NS, whole=True), measure)
    assert [probe.holds for probe in probes[:3]] == [False, True, True]
    assert answer.load == 20


def test_a_clear_result_that_the_confirmation_contradicts_is_decided_by_a_third() -> None:
    """8 held with room to spare, then missed twice: the answer is below it."""

    def measure(load: float, tried: int) -> Probe:
        if load == 8:
            return Probe(load, tried == 0, BOUND_NS // 2 if tried == 0 else 2 * BOUND_NS)
        return make_machine(8.0)(load, tried)

    answer, _ = run(Search(start=8.0, bound_ns=BOUND_NS, whole=True), measure)
    assert (answer.load, answer.missed) == (7, 8)


def test_noise_that_never_settles_is_told() -> None:
    """Every load below 1e9 holds: the search ends, and says that it did not settle."""
    answer, probes = run(
        Search(start=1e-6, bound_ns=BOUND_NS), lambda load, _: Probe(load, True, 1)
    )
    assert not answer.settled
    assert len(probes) == MOST_PROBES
