"""`r50 sweep` through the command line: made, interrupted, killed, gone on with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from resnet50_bench.results.files import read_record
from resnet50_bench.search.identity import hash_config

from .conftest import R50

LISTS = ["--batch-size", "1,8", "--cores-per-instance", "1", "--instances", "1"]
QUICK = ["--engine", "null", "--steps", "20", "--warmup-steps", "1"]
SWEEP = ["sweep", *QUICK, *LISTS]


def runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/record.json"))


def count_valid(folder: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for path in runs(folder):
        record = read_record(path)
        if record.status == "completed":
            key = hash_config(record.config)
            counts[key] = counts.get(key, 0) + 1
    return counts


def read(r50: R50) -> dict:
    return json.loads((r50.output / "sweep.json").read_text())


def test_a_sweep_is_made_extended_and_found_by_kpi(r50):
    """Rounds, the table, more rounds in the same folder, another request refused."""
    ended = r50(*SWEEP, "--rounds", "2", "--output", r50.output, "--format", "json")
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert [item["batch_size"] for item in found["best_of_batch_size"]] == [1, 8]
    assert [item["rounds"] for item in found["measured"]] == [2, 2]
    assert "2 combinations in 2 rounds: 4 runs, about " in ended.stderr
    assert ended.stderr.count("images/s; best ") == 4
    assert sorted(count_valid(r50.output).values()) == [2, 2]

    more = r50(*SWEEP, "--rounds", "3", "--output", r50.output)
    assert more.code == 0
    assert "6 runs, 4 are there, about " in more.stderr
    assert more.stdout.startswith("Best per batch size (images/s; ")
    assert sorted(count_valid(r50.output).values()) == [3, 3]
    assert [len({run["folder"] for run in read(r50)["runs"]})] == [6]

    other = r50(*SWEEP, "--seed", "7", "--output", r50.output)
    assert other.code == 2
    assert "a sweep of something else (seed: 0 there, 7 here)" in other.stderr
    assert len(runs(r50.output)) == 6

    kpis = r50("kpi", "--primary", "--format", "json", r50.output)
    assert (kpis.code, len(json.loads(kpis.stdout))) == (0, 6)
    assert "sweep.json" not in kpis.stdout


def test_an_interrupted_sweep_is_gone_on_with(r50):
    slow = ["sweep", "--engine", "null", "--warmup-steps", "1", *LISTS, "--rounds", "1"]
    process = r50.start(
        *slow, "--min-time", "2", "--steps", "1", "--output", r50.output,
    )  # fmt: skip
    r50.wait_for_stderr(process, "run 1 of 2: ")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    assert f"1 valid run kept, 1 left: go on with `r50 sweep --resume {r50.output}`" in ended.stderr
    assert ended.stdout.startswith("Best per batch size")
    (kept,) = [path for path in runs(r50.output) if read_record(path).status == "completed"]

    resumed = r50("sweep", "--resume", r50.output)
    assert resumed.code == 0, resumed.stderr
    assert "2 runs, 1 are there, about " in resumed.stderr
    assert sorted(count_valid(r50.output).values()) == [1, 1]
    assert kept.name in {run["folder"] for run in read(r50)["runs"]}


def test_a_killed_sweep_is_gone_on_with(r50):
    """The record of the run that had just ended counts even where the sweep's file lacks it."""
    process = r50.start(
        "sweep", "--engine", "null", "--warmup-steps", "1", *LISTS, "--rounds", "1",
        "--min-time", "2", "--steps", "1", "--output", r50.output,
    )  # fmt: skip
    r50.wait_for_stderr(process, "run 1 of 2: ")
    process.kill()
    assert r50.end(process).code == -signal.SIGKILL
    page = read(r50)
    page["runs"] = []
    (r50.output / "sweep.json").write_text(json.dumps(page))
    resumed = r50("sweep", "--resume", r50.output)
    assert resumed.code == 0, resumed.stderr
    assert "2 runs, 1 are there, about " in resumed.stderr
    assert sorted(count_valid(r50.output).values()) == [1, 1]


def test_a_point_that_fails_is_kept_and_the_others_go_on(r50):
    """It is not tried in the next round; the sweep's exit code is its own."""
    ended = r50(
        "sweep", "--engine", "null", "--engine-option", "fault=exit fault_query=10", *LISTS,
        "--batch-size", "1", "--steps", "5,20", "--warmup-steps", "1", "--rounds", "2",
        "--output", r50.output, "--format", "json",
    )  # fmt: skip
    assert ended.code == 3
    found = json.loads(ended.stdout)
    assert [item["set"]["STEPS"] for item in found["measured"]] == ["5"]
    (failure,) = found["failures"]
    assert (failure["exit_code"], "STEPS=20" in failure["set"]) == (3, True)
    assert read_record(r50.output / failure["run"]).status == "lost instances"
    assert sorted(run["exit_code"] for run in read(r50)["runs"]) == [0, 0, 3]
    assert "STEPS=20: " in ended.stderr


def test_what_does_not_fit_is_said_and_left_out(r50):
    ended = r50(
        "sweep", *QUICK, "--cores-per-instance", "1,100000", "--batch-size", "1", "--dry-run",
    )  # fmt: skip
    assert ended.code == 0
    assert "left out: 1 combination of BATCH_SIZE=1 CORES_PER_INSTANCE=100000: " in ended.stdout
    assert "1 combination in 3 rounds: 3 runs, about " in ended.stdout
    assert not r50.output.exists()
    none = r50("sweep", *QUICK, "--cores-per-instance", "100000", "--batch-size", "1")
    assert none.code == 2
    assert "--cores-per-instance 100000 does not fit" in none.stderr


def test_a_budget_begins_no_run_that_would_end_too_late(r50):
    ended = r50(*SWEEP, "--rounds", "2", "--budget", "1s", "--output", r50.output)
    assert ended.code == 0
    assert f"0 valid runs kept, 4 left: go on with `r50 sweep --resume {r50.output}`" in (
        ended.stderr
    )
    assert runs(r50.output) == []


def test_a_case_by_its_name(r50):
    ended = r50("sweep", "throughput_avx_fp32_gated", "--batch-size", "1,8", "--dry-run",
                "--engine", "null", "--format", "json")  # fmt: skip
    assert ended.code == 0, ended.stderr
    points = json.loads(ended.stdout)["points"]
    assert [point["set"] for point in points] == [{"BATCH_SIZE": "1"}, {"BATCH_SIZE": "8"}]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--batch-size", "8..1"], "--batch-size 8..1: '8..1' needs a first number above 0"),
        (["--batch-size", "1,2,4,..."], "`...` needs a number to go up to"),
        (["--batch-size", "1,x"], "--batch-size: 'x' must be a whole number, 1 or more"),
        (["--mode", "accuracy"], "accuracy"),
        (["--mode", "latency,throughput"], "a sweep has one mode"),
        (["--batch-size", "1", "--set", "BATCH_SIZE=1 2"], "leave one of the two out"),
        (["--budget", "soon"], "must be a time such as 90s, 30m or 2h"),
        (["--resume", "nowhere"], "no sweep at nowhere"),
        (["--resume", "nowhere", "--seed", "1"], "so --seed cannot be given with it"),
        (["nosuchcase"], "there is no test case 'nosuchcase'"),
    ],
)
def test_a_wrong_request(r50, arguments, expected):
    engine = [] if "--resume" in arguments else ["--engine", "null"]
    ended = r50("sweep", *engine, *arguments)
    assert ended.code == 2
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(r50.cwd.iterdir()) == []
