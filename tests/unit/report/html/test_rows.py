from __future__ import annotations

from pathlib import Path

from tests.records import (
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_instance,
    make_lost,
    make_record,
    make_roofline,
)

from resnet50_bench.config import Allocator, Mode, RunConfig
from resnet50_bench.report.html.rows import describe_run

FOLDER = Path("runs/one")


def test_a_run_has_its_figures():
    row = describe_run(FOLDER, make_record(roofline=make_roofline()))
    assert (row.folder, row.valid, row.verdict, row.problem) == ("runs/one", True, "VALID", None)
    assert (row.images_per_s, row.low, row.high) == (128.0, 128.0, 128.0)
    assert (row.mean_ms, row.p50_ms, row.p99_ms) == (500.0, 500.0, None)
    assert round(row.limit_share, 3) == 0.654
    assert row.top1 is None


def test_a_lost_run_has_none_and_says_why():
    record = make_record(instances=[make_instance(0), make_lost(1)], status="lost instances")
    row = describe_run(FOLDER, record)
    assert (row.images_per_s, row.mean_ms, row.valid) == (None, None, False)
    assert row.verdict == "INVALID (lost instances)"
    assert row.problem.startswith("2 instances launched")


def test_an_accuracy_run_has_its_share_of_right_answers():
    row = describe_run(FOLDER, make_accuracy_record(make_evaluation_of_zeros([0, 0, 0, 1])))
    assert (row.mode, row.top1, row.images_per_s) == ("accuracy", 0.75, None)


def test_what_else_was_asked_is_told_but_not_for_how_long():
    config = RunConfig(
        mode=Mode.LATENCY, cores_per_instance=2, steps=40, min_time_s=3.0,
        allocator=Allocator.JEMALLOC, customer_env={"A": "1"},
    )  # fmt: skip
    assert describe_run(FOLDER, make_record(config)).others == "allocator=jemalloc customer_env=A=1"
