from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.records import (
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_instance,
    make_lost,
    make_record,
)

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.report.listing import find_figure, list_run, make_listing, summarize_listing


def render(*records) -> list[list[str]]:
    """The cells of each line, the heading first."""
    runs = [list_run(Path("runs") / record.run_id, record) for record in records]
    console = Console(width=300)
    with console.capture() as capture:
        console.print(make_listing(runs))
    lines = capture.get().splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def test_a_run_is_a_line():
    heading, line = render(make_record())
    assert heading[:3] == ["created", "mode", "precision"]
    assert line == [
        "2026-01-02 03:04", "throughput", "avx_fp32", "32", "2 x 2", "128.00 images/s +-0.0%",
        "VALID", "runs/20260102T030405Z-throughput-avx_fp32",
    ]  # fmt: skip


def test_each_mode_has_its_figure():
    latency = make_record(RunConfig(mode=Mode.LATENCY, cores_per_instance=2, instances=2))
    accuracy = make_accuracy_record(make_evaluation_of_zeros([0, 0, 0, 1]))
    figures = [find_figure(record) for record in (make_record(), latency, accuracy)]
    assert [figure.name for figure in figures] == ["images_per_s", "p50_ms", "top1"]
    assert figures[1].value == 50.0
    assert figures[1].text == "p50 50.00 ms"
    assert figures[2].text == "top-1 75.00%"


def test_a_lost_instance_leaves_no_figure_and_is_loud():
    record = make_record(instances=[make_instance(0), make_lost(1)], status="lost instances")
    _, line = render(record)
    assert line[5] == "INVALID (lost instances)"
    assert find_figure(record) is None


@pytest.mark.parametrize("created", ["", "yesterday", "\x1b[2J"])
def test_a_time_that_is_none_is_shown_as_it_stands(created):
    _, line = render(make_record(created=created))
    assert line[0] == (created.replace("\x1b", "\\x1b") or "throughput")


def test_for_machines_it_is_plain_json():
    (row,) = json.loads(json.dumps(summarize_listing([list_run(Path("x"), make_record())])))
    assert row["figure"] == {"name": "images_per_s", "value": 128.0, "text": row["figure"]["text"]}
    assert row["valid"] is True
