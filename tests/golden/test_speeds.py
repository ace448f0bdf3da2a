"""Every line of a comparison of speeds, of runs whose figures are worked out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.verdict.comparison.test_speed import CONFIG, run

from resnet50_bench.report.comparison.speed import (
    render_speeds,
    render_speeds_csv,
    render_speeds_markdown,
    summarize_speeds,
)
from resnet50_bench.verdict.comparison.speed import Speeds, compare_speeds, read_side

FOLDER = Path(__file__).parent


def make_speeds() -> Speeds:
    """A base, one that is 5 % slower, one that is alike, one of which there is only one run."""
    base = read_side("runs/base", [run(500, 0), run(502, 3), run(498, 6), run(500, 9)])
    slower = [run(525, 1), run(528, 4), run(522, 7), run(526, 10), run(100, 13, min_time_s=60)]
    batch = replace(CONFIG, seed=7)
    alike = [run(501, place, config=batch) for place in (2, 5, 8, 11)]
    sides = [
        base,
        read_side("runs/slower", slower),
        read_side("runs/a | b", alike),
        read_side("runs/one", [run(470, 20)]),
    ]
    return compare_speeds(sides, 0.02)


FORMATS = {
    "txt": render_speeds,
    "csv": render_speeds_csv,
    "md": render_speeds_markdown,
    "json": lambda speeds: json.dumps(summarize_speeds(speeds), indent=2) + "\n",
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_whole_text_is_as_before(suffix: str) -> None:
    assert FORMATS[suffix](make_speeds()) == (FOLDER / f"speeds.{suffix}").read_text()


def write_all() -> None:
    for suffix, render in FORMATS.items():
        (FOLDER / f"speeds.{suffix}").write_text(render(make_speeds()))


if __name__ == "__main__":
    write_all()
