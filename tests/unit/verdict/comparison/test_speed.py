"""Whether speeds may be compared, and what a comparison of them shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import (
    BEGIN_NS,
    MS,
    SECOND,
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_instance,
    make_queries,
    make_record,
)

from resnet50_bench.config import Mode, Precision, RunConfig
from resnet50_bench.errors import RequestError
from resnet50_bench.verdict.comparison.differences import (
    Weight,
    find_mixed,
    find_speed_differences,
)
from resnet50_bench.verdict.comparison.speed import (
    Outcome,
    compare_speeds,
    find_rounds,
    read_side,
)

CONFIG = RunConfig(cores_per_instance=2, instances=1)


def run(query_ms: float, number: int = 0, config: RunConfig = CONFIG, **changes):
    """A run whose queries take so long, made as the `number`-th."""
    queries = make_queries(BEGIN_NS + number, 60, round(query_ms * MS))
    workload = changes.pop("min_time_s", 1)
    return make_record(
        replace(config, min_time_s=workload),
        instances=[make_instance(0, queries)],
        run_id=f"run-{number}",
        created=f"2026-01-02T03:{number:02d}:00+00:00",
        **changes,
    )


def side(name: str, *times: float, first: int = 0, step: int = 1, **changes):
    runs = [run(item, first + step * place, **changes) for place, item in enumerate(times)]
    return read_side(name, runs)


def outcome(*sides, **options):
    speeds = compare_speeds(sides, **options)
    return [(item.outcome, item.more_runs) for item in speeds.comparisons]


SLOW = (500.0, 503.0, 497.0)
FAST = (450.0, 453.0, 447.0)


def test_a_clear_difference_is_told_with_its_sign():
    slow, fast = side("slow", *SLOW), side("fast", *FAST, first=3)
    assert outcome(slow, fast) == [(Outcome.FASTER, 0)]
    assert outcome(fast, slow) == [(Outcome.SLOWER, 0)]
    effect = compare_speeds([slow, fast]).comparisons[0].effect
    assert effect.change == pytest.approx(500 / 450 - 1, rel=1e-3)
    assert effect.pairs is None


def test_nearly_the_same_is_no_difference_when_the_interval_is_tight():
    tight = side("A", 500.0, 500.5, 499.5, 500.0), side("B", 500.2, 499.8, 500.4, 500.0, first=10)
    assert outcome(*tight) == [(Outcome.NO_DIFFERENCE, 0)]


def test_what_scatters_cannot_be_told_yet_and_how_many_runs_would_tell_is():
    wide = side("A", 500.0, 520.0, 480.0), side("B", 505.0, 515.0, 470.0, first=10)
    [(shown, more)] = outcome(*wide)
    assert shown is Outcome.UNKNOWN
    assert 30 < more < 400
    [(_, fewer)] = outcome(*wide, smallest=0.2)
    assert fewer < more / 5


def test_scatter_beyond_all_planning():
    wide = side("A", 500.0, 900.0), side("B", 300.0, 800.0, first=10)
    assert outcome(*wide, smallest=0.001) == [(Outcome.UNKNOWN, None)]


def test_one_run_of_each_is_judged_by_an_assumed_scatter():
    speeds = compare_speeds([side("A", 500.0), side("B", 490.0, first=1)])
    [item] = speeds.comparisons
    assert (item.outcome, item.assumed) == (Outcome.UNKNOWN, True)
    assert item.more_runs == 8  # of a scatter of 2 %, see test_effects
    assert outcome(side("A", 500.0), side("B", 400.0, first=1)) == [(Outcome.FASTER, 0)]


def test_rounds_are_compared_one_by_one():
    # The machine becomes 40 % slower meanwhile, which meets both alike.
    times = [500.0 * (1 + 0.1 * number) for number in range(5)]
    base = side("A", *times, step=2)
    other = side("B", *[item * 0.98 for item in times], first=1, step=2)
    [item] = compare_speeds([base, other]).comparisons
    assert (item.outcome, item.effect.pairs) == (Outcome.FASTER, 5)
    assert item.effect.change == pytest.approx(1 / 0.98 - 1)
    apart = side("B", *[item * 0.98 for item in times], first=20, step=2)
    assert outcome(base, apart)[0][0] is Outcome.UNKNOWN


def test_a_last_round_that_was_not_completed_does_not_count():
    base, other = side("A", *SLOW, 500.0, step=2), side("B", *SLOW, first=1, step=2)
    assert len(find_rounds(base, other)) == 3


def test_within_a_second_the_clock_of_the_host_orders_them():
    made = {"created": "2026-01-02T03:00:00+00:00"}
    runs = [replace(run(500.0, number), **made) for number in range(8)]
    base, other = read_side("A", runs[::2]), read_side("B", runs[1::2])
    assert len(find_rounds(base, other)) == 4


def test_of_three_sides_each_has_a_wider_interval():
    two = compare_speeds([side("A", *SLOW), side("B", *FAST, first=3)])
    three = compare_speeds([side("A", *SLOW), side("B", *FAST, first=3), side("C", *FAST, first=6)])
    assert [item.place for item in three.comparisons] == [1, 2]
    assert three.comparisons[0].effect.confidence == pytest.approx(0.975)
    assert three.comparisons[0].effect.half_width > two.comparisons[0].effect.half_width


def test_latency_compares_the_time_of_a_query():
    config = replace(CONFIG, mode=Mode.LATENCY, steps=60)
    runs = [
        side(name, *times, first=first, config=config)
        for name, times, first in (("A", SLOW, 0), ("B", FAST, 3))
    ]
    speeds = compare_speeds(runs)
    assert speeds.sides[0].speed == pytest.approx(2.0, rel=1e-3)
    assert speeds.comparisons[0].outcome is Outcome.FASTER


def test_invalid_runs_do_not_count_unless_forced():
    bad = run(400.0, 5, min_time_s=60)
    good = [run(item, number) for number, item in enumerate(SLOW)]
    read = read_side("A", [*good, bad])
    assert len(read.runs) == 3
    assert read.left_out == (("run-5", "INVALID"),)
    assert len(read_side("A", [*good, bad], force=True).runs) == 4
    with pytest.raises(RequestError, match="A holds no run whose speed can be compared: run-5"):
        read_side("A", [bad])


def test_runs_without_a_speed_say_why():
    accuracy = make_accuracy_record(make_evaluation_of_zeros([0]))
    interrupted = replace(run(500.0), status="interrupted")
    with pytest.raises(RequestError, match=r"\(interrupted\); .*r50 accuracy compare"):
        read_side("A", [accuracy, interrupted])


def test_one_side_is_one_thing_repeated():
    batch = replace(CONFIG, batch_size=8)
    mixed = [run(500.0), run(500.0, 1, config=batch)]
    with pytest.raises(RequestError, match=r"of A are not one thing repeated.*batch size"):
        read_side("A", mixed)
    assert len(read_side("A", mixed, force=True).runs) == 2
    assert find_mixed([run(500.0), run(500.0, 1, min_time_s=2)]) == ()


def test_what_measures_another_thing_is_refused_unless_forced():
    other = read_side(
        "B", [run(400.0, config=replace(CONFIG, precision=Precision.AVX_INT8))], force=True
    )
    base = side("A", *SLOW)
    with pytest.raises(RequestError, match=r"precision: avx_fp32 \| avx_int8"):
        compare_speeds([base, other])
    assert compare_speeds([base, other], force=True).comparisons[0].outcome is Outcome.FASTER


def test_throughput_and_latency_are_never_compared():
    other = side("B", *SLOW, config=replace(CONFIG, mode=Mode.LATENCY, steps=60))
    with pytest.raises(RequestError, match="no two measurements of one thing"):
        compare_speeds([side("A", *SLOW), other], force=True)


def test_differences_say_how_much_they_matter():
    host = replace(make_record().host, kernel="6.9")
    sides = [[run(500.0)], [run(500.0, 1, config=replace(CONFIG, batch_size=8), host=host)]]
    found = {item.what: (item.weight, item.values) for item in find_speed_differences(sides)}
    assert found["batch size"] == (Weight.SWAYS, ("32", "8"))
    assert found["kernel"][1][1] == "6.9"
    assert set(found) == {"batch size", "kernel"}
    seeds = [[run(500.0)], [run(500.0, 1, config=replace(CONFIG, seed=3))]]
    [seed] = find_speed_differences(seeds)
    assert (seed.what, seed.weight) == ("seed", Weight.AMOUNT)
    assert find_speed_differences([[run(SECOND / MS)], [run(SECOND / MS, 1)]]) == ()
