"""`r50 compare` and `r50 ab` as a user starts them."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys

import pytest
from tests.golden.test_speeds import make_speeds
from tests.unit.verdict.comparison.test_speed import FAST, SLOW, run

from resnet50_bench.report.comparison.speed import render_speeds
from resnet50_bench.results.files import write_record

from .conftest import wait_until

NULL = ["--engine", "null", "--batch-size", "1", "--steps", "12", "--warmup-steps", "1"]


@pytest.fixture
def sides(r50):
    """Two folders of three runs each: the second is 11 % faster."""
    for name, times, first in (("slow", SLOW, 0), ("fast", FAST, 3)):
        for place, query_ms in enumerate(times):
            folder = r50.root / name / str(place)
            folder.mkdir(parents=True)
            write_record(folder, run(query_ms, first + place))
    return r50.root / "slow", r50.root / "fast"


def test_folders_of_runs_are_the_sides(r50, sides):
    ended = r50("compare", *sides)
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1].startswith("B is 11.1% faster than A (")


@pytest.mark.parametrize(
    ("limit", "order", "code"),
    [
        ("slower=2%", 1, 0),
        ("slower=2%", -1, 1),
        ("slower=20%", -1, 0),
        ("maybe-slower=20%", -1, 0),
        ("maybe-slower=10%", -1, 1),
    ],
)
def test_a_limit_decides_the_exit_code(r50, sides, limit, order, code):
    ended = r50("compare", *sides[::order], "--fail-if", limit, "--format", "json")
    assert ended.code == code
    assert json.loads(ended.stdout)["passed"] is (code == 0)
    assert ended.stderr.startswith(f"failed: --fail-if {limit}: ") is (code == 1)


def test_a_report_is_a_file_and_nothing_is_printed(r50, sides):
    path = r50.root / "speeds.csv"
    ended = r50("compare", *sides, "--format", "csv", "--report", path)
    assert (ended.code, ended.stdout) == (0, "")
    [row] = csv.DictReader(io.StringIO(path.read_text()))
    assert row["outcome"] == "faster"
    ended = r50("compare", *sides, "--report", r50.root / "nowhere" / "x")
    assert ended.code == 2
    assert "--report" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["slow"], "a comparison needs two sides, and 1 is given"),
        (["slow", "nowhere"], "no run at"),
        (["slow", "empty"], "no run in or below"),
        (["slow", "fast", "--smallest", "0"], "no percentage between 0 and 100"),
        (["slow", "fast", "--fail-if", "slower"], "neither slower=PERCENT"),
    ],
)
def test_a_wrong_request(r50, sides, arguments, message):
    (r50.root / "empty").mkdir()
    named = [r50.root / item if item.isalpha() else item for item in arguments]
    ended = r50("compare", *named)
    assert (ended.code, ended.stdout) == (2, "")
    assert message in ended.stderr


def test_the_text_is_that_of_the_renderer(r50):
    speeds = make_speeds()
    for side, name in zip(speeds.sides, ("base", "slower")):
        for measured in side.runs:
            folder = r50.root / name / measured.record.run_id
            folder.mkdir(parents=True)
            write_record(folder, measured.record)
    ended = r50("compare", r50.root / "base", r50.root / "slower", "--smallest", "2")
    assert "4 rounds, compared one by one; they differ by 0.2%" in ended.stdout
    assert "they differ by 0.2%" in render_speeds(speeds)


def test_two_configurations_in_turns(r50):
    slow = [*NULL, "--engine-option", "query_ms=20"]
    arguments = ["--rounds", "2", "--output", r50.output, "--format", "json"]
    ended = r50("ab", *arguments, "--", *NULL, "--", *slow)
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert [len(side["runs"]) for side in found["sides"]] == [2, 2]
    assert found["sides"][1]["name"] == " ".join(slow)
    assert [item["what"] for item in found["differences"]] == ["engine options"]
    assert found["comparisons"][0]["change"] < 0
    assert "round 2 of 2" in ended.stderr
    [folder] = r50.output.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["A", "B"]


def test_another_python_runs_its_side(r50):
    twin = r50.root / "twin"
    twin.write_text(f'#!/bin/sh\necho "$0" >> {r50.root}/started\nexec {sys.executable} "$@"\n')
    twin.chmod(0o755)
    arguments = ["--rounds", "1", "--output", r50.output, "--python-b", twin]
    ended = r50("ab", *arguments, "--", *NULL)
    assert ended.code == 0, ended.stderr
    # Once for the plan, once for the round.
    assert (r50.root / "started").read_text() == f"{twin}\n" * 2
    assert f"B: {twin}: --engine null" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "--batch-size", "0"], "--batch-size"),
        (["--", "--json"], "A: --json is r50 ab's own affair"),
        (["--", "--", "--", "--seed", "1"], "two sides are compared, and 3 are given"),
        (["--python-a", "/nowhere/python", "--"], "no Python at /nowhere/python"),
        (["--python-b", "/bin/false", "--"], "B cannot run (exit code 1)"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_measured(r50, arguments, message):
    ended = r50("ab", "--output", r50.output, *arguments)
    assert ended.code == (3 if "/bin/false" in arguments else 2)
    assert message in ended.stderr
    assert "round 1" not in ended.stderr


def test_an_interrupt_leaves_nothing_behind_and_keeps_what_was_measured(r50):
    slow = ["--engine", "null", "--engine-option", "query_ms=50", "--steps", "100000"]
    process = r50.start("ab", "--output", r50.output, "--rounds", "9", "--", *slow)
    r50.wait_for_stderr(process, "rounds into")
    # A run that has started no instance leaves nothing.
    wait_until(lambda: list(r50.output.glob("*-ab/*/*/instance_000.log")), "the first instance")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert r50.live() == {}
    assert "interrupted; what was measured is in" in ended.stderr
    assert "Traceback" not in ended.stderr
    [path] = r50.output.glob("*-ab/*/*/record.json")
    assert json.loads(path.read_text())["status"] == "interrupted"
