"""Every line of the published figures, with the row of a run whose figures are known."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from tests.records import (
    make_accuracy_record,
    make_evaluation,
    make_lost,
    make_record,
    make_roofline,
)

from resnet50_bench.limits.reference import read_references
from resnet50_bench.report import reference as report

FOLDER = Path(__file__).parent
REFERENCES = read_references()


def list_rows() -> list[report.ReferenceRow]:
    row = report.describe_run(make_record())
    assert row is not None
    return [*report.list_published(REFERENCES), row]


FORMATS = {
    "reference.txt": lambda: report.render_text(list_rows(), REFERENCES),
    "reference.md": lambda: report.render_markdown(list_rows(), REFERENCES),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_text_is_as_before(name: str) -> None:
    assert FORMATS[name]() == (FOLDER / name).read_text()


def test_csv_and_json_hold_the_same_numbers() -> None:
    rows = list_rows()
    summary = json.loads(json.dumps(report.summarize_references(rows, REFERENCES)))
    table = list(csv.DictReader(io.StringIO(report.render_csv(rows))))
    assert [float(row["images_per_s"]) for row in table] == [
        row["images_per_s"] for row in summary["rows"]
    ]
    assert [row["share"] and float(row["share"]) for row in table] == [
        row["share"] or "" for row in summary["rows"]
    ]
    assert summary["operations_per_cycle"]["amx_int8"] == 2048


def test_a_run_has_the_share_of_the_limit_that_was_measured_for_it() -> None:
    row = report.describe_run(make_record(roofline=make_roofline()))
    assert row is not None
    assert row.limit_is == "measured"
    # 1600 G operations a second, 8.178 of them an image; the run had 128 images/s.
    assert row.limit_images_per_s == pytest.approx(1.6e12 / 8_178_372_608)
    assert row.share == pytest.approx(128 / 195.64, rel=1e-3)


def test_a_run_without_a_throughput_has_no_row() -> None:
    evaluation = make_evaluation([3], {0: (3, 0.9)})
    assert report.describe_run(make_accuracy_record(evaluation)) is None
    lost = make_record(instances=[make_lost()], status="lost instances")
    assert report.describe_run(lost) is None


def write_all() -> None:
    for name, render in FORMATS.items():
        (FOLDER / name).write_text(render())


if __name__ == "__main__":
    write_all()
