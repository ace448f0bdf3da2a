"""Where LoadGen runs, how long who waits stays awake, and how much is expected."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.hosts.synthetic import Machine
from tests.records import make_slot

from resnet50_bench.config import Mode
from resnet50_bench.errors import PlacementError
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.scenarios.amounts import Pace, expect_amount, plan_expected
from resnet50_bench.scenarios.messages import Settled
from resnet50_bench.scenarios.plan import (
    AWAKE_NS,
    count_streams,
    plan_awake_ns,
    plan_batch_sizes,
    plan_issuer_cpus,
)
from resnet50_bench.scenarios.request import IssuerCore, LoadgenMode, LoadgenRequest, Scenario

HOST = Machine(nodes=(4,), smt=2).host()


def place(cores: int, instances: int):
    request = PlacementRequest(Mode.LATENCY, cores_per_instance=cores, instances=instances)
    return plan_placement(HOST, request)


def test_loadgen_has_the_last_core_that_nobody_has() -> None:
    cpus, own = plan_issuer_cpus(HOST, place(1, 2), IssuerCore.AUTO)
    assert own
    assert cpus == HOST.cores[-1].cpus[:1]


def test_without_a_core_of_its_own_it_shares_those_of_the_instances() -> None:
    full = place(2, 2)
    taken = tuple(sorted(cpu for slot in full.slots for cpu in slot.cpus))
    assert plan_issuer_cpus(HOST, full, IssuerCore.AUTO) == (taken, False)
    with pytest.raises(PlacementError, match="--loadgen-core own") as raised:
        plan_issuer_cpus(HOST, full, IssuerCore.OWN)
    assert "--cores-per-instance" in (raised.value.advice or "")
    assert plan_issuer_cpus(HOST, place(1, 1), IssuerCore.SHARED)[1] is False


def test_nobody_stays_awake_where_another_needs_the_core_or_the_interpreter() -> None:
    slot = make_slot()
    assert plan_awake_ns(slot, own_core=True) == AWAKE_NS
    assert plan_awake_ns(slot, own_core=False) == 0
    assert plan_awake_ns(replace(slot, streams=((0,), (1,))), own_core=True) == 0


def test_streams_are_counted_over_all_instances() -> None:
    placement = place(2, 2)
    streamed = replace(placement.slots[0], streams=((0,), (1,)))
    assert count_streams(placement) == 2
    assert count_streams(replace(placement, slots=(streamed, placement.slots[1]))) == 3


def test_offline_computes_full_batches_alone() -> None:
    assert plan_batch_sizes(Scenario.OFFLINE, 32) == (32,)
    assert plan_batch_sizes(Scenario.SERVER, 4) == (1, 2, 3, 4)


PACE = Pace(batch_ns=40_000_000, images_per_s=50.0, images_at_once=2)


def settle(**changes) -> Settled:
    fields = {
        "version": "6", "samples": 8, "min_time_ms": 10_000, "min_queries": 100,
        "samples_per_query": 1,
    }  # fmt: skip
    return Settled(**fields | changes)


@pytest.mark.parametrize(
    ("scenario", "settled", "qps", "amount"),
    [
        (Scenario.OFFLINE, settle(), None, (550, 11.0)),
        (Scenario.OFFLINE, settle(min_queries=24_576), None, (24_576, 491.52)),
        (Scenario.OFFLINE, settle(), 100.0, (1100, 22.0)),
        (Scenario.SINGLE_STREAM, settle(), None, (250, 10.0)),
        (Scenario.SINGLE_STREAM, settle(min_queries=1000), None, (1000, 40.0)),
        (Scenario.MULTI_STREAM, settle(samples_per_query=8), None, (800, 16.0)),
        (Scenario.SERVER, settle(target_qps=5.0), 5.0, (100, 20.0)),
        (Scenario.SERVER, settle(target_qps=40.0), 40.0, (400, 10.0)),
    ],
)
def test_amounts(scenario, settled, qps, amount) -> None:
    request = LoadgenRequest(scenario=scenario, target_qps=qps)
    found = expect_amount(PACE, settled, request, 1000)
    assert (found.samples, found.seconds) == (amount[0], pytest.approx(amount[1]))


def test_accuracy_asks_for_every_image() -> None:
    request = LoadgenRequest(scenario=Scenario.OFFLINE, mode=LoadgenMode.ACCURACY)
    assert expect_amount(PACE, settle(), request, 1000).samples == 1000


def test_an_engine_that_takes_no_time_plans_no_endless_run() -> None:
    pace = Pace(batch_ns=100, images_per_s=3e8, images_at_once=32)
    for scenario in (Scenario.OFFLINE, Scenario.SINGLE_STREAM):
        request = LoadgenRequest(scenario=scenario)
        expected = plan_expected(pace, settle(), request)
        assert expected.qps <= 100_000
        assert expected.latency_ns >= 20_000
        assert expect_amount(pace, settle(), request, 8).samples <= 1_100_000


@pytest.mark.parametrize("images_at_once", [1, 7, 32, 1024])
def test_offlines_samples_fill_every_batch(images_at_once: int) -> None:
    """LoadGen takes 1.1 times the rate it expects, for the shortest time allowed, cut to a whole."""
    pace = replace(PACE, images_at_once=images_at_once)
    request = LoadgenRequest(scenario=Scenario.OFFLINE)
    settled = settle()
    qps = plan_expected(pace, settled, request).qps
    samples = int(1.1 * qps * settled.min_time_ms / 1000)
    assert samples % images_at_once == 0
    assert expect_amount(pace, settled, request, 8).samples == samples
    assert qps >= PACE.images_per_s
    told = replace(request, target_qps=33.0)
    assert plan_expected(pace, settled, told).qps == 33.0


def test_the_latency_that_is_told_leaves_room_for_a_faster_run() -> None:
    """LoadGen prepares queries for it: too long a latency would end the run before its time."""
    request = LoadgenRequest(scenario=Scenario.SINGLE_STREAM)
    assert plan_expected(PACE, settle(), request).latency_ns < PACE.batch_ns / 2
