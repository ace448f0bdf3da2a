from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.records import (
    BEGIN_NS,
    MS,
    SECOND,
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_instance,
    make_lost,
    make_queries,
    make_record,
    make_slot,
)

from resnet50_bench.instance.job import StreamSamples
from resnet50_bench.results.kpi import (
    Window,
    compute_kpis,
    find_window,
    run_kpis,
    survivors_kpis,
)
from resnet50_bench.results.record import InstanceRecord


def chain(begin: int, *ends: int) -> list[tuple[int, int]]:
    """Queries without a gap: each begins where the one before ended."""
    return list(zip((begin, *ends), ends))


def instances(*queries: list[tuple[int, int]]) -> list[InstanceRecord]:
    return [make_instance(number, pairs) for number, pairs in enumerate(queries)]


class TestWindow:
    @pytest.mark.parametrize(
        ("queries", "window"),
        [
            ([chain(5, 15, 25)], Window(5, 25)),
            # Last first-query begin .. first finished instance's last end.
            ([chain(0, 10, 40), chain(5, 15, 35)], Window(5, 35)),
            ([chain(5, 15, 35), chain(0, 10, 40)], Window(5, 35)),
            ([chain(0, 90), chain(10, 20, 30), chain(3, 60)], Window(10, 30)),
            ([chain(0, 10), chain(9, 20)], Window(9, 10)),
        ],
    )
    def test_is_what_all_share(self, queries, window):
        assert find_window(instances(*queries)) == window

    @pytest.mark.parametrize(
        "queries",
        [[], [chain(0, 10), chain(11, 20)], [chain(0, 10), chain(10, 20)], [[(5, 5)]]],
        ids=["no instance", "apart", "touching", "no length"],
    )
    def test_is_absent_without_shared_time(self, queries):
        assert find_window(instances(*queries)) is None
        assert compute_kpis(instances(*queries), 1) is None

    def test_length(self):
        assert Window(1_000_000_000, 3_500_000_000).seconds == 2.5


