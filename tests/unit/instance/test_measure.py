from __future__ import annotations

import pytest

from resnet50_bench.instance.measure import Samples, StopRule, measure


class Script:
    """A clock, batches and queries that only do what is written, and note the order."""

    def __init__(self, durations_ns: list[int], begin_ns: int = 1000, batch_ns: int = 0) -> None:
        self.now_ns = begin_ns
        self.durations_ns = durations_ns
        self.batch_ns = batch_ns
        self.events: list[str] = []

    def clock(self) -> int:
        self.events.append("clock")
        return self.now_ns

    def batch(self, index: int) -> str:
        self.events.append(f"batch {index}")
        self.now_ns += self.batch_ns
        return f"images {index}"

    def query(self, images: str) -> str:
        self.events.append(f"query {images}")
        self.now_ns += self.durations_ns.pop(0)
        return f"scores of {images}"

    def measure(self, steps: int, min_time_ns: int) -> Samples[str]:
        return measure(self.query, self.batch, StopRule(steps, min_time_ns), self.clock)


def test_exact_samples_and_last_answer():
    samples = Script([7, 11, 13]).measure(3, 0)
    assert samples == Samples([1000, 1007, 1018], [1007, 1018, 1031], "scores of images 2")


def test_fetching_a_batch_is_not_part_of_a_query():
    samples = Script([7, 11], batch_ns=100).measure(2, 0)
    assert samples.start_ns == [1100, 1207]
    assert samples.end_ns == [1107, 1218]


def test_order_of_everything_and_two_clock_reads_a_query():
    script = Script([1, 1])
    script.measure(2, 0)
    assert script.events == [
        "batch 0", "clock", "query images 0", "clock",
        "batch 1", "clock", "query images 1", "clock",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "min_time_ns", "queries"),
    [
        (1, 0, 1),
        (4, 0, 4),
        (4, 15, 4),  # steps bind: the time is over after 2
        (2, 39, 4),  # time binds: 30 after 3 is too short
        (2, 40, 4),  # exactly the time is enough
        (2, 41, 5),  # one more nanosecond is not
        (4, 40, 4),  # both are met by the same query
        (5, 40, 5),
        (1, 10, 1),
        (1, 11, 2),
    ],
)
def test_stops_when_both_bounds_are_met(steps, min_time_ns, queries):
    script = Script([10] * 20)
    samples = script.measure(steps, min_time_ns)
    assert len(samples.start_ns) == len(samples.end_ns) == queries
    assert len(script.durations_ns) == 20 - queries


def test_minimum_time_counts_from_the_first_begin_to_the_last_end():
    # The batches take time as well: 2 queries last from 1005 to 1030, 3 to 1045.
    script = Script([10] * 20, batch_ns=5)
    assert len(script.measure(1, 25).end_ns) == 2
    script = Script([10] * 20, batch_ns=5)
    samples = script.measure(1, 26)
    assert samples.end_ns[-1] - samples.start_ns[0] == 40


def test_a_query_that_raises_ends_the_measurement():
    calls = []

    def query(images: int) -> int:
        calls.append(images)
        if images == 2:
            raise RuntimeError("the engine failed")
        return images

    with pytest.raises(RuntimeError, match="the engine failed"):
        measure(query, lambda index: index, StopRule(10, 0), iter(range(100)).__next__)
    assert calls == [0, 1, 2]


def test_a_batch_that_raises_ends_the_measurement():
    def batch(index: int) -> int:
        raise LookupError(index)

    with pytest.raises(LookupError):
        measure(lambda images: images, batch, StopRule(1, 0), lambda: 0)


def test_the_default_clock_is_monotonic_nanoseconds():
    samples = measure(lambda images: images, lambda index: index, StopRule(3, 0))
    times = [time for pair in zip(samples.start_ns, samples.end_ns) for time in pair]
    assert all(isinstance(time, int) for time in times)
    assert times == sorted(times)
