"""The comparison as text, CSV and JSON, of two runs whose answers are made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.records import make_accuracy_config, make_accuracy_record, make_evaluation

from resnet50_bench.config import Precision
from resnet50_bench.report.comparison.answers import (
    name_runs,
    render_comparison,
    render_flips,
    summarize_comparison,
)
from resnet50_bench.results.record import Record
from resnet50_bench.verdict.comparison.answers import compare, find_differences

FOLDER = Path(__file__).parent
IMAGES = 2000


def make_pair() -> tuple[Record, Record]:
    """2000 images, 1520 of them right in fp32; int8 loses 14, wins 4, and 9 are wrong otherwise.

    Of those wrong in fp32 and those lost in int8, a class 7 or 14 below the label leaves it among
    the first five, and another does not. fp32 has not seen the last image, int8 not the two before.
    """
    labels = [number * 7 % 1000 for number in range(IMAGES)]
    first = {
        place: (label, 0.9) if place < 1520 else ((label - (14 if place % 4 else 1)) % 1000, 0.5)
        for place, label in enumerate(labels)
    }
    second = dict(first)
    for step in range(14):
        place = 100 * step
        below = 7 if step else 3
        second[place] = ((labels[place] - below) % 1000, 0.55 + step / 100)
    for step in range(4):
        second[1600 + step] = (labels[1600 + step], 0.6)
    for step in range(9):
        second[1700 + step] = ((labels[1700 + step] + 5) % 1000, 0.3)
    del first[IMAGES - 1], second[IMAGES - 2], second[IMAGES - 3]
    return (
        make_accuracy_record(make_evaluation(labels, first)),
        make_accuracy_record(
            make_evaluation(labels, second), make_accuracy_config(precision=Precision.AVX_INT8)
        ),
    )


def render_text() -> str:
    records = make_pair()
    names = name_runs(*records)
    return render_comparison(compare(*records), find_differences(*records), names, 5)


def render_csv() -> str:
    return render_flips(compare(*make_pair()))


def render_json() -> str:
    records = make_pair()
    summary = summarize_comparison(
        compare(*records), find_differences(*records), name_runs(*records)
    )
    return json.dumps(summary, indent=2) + "\n"


FORMATS = {"txt": render_text, "csv": render_csv, "json": render_json}


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_whole_text_is_as_before(suffix: str) -> None:
    assert FORMATS[suffix]() == (FOLDER / f"comparison.{suffix}").read_text()


def write_all() -> None:
    for suffix, render in FORMATS.items():
        (FOLDER / f"comparison.{suffix}").write_text(render())


if __name__ == "__main__":
    write_all()
