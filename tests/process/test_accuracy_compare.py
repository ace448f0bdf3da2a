"""`r50 accuracy compare` on records of runs."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.golden.test_comparison import make_pair, render_text
from tests.records import make_accuracy_record, make_record

from resnet50_bench.results.files import write_record


def save(folder: Path, record) -> Path:
    folder.mkdir(parents=True)
    write_record(folder, record)
    return folder


@pytest.fixture
def runs(r50):
    """The folders of two runs over the same images: fp32 and int8."""
    first, second = make_pair()
    return save(r50.root / "fp32", first), save(r50.root / "int8", second)


def test_the_comparison_is_printed(r50, runs):
    ended = r50("accuracy", "compare", *runs, "--flips", "5")
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout == render_text()


@pytest.mark.parametrize(("points", "code", "word"), [("1", 0, "PASSED: "), ("0.8", 1, "FAILED: ")])
def test_the_gate_decides_the_exit_code(r50, runs, points, code, word):
    # The drop is 0.50 points, at most 0.94.
    ended = r50("accuracy", "compare", *runs, "--max-drop", points)
    assert ended.code == code
    assert ended.stdout.splitlines()[-1].startswith(word)


def test_no_gate_is_no_failure_however_large_the_drop(r50, runs):
    ended = r50("accuracy", "compare", *runs)
    assert ended.code == 0
    assert "loses 0.50 points" in ended.stdout
    assert "PASSED" not in ended.stdout


@pytest.mark.parametrize("points", ["nan", "-1", "101", "much"])
def test_a_gate_that_is_no_number_of_points_is_refused(r50, runs, points):
    ended = r50("accuracy", "compare", *runs, "--max-drop", points)
    assert (ended.code, ended.stdout) == (2, "")
    assert "--max-drop" in ended.stderr


def test_json_holds_every_flip_and_the_gate(r50, runs):
    ended = r50("accuracy", "compare", *runs, "--json", "--max-drop", "0.1")
    assert ended.code == 1
    summary = json.loads(ended.stdout)
    assert (summary["passed"], summary["max_drop_points"]) == (False, 0.1)
    assert summary["images"] == 1997
    assert len(summary["flipped"]) == 27
    assert summary["flips"] == {
        "right -> wrong": 14,
        "wrong -> right": 4,
        "wrong -> other wrong": 9,
    }


def test_csv_holds_every_flip(r50, runs, tmp_path):
    path = tmp_path / "flips.csv"
    ended = r50("accuracy", "compare", *runs, "--csv", path, "--flips", "0")
    assert ended.code == 0
    assert "ILSVRC2012_val_00000001" not in ended.stdout
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 27
    assert rows[0] == {
        "image": "ILSVRC2012_val_00001301.JPEG",
        "label": "100",
        "change": "right -> wrong",
        "first_class": "100",
        "first_score": "0.9",
        "second_class": "93",
        "second_score": "0.68",
    }


def test_a_csv_that_cannot_be_written_is_an_error(r50, runs, tmp_path):
    ended = r50("accuracy", "compare", *runs, "--csv", tmp_path / "none" / "flips.csv")
    assert (ended.code, ended.stdout) == (2, "")
    assert "--csv" in ended.stderr


def test_a_run_of_another_mode_is_refused(r50, runs):
    other = save(r50.root / "throughput", make_record())
    ended = r50("accuracy", "compare", runs[0], other)
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == (
        "error: the run 20260102T030405Z-throughput-avx_fp32 has no answers to images "
        "(mode throughput, completed)\n"
        "  -> give runs made with --mode accuracy\n"
    )


def test_another_preprocessing_needs_force(r50, runs):
    _, second = make_pair()
    changed = replace(second.evaluation, preprocessing="torchvision")
    other = save(r50.root / "other", make_accuracy_record(changed))
    refused = r50("accuracy", "compare", runs[0], other)
    assert (refused.code, refused.stdout) == (2, "")
    assert "preprocessing: mlperf and torchvision" in refused.stderr
    assert "--force" in refused.stderr
    forced = r50("accuracy", "compare", runs[0], other, "--force")
    assert forced.code == 0
    assert "Differs       preprocessing: mlperf | torchvision" in forced.stdout


def test_a_folder_that_is_no_run(r50, runs):
    ended = r50("accuracy", "compare", runs[0], r50.root / "nothing")
    assert (ended.code, ended.stdout) == (2, "")
    assert "no run at" in ended.stderr