class TestThroughput:
    def test_end_on_the_begin_of_the_window_is_outside_and_on_its_end_inside(self):
        # Window 10..30. First: 10 is outside, 20 and 30 inside. Second: 30 inside.
        kpis = compute_kpis(instances(chain(0, 10, 20, 30, 40), [(10, 30)]), 1)
        assert kpis.window == Window(10, 30)
        assert kpis.queries == kpis.images == 3
        assert kpis.images_per_s == pytest.approx(3 / 20e-9)

    def test_of_a_query_that_the_window_cuts_the_part_inside_counts(self):
        # Window 9..21. Of the first instance a tenth, a whole and a tenth; of the second two whole.
        kpis = compute_kpis(instances(chain(0, 10, 20, 30), chain(9, 15, 21)), 1)
        assert kpis.window == Window(9, 21)
        assert kpis.queries == 4
        assert kpis.images == pytest.approx(3.2)
        assert kpis.images_per_s == pytest.approx(3.2 / 12e-9)

    def test_instances_that_begin_together_lose_nothing_at_the_end(self):
        # Four that are equally fast but for a thousandth: each does an image a second.
        together = [make_queries(0, 10, SECOND + number * MS) for number in range(4)]
        assert compute_kpis(instances(*together), 1).images_per_s == pytest.approx(4, rel=0.002)

    def test_batch_size_multiplies_images_not_latency(self):
        kpis = compute_kpis([make_instance(0, make_queries(0, 10, SECOND))], 32)
        assert kpis.images == 320
        assert kpis.images_per_s == 32.0
        assert kpis.rate_sum_images_per_s == 32.0
        assert kpis.latency.queries == 10
        assert kpis.latency.mean_ns == SECOND

    def test_unequal_ends(self):
        # Window 0..4 s. The second goes on alone, faster: 4 queries in 4 s, then 20 in 2 s.
        second = [*make_queries(0, 4, SECOND), *make_queries(4 * SECOND, 20, SECOND // 10)]
        kpis = compute_kpis(instances(make_queries(0, 2, 2 * SECOND), second), 2)
        assert kpis.window == Window(0, 4 * SECOND)
        assert kpis.images == 12
        assert kpis.images_per_s == 3.0
        # 2 queries in 4 s, and 24 in 6 s, of 2 images each.
        assert kpis.rate_sum_images_per_s == 9.0
        assert kpis.instances == 2

    def test_gaps_between_queries_count_as_time(self):
        kpis = compute_kpis([make_instance(0, [(0, SECOND), (3 * SECOND, 4 * SECOND)])], 1)
        assert kpis.images_per_s == 0.5

    def test_instance_without_queries_does_not_narrow_the_window(self):
        kpis = compute_kpis(instances(make_queries(0, 2, SECOND), []), 1)
        assert (kpis.instances, kpis.images) == (1, 2)


def warming(count: int, slow: int, begin: int = 0) -> list[tuple[int, int]]:
    """Queries of a second, the first `slow` of them of three."""
    first = make_queries(begin, slow, 3 * SECOND)
    return [*first, *make_queries(begin + slow * 3 * SECOND, count - slow, SECOND)]


class TestWarmUp:
    def test_the_window_begins_behind_it(self):
        kpis = compute_kpis(instances(warming(42, 2)), 32)
        assert kpis.window == Window(6 * SECOND, 46 * SECOND)
        assert (kpis.images, kpis.images_per_s) == (40 * 32, 32.0)
        assert kpis.latency.max_ns == SECOND
        [warm_up] = kpis.warm_ups
        assert (warm_up.name, warm_up.queries, warm_up.seconds) == ("instance 0", 2, 6.0)

    def test_the_last_that_is_warm_decides(self):
        kpis = compute_kpis(instances(warming(60, 1), warming(60, 3), warming(60, 0)), 1)
        assert kpis.window.begin_ns == 9 * SECOND
        assert [(item.name, item.queries) for item in kpis.warm_ups] == [
            ("instance 0", 1),
            ("instance 1", 3),
        ]

    def test_what_lies_before_the_window_is_nobodys_concern(self):
        kpis = compute_kpis(instances(warming(60, 2), warming(60, 0, begin=7 * SECOND)), 1)
        assert kpis.window.begin_ns == 7 * SECOND
        assert kpis.warm_ups == ()

    def test_what_would_take_more_than_a_third_of_the_window_is_none(self):
        # The slow instance has 10 of its 60 queries behind it when the other has ended.
        kpis = compute_kpis(instances(warming(60, 9), make_queries(0, 45, SECOND)), 1)
        assert kpis.window == Window(0, 45 * SECOND)
        assert kpis.warm_ups == ()


class TestInterval:
    def test_of_one_instance_its_mean_is_the_throughput(self):
        randomly = random.Random(1)
        durations = [round(SECOND * randomly.gauss(1, 0.01)) for _ in range(40)]
        ends = [sum(durations[: index + 1]) for index in range(40)]
        kpis = compute_kpis(instances(chain(0, *ends)), 32)
        interval = kpis.throughput_interval
        assert interval.mean == pytest.approx(kpis.images_per_s)
        assert interval.low < kpis.images_per_s < interval.high
        assert 0.001 < interval.relative < 0.01

    def test_cut_queries_count_in_parts(self):
        # The second's queries end half a second after the first's: 39 of its 40 in the window.
        kpis = compute_kpis(
            instances(make_queries(0, 41, SECOND), make_queries(500 * MS, 40, SECOND)), 1
        )
        assert kpis.window == Window(500 * MS, 40_500 * MS)
        assert kpis.throughput_interval.mean == pytest.approx(2.0)

    def test_of_few_queries_there_is_none(self):
        assert compute_kpis(instances(make_queries(0, 9, SECOND)), 1).throughput_interval is None
        assert compute_kpis(instances(make_queries(0, 10, SECOND)), 1).throughput_interval

    def test_what_slows_all_instances_at_once_does_not_average_out(self):
        randomly = random.Random(2)
        durations = [round(SECOND * randomly.gauss(1, 0.05)) for _ in range(100)]
        ends = [sum(durations[: index + 1]) for index in range(100)]
        alone = compute_kpis(instances(chain(0, *ends)), 1).throughput_interval
        both = compute_kpis(instances(chain(0, *ends), chain(0, *ends)), 1).throughput_interval
        assert both.relative == pytest.approx(alone.relative)


class TestLatency:
    def test_only_queries_whole_inside_the_window(self):
        # Window 10..40. First: (8, 12) begins before; (12, 40) ends on its end. Second: (10, 11)
        # begins on its begin; (35, 41) ends behind it.
        first = [(0, 8), (8, 12), (12, 40)]
        second = [(10, 11), (11, 35), (35, 41)]
        latency = compute_kpis(instances(first, second), 1).latency
        assert latency.queries == 3  # 28, 1, 24
        assert (latency.min_ns, latency.max_ns) == (1, 28)
        assert latency.mean_ns == pytest.approx(53 / 3)
        assert latency.percentiles == {50.0: 24}

    def test_absent_when_no_query_is_whole_inside(self):
        # Window 9..10.
        kpis = compute_kpis(instances(chain(0, 10), chain(9, 20)), 1)
        assert kpis.queries == 1
        assert kpis.latency is None

    @pytest.mark.parametrize(
        ("count", "percentiles"),
        [
            (1, {}),
            (2, {50.0: 1}),
            (9, {50.0: 5}),
            (10, {50.0: 5, 90.0: 9}),
            (19, {50.0: 10, 90.0: 18}),
            (20, {50.0: 10, 90.0: 18, 95.0: 19}),
            (99, {50.0: 50, 90.0: 90, 95.0: 95}),
            (100, {50.0: 50, 90.0: 90, 95.0: 95, 99.0: 99}),
            (999, {50.0: 500, 90.0: 900, 95.0: 950, 99.0: 990}),
            (1000, {50.0: 500, 90.0: 900, 95.0: 950, 99.0: 990, 99.9: 999}),
        ],
    )
    def test_percentiles_of_the_durations_1_to_n_in_any_order(self, count, percentiles):
        durations = list(range(1, count + 1))
        random.Random(7).shuffle(durations)
        ends = [1000 + sum(durations[: i + 1]) for i in range(count)]
        latency = compute_kpis([make_instance(0, chain(1000, *ends))], 4).latency
        assert latency.percentiles == percentiles
        assert (latency.min_ns, latency.max_ns) == (1, count)
        assert latency.mean_ns == (count + 1) / 2

    def test_queries_of_all_instances_are_pooled(self):
        # Means of 10 and 30 over 6 and 2 queries: 15 pooled, not 20.
        latency = compute_kpis(instances(make_queries(0, 6, 10), make_queries(0, 2, 30)), 1).latency
        assert latency.queries == 8
        assert latency.mean_ns == 15
        assert latency.percentiles == {50.0: 10}


class TestSpread:
    def test_needs_two_queries_a_slice(self):
        assert compute_kpis([make_instance(0, make_queries(0, 19, 50))], 1).spread is None
        assert compute_kpis([make_instance(0, make_queries(0, 20, 50))], 1).spread is not None

    def test_even_pace_has_none(self):
        # 3.1 queries a slice: their images are divided over the slices they span.
        spread = compute_kpis([make_instance(0, make_queries(0, 31, 100))], 2).spread
        # 2 images / 100 ns
        assert (spread.low, spread.high) == (pytest.approx(2e7), pytest.approx(2e7))
        assert spread.variation == pytest.approx(0, abs=1e-9)

    def test_a_long_query_is_divided_over_its_slices(self):
        # Slices of 100 ns: 5, 5, five times a fifth of the long query, 4, 2 + 1, 2; 20 in all.
        ends = [
            *range(20, 201, 20),
            700,
            *range(725, 851, 25),
            *range(900, 1001, 50),
        ]
        kpis = compute_kpis([make_instance(0, chain(0, *ends))], 1)
        assert (kpis.images, kpis.window) == (20, Window(0, 1000))
        # Ordered: 0.2 (5 times), 2, 3, 4, 5, 5; mean 2; squares 79.2 - 10 * 4 = 39.2.
        assert kpis.spread.low == pytest.approx(0.2e7)
        assert kpis.spread.median == pytest.approx(1.1e7)
        assert kpis.spread.high == pytest.approx(5e7)
        assert kpis.spread.variation == pytest.approx((39.2 / 9) ** 0.5 / 2)

    def test_a_stall_between_queries_shows(self):
        # 10 queries in 0..200, nothing in 200..800, 10 queries in 800..1000.
        queries = [*make_queries(0, 10, 20), *make_queries(800, 10, 20)]
        spread = compute_kpis([make_instance(0, queries)], 1).spread
        # 5 a slice in four slices, else 0; mean 2; squares 100 - 40 = 60.
        assert (spread.low, spread.median, spread.high) == (0, 0, pytest.approx(5e7))
        assert spread.variation == pytest.approx((60 / 9) ** 0.5 / 2)

    def test_queries_across_the_window_count_by_their_part_inside(self):
        # Window 100..200, slices of 10 ns. The first instance has 2 queries in each. Of the other's,
        # half of (90, 110) lies in slice 0, and a tenth of (110, 210) in each other one.
        first, other = make_queries(100, 20, 5), chain(50, 90, 110, 210)
        kpis = compute_kpis(instances(first, other), 1)
        assert (kpis.window, kpis.queries) == (Window(100, 200), 21)
        assert kpis.images == pytest.approx(20 + 0.5 + 0.9)
        assert kpis.spread.high == pytest.approx(2.5e8)
        assert [kpis.spread.low, kpis.spread.median] == pytest.approx([2.1e8, 2.1e8])


class TestOfARun:
    def test_every_instance_reported(self):
        kpis = run_kpis(make_record())
        assert kpis.window == Window(BEGIN_NS, BEGIN_NS + 20 * SECOND)
        assert (kpis.instances, kpis.images, kpis.images_per_s) == (2, 2560, 128.0)
        assert survivors_kpis(make_record()) is None

    def test_a_lost_instance_leaves_a_subtotal_and_no_kpi(self):
        record = make_record(instances=[make_lost(0), make_instance(1)], status="lost instances")
        assert run_kpis(record) is None
        survivors = survivors_kpis(record)
        assert (survivors.instances, survivors.images_per_s) == (1, 64.0)

    def test_instance_lost_after_its_result_is_not_counted(self):
        late = make_instance(0, reported=False)
        record = make_record(instances=[late, make_instance(1)])
        assert run_kpis(record) is None
        assert survivors_kpis(record).instances == 1

    @pytest.mark.parametrize("status", ["running", "interrupted", "lost instances"])
    def test_none_unless_completed(self, status):
        assert run_kpis(make_record(status=status)) is None

    def test_nobody_survived(self):
        record = make_record(instances=[make_lost(0), make_lost(1)], status="lost instances")
        assert (run_kpis(record), survivors_kpis(record)) == (None, None)

    def test_an_evaluation_has_no_other_speed(self):
        record = make_accuracy_record(make_evaluation_of_zeros([0] * 20))
        assert (run_kpis(record), survivors_kpis(record)) == (None, None)


class TestStreams:
    """One instance of two streams: each counts for itself."""

    def record(self):
        slot = make_slot(0, cpus=(0, 1))
        streams = tuple(
            StreamSamples(
                start_ns=tuple(begin for begin, _ in queries),
                end_ns=tuple(end for _, end in queries),
                cpus=(number,),
                cpu_ns=1,
            )
            for number, queries in enumerate(
                (
                    make_queries(BEGIN_NS, 40, 500 * MS),
                    make_queries(BEGIN_NS + SECOND, 40, 250 * MS),
                )
            )
        )
        item = make_instance(slot, (), streams=streams, cpu_ns=30 * SECOND)
        return make_record(instances=[item])

    def test_the_window_is_that_of_all_streams(self):
        kpis = compute_kpis(self.record().instances, 32)
        assert (kpis.instances, kpis.lanes) == (1, 2)
        assert kpis.window == Window(BEGIN_NS + SECOND, BEGIN_NS + 11 * SECOND)
        # 20 queries of the first end in the ten seconds, 40 of the second.
        assert kpis.images == 60 * 32
        assert kpis.images_per_s == pytest.approx(60 * 32 / 10)

    def test_latencies_are_pooled(self):
        latency = compute_kpis(self.record().instances, 32).latency
        assert (latency.min_ns, latency.max_ns) == (250 * MS, 500 * MS)
        assert latency.queries == 40 + 20


class TestHosts:
    """Each host has a clock and a window of its own."""

    def measured(self, *hosts):
        return [
            replace(make_instance(number, queries), host=host)
            for number, (host, queries) in enumerate(hosts)
        ]

    def test_throughput_is_the_sum_of_the_hosts(self):
        # a: 10..20 in common, 2 + 1 ends; b: another clock, 1000..1008, 2 + 4 ends.
        items = self.measured(
            ("a", chain(0, 10, 15, 20)), ("a", chain(10, 20, 30)),
            ("b", chain(1000, 1004, 1008)), ("b", chain(1000, 1002, 1004, 1006, 1008)),
        )  # fmt: skip
        kpis = compute_kpis(items, 3)
        assert kpis.windows == {"a": Window(10, 20), "b": Window(1000, 1008)}
        assert kpis.window == Window(1000, 1008)
        assert kpis.images == 27
        assert kpis.by_host == {"a": pytest.approx(0.9e9), "b": pytest.approx(2.25e9)}
        assert kpis.images_per_s == pytest.approx(3.15e9)
        # Pooled: 5 and 5 and 10 of a; 4 twice and 2 four times of b.
        assert (kpis.latency.queries, kpis.latency.mean_ns) == (9, 4.0)

    def test_a_host_without_a_common_time_leaves_no_figure(self):
        items = self.measured(("a", [(0, 10)]), ("b", [(0, 10)]), ("b", [(10, 20)]))
        assert compute_kpis(items, 1) is None

    def test_the_hosts_tenths_are_added_up_in_turn(self):
        one = compute_kpis(self.measured(("a", make_queries(0, 31, 100))), 2)
        both = self.measured(
            ("a", make_queries(0, 31, 100)), ("b", make_queries(5000, 31, 100)),
        )  # fmt: skip
        two = compute_kpis(both, 2)
        assert two.spread.low == pytest.approx(2 * one.spread.low)
        assert two.spread.high == pytest.approx(2 * one.spread.high)
        assert two.spread.variation == pytest.approx(one.spread.variation)
