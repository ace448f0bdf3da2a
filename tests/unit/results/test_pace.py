"""Two instances, ten batches each: 0.4 s to read and decode, then 0.6 s to classify."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import make_accuracy_record, make_evaluation_of_zeros, make_record

from resnet50_bench.results.pace import compute_pace


def test_counts_from_the_first_read_to_the_last_answer():
    pace = compute_pace(make_accuracy_record(make_evaluation_of_zeros([0] * 20)))
    assert (pace.images, pace.seconds, pace.images_per_s) == (20, 10.0, 2.0)
    assert pace.prepare_s == pytest.approx(2 * 10 * 0.4 / 20)
    assert pace.infer_s == pytest.approx(2 * 10 * 0.6 / 20)


def test_clocks_of_hosts_are_not_compared():
    record = make_accuracy_record(make_evaluation_of_zeros([0] * 20))
    first, second = record.instances
    later = tuple(time + 5 * 10**15 for time in second.start_ns)
    ends = tuple(time + 5 * 10**15 for time in second.end_ns)
    instances = (
        replace(first, host="a"), replace(second, host="b", start_ns=later, end_ns=ends),
    )  # fmt: skip
    assert compute_pace(replace(record, instances=instances)).seconds == 10.0


def test_unreadable_images_count_and_those_of_an_earlier_part_do_not():
    evaluation = make_evaluation_of_zeros([0] * 19 + [None], resumed_images=10)
    assert compute_pace(make_accuracy_record(evaluation)).images == 10


def test_only_complete_evaluations_have_one():
    evaluation = make_evaluation_of_zeros([0] * 20)
    assert compute_pace(make_accuracy_record(evaluation, status="interrupted")) is None
    assert compute_pace(make_record()) is None
