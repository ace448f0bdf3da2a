"""Hand-made counters: 100 ticks a second, two CPUs of one instance, a window of 20 s."""

from __future__ import annotations

from dataclasses import replace

import pytest

from resnet50_bench.contention.samples import Contention, CpuSample
from resnet50_bench.contention.shares import Territory, compute_increase, compute_taken
from resnet50_bench.contention.territory import list_cpus, plan_territories
from resnet50_bench.host.machine import Core

SECOND = 1_000_000_000
PAIR = Territory(index=0, cpus=(0, 1))


def make_sample(at_s: float, busy=(0, 0), own_s: float = 0, **changes) -> CpuSample:
    fields = {
        "at_ns": round(at_s * SECOND),
        "busy_ticks": busy,
        "interrupt_ticks": (0,) * len(busy),
        "steal_ticks": (0,) * len(busy),
        "own_ns": (round(own_s * SECOND),),
    }
    return CpuSample(**(fields | changes))


def watch(*samples: CpuSample, cpus=(0, 1)) -> Contention:
    return Contention(cpus=cpus, ticks_per_s=100, samples=samples)


def take(contention: Contention, territory: Territory = PAIR, begin_s=100, end_s=120):
    taken = compute_taken(contention, territory, begin_s * SECOND, end_s * SECOND)
    assert taken is not None
    return taken


def test_what_is_busy_and_not_ours_is_others():
    # 2 x 20 s busy, 30 s of them ours: 10 of 40 s are somebody else's.
    taken = take(watch(make_sample(100), make_sample(120, (2000, 2000), 30)))
    assert taken.window.processes == pytest.approx(0.25)
    assert taken.window.total == pytest.approx(0.25)
    assert [tenth.total for tenth in taken.tenths] == pytest.approx([0.25] * 10)
    assert taken.resolution == pytest.approx(0.0005)


def test_ours_alone_is_nothing():
    assert take(watch(make_sample(100), make_sample(120, (1900, 1900), 38))).window.total == 0


def test_our_exact_clock_may_run_ahead_of_the_kernels_ticks():
    assert take(watch(make_sample(100), make_sample(120, (1899, 1900), 38))).window.total == 0


def test_counters_before_the_window_do_not_count():
    # Others are busy from 90 to 100 only.
    contention = watch(
        make_sample(90), make_sample(100, (1000, 0), 0), make_sample(120, (3000, 2000), 40)
    )
    assert take(contention).window.total == 0


def test_each_tenth_has_its_own_share():
    # Others have one of two CPUs in the third tenth, 104 .. 106, and nothing else.
    contention = watch(
        make_sample(100),
        make_sample(104, (400, 400), 8),
        make_sample(106, (600, 600), 10),
        make_sample(120, (2000, 2000), 38),
    )
    taken = take(contention)
    assert [tenth.total for tenth in taken.tenths] == pytest.approx([0, 0, 0.5, *[0] * 7], abs=1e-9)
    assert taken.window.total == pytest.approx(0.05)


def test_a_sample_on_neither_edge_counts_in_part():
    # 90 .. 110 and 110 .. 130: half of each lies in the window.
    contention = watch(
        make_sample(90), make_sample(110, (2000, 2000), 40), make_sample(130, (4000, 4000), 60)
    )
    assert take(contention).window.processes == pytest.approx(0.25)


def test_steal_and_interrupts_are_parts_of_their_own():
    end = make_sample(120, (1600, 1600), 32, interrupt_ticks=(100, 0), steal_ticks=(300, 100))
    shares = take(watch(make_sample(100), end)).window
    assert (shares.processes, shares.siblings) == (0, 0)
    assert (shares.interrupts, shares.steal) == pytest.approx((0.025, 0.1))
    assert shares.total == pytest.approx(0.125)


def test_a_busy_sibling_thread_is_no_work_on_our_cpus():
    contention = watch(
        make_sample(100, (0, 0, 0, 0)),
        make_sample(120, (2000, 2000, 2000, 0), 40),
        cpus=(0, 1, 4, 5),
    )
    shares = take(contention, replace(PAIR, siblings=(4, 5))).window
    assert (shares.processes, shares.siblings) == pytest.approx((0, 0.5))


def test_instances_have_their_own_clocks_and_cpus():
    contention = watch(
        make_sample(100, (0,) * 4, own_ns=(0, 0)),
        make_sample(120, (2000,) * 4, own_ns=(40 * SECOND, 20 * SECOND)),
        cpus=(0, 1, 2, 3),
    )
    second = Territory(index=1, cpus=(2, 3))
    assert take(contention).window.processes == 0
    assert take(contention, second).window.processes == pytest.approx(0.5)


@pytest.mark.parametrize("edges", [(100, 100), (120, 100)])
def test_no_window_no_answer(edges):
    contention = watch(make_sample(100), make_sample(120))
    assert compute_taken(contention, PAIR, edges[0] * SECOND, edges[1] * SECOND) is None


def test_one_sample_is_no_difference():
    assert compute_taken(watch(make_sample(100)), PAIR, 0, 1) is None


def test_a_counters_increase():
    contention = watch(make_sample(100, heat_stops=5), make_sample(120, heat_stops=9))
    assert compute_increase(contention, 100 * SECOND, 110 * SECOND, lambda s: s.heat_stops) == 2


def test_territories_know_the_other_threads_of_their_cores():
    cores = [Core((k, k + 4), socket=0, node=0) for k in range(4)]
    territories = plan_territories(cores, [(0, 1), (2,)])
    assert territories == (
        Territory(index=0, cpus=(0, 1), siblings=(4, 5)),
        Territory(index=1, cpus=(2,), siblings=(6,)),
    )
    assert list_cpus(territories) == (0, 1, 2, 4, 5, 6)


def test_with_smt_nobody_else_has_a_thread():
    cores = [Core((k, k + 2), socket=0, node=0) for k in range(2)]
    territories = plan_territories(cores, [(0, 1, 2, 3)])
    assert territories == (Territory(index=0, cpus=(0, 1, 2, 3)),)
