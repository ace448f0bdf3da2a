from collections import Counter

import pytest
from tests.records import BEGIN_NS, MS, make_instance, make_queries, make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.engines.tools import ToolFigures
from resnet50_bench.search.programs import (
    Meeting,
    conclude,
    measure_between,
    meet,
    plan_meetings,
    plan_ways,
)

WAYS = plan_ways(RunConfig(engine="openvino", batch_size=8), 4)


def test_one_query_at_a_time_on_all_cores_and_a_stream_on_each():
    whole, streams = WAYS
    assert (whole.streams, whole.config.instances, whole.config.cores_per_instance) == (1, 1, 4)
    assert not whole.config.weight_sharing
    assert (streams.streams, streams.config.instances, streams.config.cores_per_instance) == (
        4,
        4,
        1,
    )
    assert streams.config.weight_sharing


def test_every_round_has_each_side_of_each_way_once_in_an_order_of_its_own():
    found = list(plan_meetings(WAYS, 6, 0))
    assert set(Counter((n, way.name, tool) for n, way, tool in found).values()) == {1}
    assert len(found) == 6 * 2 * 2
    # The two sides of a way stand beside each other.
    pairs = [(found[i], found[i + 1]) for i in range(0, len(found), 2)]
    assert all(a[1] is b[1] and a[2] is not b[2] for a, b in pairs)
    assert len({(a[1].name, a[2]) for a, _ in pairs}) == 4
    assert list(plan_meetings(WAYS, 6, 0)) == found


def test_a_pair_is_our_rate_beside_the_programs():
    queries = make_queries(BEGIN_NS, 40, 475 * MS, gap_ns=25 * MS)
    record = make_record(instances=[make_instance(n, queries) for n in (0, 1)])
    found = meet(record, ToolFigures(100.0, 5.0))
    assert found.between == pytest.approx(39 * 25 / (40 * 500 - 25))
    assert found.ratio == found.ours / 100.0
    assert measure_between(make_record()) == 0.0


def rounds(*ratios):
    return [Meeting(100 * ratio, 100.0, 0.002) for ratio in ratios]


def test_within_one_percent_is_the_same():
    found = conclude(WAYS[0], rounds(1.002, 0.995, 1.004))
    assert (found.close, found.reason, found.rounds) == (True, None, 3)
    assert found.ratio == pytest.approx(1.002)


def test_what_the_rounds_cannot_tell_is_said():
    found = conclude(WAYS[0], rounds(1.10, 0.92, 1.04, 0.95, 1.06))
    assert not found.close
    assert (found.reason or "").startswith("not told apart from 1 %")


def test_a_certain_difference_is_explained_by_what_was_measured():
    found = conclude(WAYS[0], rounds(0.951, 0.950, 0.949, 0.950))
    assert "certain by the rounds; 0.20% of our time is between queries" in (found.reason or "")


def test_one_round_and_none_say_nothing():
    assert "one round" in (conclude(WAYS[0], rounds(0.9)).reason or "")
    found = conclude(WAYS[0], [])
    assert (found.ratio, found.reason) == (None, "no round had a valid run of ours")
