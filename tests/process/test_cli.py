"""What the command line refuses, plans and imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.graphs import encode_model

from .conftest import COMMAND, GIVE_UP_SECONDS, MEASURE, QUICK

LARGE = {"numpy", "rich", "tensorflow", "cv2", "httpx"}


def refuse(r50, *arguments, **options) -> list[str]:
    """Run a wrong request; return the lines on stderr."""
    ended = r50(*arguments, **options)
    assert ended.code == 2, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert not r50.output.exists() or list(r50.output.iterdir()) == []
    assert list(r50.cwd.iterdir()) == []
    return ended.stderr.splitlines()


def test_every_problem_is_listed_with_its_flag(r50):
    lines = refuse(
        r50, "run", "--steps", "x", "--batch-size", "0", "--mode", "fast", "--set", "STEP=1",
        "--set", "SEED=-1", "--output", r50.output,
    )  # fmt: skip
    assert len(lines) == 5
    for start in (
        "error: --steps: 'x' must be a whole number",
        "error: --batch-size: '0' must be a whole number, 1 or more",
        "error: --mode: 'fast' must be one of throughput, latency",
        "error: --set STEP: there is no parameter STEP; did you mean STEPS?",
        "error: --set SEED: '-1' must be a whole number, 0 or more",
    ):
        assert [line for line in lines if line.startswith(start)], start


def test_the_environment_is_named_where_it_is_wrong(r50):
    lines = refuse(r50, "run", "--from-env", "--output", r50.output, env={"BATCH_SIZE": "many"})
    assert lines == [
        "error: environment variable BATCH_SIZE: 'many' must be a whole number, 1 or more"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "none"], "--engine"),
        (["--engine", "null", "--engine-option", "fault=x bla=1"], "--engine-option fault=x: "),
        (["--engine", "null", "--instances", "100000"], "--instances"),
        (["--engine", "null", "--cores-per-instance", "100000"], "--cores-per-instance"),
        (["--engine", "null", "--dataset", "nowhere"], "--dataset nowhere: does not exist"),
        (["--engine", "null", "--data-type", "real"], "--dataset PATH"),
        (["--model", "nowhere.pb"], "nowhere.pb"),
        (["--set", "STEPS"], "--set STEPS: give NAME=VALUE"),
        (["--no-such-flag"], "No such option"),
    ],
)
def test_wrong_requests(r50, arguments, message):
    assert message in "\n".join(refuse(r50, "run", *arguments, "--output", r50.output))


def test_an_empty_or_unusable_dataset(r50):
    (folder := r50.root / "empty").mkdir()
    (folder / "notes.txt").write_text("text")
    lines = refuse(r50, "run", *QUICK, "--dataset", folder, "--output", r50.output)
    assert lines[0] == f"error: --dataset {folder}: holds no image"
    assert lines[1].startswith("  -> give --dataset a folder")


def test_unknown_command_and_missing_value(r50):
    assert refuse(r50, "run", "--steps")[-1] == "Error: Option '--steps' requires an argument."
    assert refuse(r50, "nope")[-1] == "Error: No such command 'nope'."


def test_a_file_in_place_of_the_output_folder(r50):
    r50.output.write_text("")
    ended = r50("run", *QUICK, "--output", r50.output)
    assert ended.code == 2
    assert "--output" in ended.stderr
    assert f"'{r50.output}' is a file." in ended.stderr
    below = r50("run", *QUICK, "--output", r50.output / "runs")
    assert below.code == 3
    assert below.stderr.splitlines() == [
        f"error: cannot write results to {r50.output}/runs: Not a directory",
        "  -> name a folder you may write to, with room, with --output DIR",
    ]
    assert r50.output.read_text() == ""


def test_a_refused_model_leaves_no_run_folder(r50):
    (graph := r50.root / "graph.pb").write_bytes(encode_model())
    (broken := r50.root / "broken").mkdir()
    (broken / "tensorflow.py").write_text("raise ImportError('a broken installation')")
    env = {"XDG_CACHE_HOME": str(r50.root / "cache"), "PYTHONPATH": str(broken)}
    ended = r50("run", "--model", graph, "--output", r50.output, env=env)
    assert ended.code == 2
    assert "error: " in ended.stderr
    assert list(r50.output.iterdir() if r50.output.exists() else []) == []


def test_debug_adds_the_traceback(r50):
    ended = r50("--debug", "run", "--steps", "x", "--output", r50.output)
    assert ended.code == 2
    assert "Traceback (most recent call last):" in ended.stderr
    assert "ConfigError" in ended.stderr
    assert "error: --steps: 'x' must be" in ended.stderr


def test_runs_that_are_not_there(r50):
    for command in ("show", "kpi"):
        assert refuse(r50, command, "nowhere") == [
            "error: no run at nowhere: No such file or directory",
            "  -> give the folder that holds record.json",
        ]


def test_dry_run_starts_and_writes_nothing(r50):
    ended = r50("run", *QUICK, "--dry-run", "--output", r50.output)
    assert (ended.code, ended.stderr) == (0, "")
    assert "Placement" in ended.stdout
    assert not r50.output.exists()
    assert list(r50.cwd.iterdir()) == []


def test_flags_set_and_environment_mean_the_same(r50):
    values = {
        "MODE": "latency",
        "ENGINE": "null",
        "BATCH_SIZE": "2",
        "STEPS": "7",
        "CORES_PER_INSTANCE": "1",
        "INSTANCES": "1",
        "CUSTOMER_ENV": "A=1 B='two words'",
        "ENGINE_OPTION": "query_ms=3",
    }
    flags = [
        word
        for name, text in values.items()
        for word in ("--" + name.lower().replace("_", "-"), text)
    ]
    settings = [word for item in values.items() for word in ("--set", "=".join(item))]
    plan = ["run", "--dry-run", "--json", "--output", r50.output]
    by_flag = r50(*plan, *flags)
    by_set = r50(*plan, *settings)
    by_environment = r50(*plan, "--from-env", env=values)
    unasked = r50(*plan, "--engine", "null", env=values)
    assert by_flag.code == 0, by_flag.stderr
    config = json.loads(by_flag.stdout)["config"]
    assert config["mode"] == "latency"
    assert config["batch_size"] == 2
    assert config["customer_env"] == {"A": "1", "B": "two words"}
    assert json.loads(by_set.stdout)["config"] == config
    assert json.loads(by_environment.stdout)["config"] == config
    assert json.loads(unasked.stdout)["config"]["batch_size"] is None
    assert not r50.output.exists()


def test_a_flag_wins_over_set_and_set_over_the_environment(r50):
    plan = ["run", "--dry-run", "--json", "--engine", "null", "--from-env"]
    ended = r50(
        *plan, "--set", "STEPS=2", "--steps", "3", "--set", "BATCH_SIZE=2",
        env={"STEPS": "1", "BATCH_SIZE": "1", "SEED": "1"},
    )  # fmt: skip
    config = json.loads(ended.stdout)["config"]
    assert (config["steps"], config["batch_size"], config["seed"]) == (3, 2, 1)


@pytest.mark.parametrize("arguments", [["--help"], ["model", "--help"], ["run", "--help"]])
def test_help_imports_nothing_large(r50, arguments):
    ended = r50(*arguments, command=[sys.executable, "-X", "importtime", *COMMAND[1:]])
    assert ended.code == 0
    assert "Usage: r50" in ended.stdout or "Usage: -c" in ended.stdout
    lines = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "resnet50_bench" in imported
    assert imported & LARGE == set()


@pytest.mark.parametrize("command", [["show"], ["show", "--json"], ["kpi"]])
def test_a_reader_that_went_away(finished, command):
    """As in `r50 show RUN | head -1`: no traceback, and not the exit code of an invalid result."""
    r50, _ = finished
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [*COMMAND, *command, str(r50.folder())],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=r50.environment(),
            timeout=GIVE_UP_SECONDS,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_reader_of_the_progress_that_went_away(r50):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [*COMMAND, "run", *MEASURE, "--output", str(r50.output)],
            stdout=subprocess.PIPE,
            stderr=writer,
            env=r50.environment(),
            timeout=GIVE_UP_SECONDS,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stdout) == (141, b"")
    assert list(r50.output.iterdir()) == []
