"""Every line of the listings of several runs: two records of the same parameters, and an old log."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.records import BEGIN_NS, MS, make_instance, make_queries, make_record

from resnet50_bench.report.kpi.logs import parse_log
from resnet50_bench.report.kpi.runs import describe_log
from resnet50_bench.report.kpi.table import render_csv, render_json, render_list
from resnet50_bench.report.kpi.text import KpiRun, describe_record, render_run

FOLDER = Path(__file__).parent

OLD_LOG = """\
WORKLOAD: resnet50v1_5_tensorflow_xeon_public
PLATFORM: SPR
MODE: throughput
TOPOLOGY: resnet50v1_5
FUNCTION: inference
PRECISION: amx_bfloat16
BATCH_SIZE: 32
STEPS: 100
CORES_PER_INSTANCE: 14
a line that says nothing
Inference with dummy data.
Iteration 1: 0.512345 sec
Average time: 0.060000 sec
Batch size = 32
Throughput: 533.333 images/sec
Average time: 0.064000 sec
Batch size = 32
Throughput: 500.000 images/sec
"""


def record(name: str, query_ms: int) -> KpiRun:
    """Two instances, 40 queries of 32 images each."""
    queries = make_queries(BEGIN_NS, 40, query_ms * MS)
    instances = [make_instance(index, queries) for index in range(2)]
    return describe_record(make_record(instances=instances), name)


def two_runs() -> list[KpiRun]:
    """128 and 125 images/s."""
    return [record("runs/first", 500), record("runs/second", 512)]


def old_log() -> KpiRun:
    path = Path("old/benchmark_0.log")
    return describe_log(parse_log(OLD_LOG.encode().splitlines(), path), "old")


FORMATS = {
    "list.txt": lambda: render_list([*two_runs(), old_log()], parameters=False),
    "params.list.txt": lambda: render_list([*two_runs(), old_log()], parameters=True),
    "csv": lambda: render_csv([*two_runs(), old_log()], parameters=True),
    "json": lambda: render_json([*two_runs(), old_log()], parameters=True),
    "old.kpi.txt": lambda: render_run(old_log()),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_whole_text_is_as_before(suffix: str) -> None:
    assert FORMATS[suffix]() == (FOLDER / f"listing.{suffix}").read_bytes().decode()


def write_all() -> None:
    for suffix, render in FORMATS.items():
        (FOLDER / f"listing.{suffix}").write_text(render())


if __name__ == "__main__":
    write_all()
