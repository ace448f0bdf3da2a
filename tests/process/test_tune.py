"""`r50 tune` and `r50 run --tuned` through the command line, with the null engine.

Its queries all take the same time, so that the larger batch is the better one.
"""

from __future__ import annotations

import csv
import io
import json
import signal

from .conftest import R50

SPACE = ["--engine", "null", "--engine-option", "query_ms=4", "--cores-per-instance", "1",
         "--instances", "1"]  # fmt: skip
SEARCH = ["tune", *SPACE, "--batch-size", "1,4", "--budget", "12s", "--accept-noise"]


def own_cache(r50: R50) -> dict[str, str]:
    """Answers of these tests alone."""
    return {"R50_CACHE_DIR": str(r50.root / "cache")}


def test_a_search_finds_stores_and_runs_the_best(r50: R50) -> None:
    env = own_cache(r50)
    ended = r50(*SEARCH, "--format", "json", "--output", r50.output, env=env)
    assert ended.code == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["winner"] == 1
    assert answer["reason"] == "decided"
    assert answer["standing"][0]["configuration"] == "batch 4, 1 instance x 1 core, query_ms=4"
    assert {trial["start"] for trial in answer["trials"]} == {1}, "both batches in one start"
    assert "--batch-size 4 --cores-per-instance 1 --instances 1" in answer["command"]
    assert "trial 1: batch 1" in ended.stderr
    (folder,) = r50.output.iterdir()
    assert json.loads((folder / "tune.json").read_text())["winner"] == 1
    assert len(list((folder / "trials").glob("*/record.json"))) == len(answer["trials"])
    assert (folder / answer["confirmed_by"] / "record.json").exists()

    shown = json.loads(r50("tune", "--show", "--format", "json", env=env).stdout)
    assert shown["answers"][0]["settings"]["BATCH_SIZE"] == "4"
    assert shown["answers"][0]["stale"] is False
    (row,) = csv.DictReader(io.StringIO(r50("tune", "--show", "--format", "csv", env=env).stdout))
    assert row["state"] == "holds"

    planned = r50("run", "--tuned", "--engine", "null", "--dry-run", env=env)
    assert "batch size 4" in planned.stdout
    assert "tuned 20" in planned.stderr
    wins = r50("run", "--tuned", "--engine", "null", "--batch-size", "2", "--dry-run",
               env=env)  # fmt: skip
    assert "batch size 2" in wins.stdout
    assert "--batch-size wins over the tuned BATCH_SIZE=4" in wins.stderr


def test_nobody_keeps_to_the_limit(r50: R50) -> None:
    ended = r50(*SEARCH, "--sla", "p99=1ms", "--output", r50.output, env=own_cache(r50))
    assert ended.code == 1, ended.stderr
    assert "no configuration is shown to keep to p99 <= 1 ms; nearest: batch" in ended.stdout
    assert "nothing was tuned yet" in r50("tune", "--show", env=own_cache(r50)).stdout


def test_ctrl_c_keeps_what_was_measured_and_tells_the_best_so_far(r50: R50) -> None:
    process = r50.start(*SEARCH, "--output", r50.output, env=own_cache(r50))
    r50.wait_for_stderr(process, "trial 1: ")
    process.send_signal(signal.SIGINT)
    ended = r50.end(process)
    assert ended.code == 130
    assert "best so far, by trials alone: batch 1" in ended.stderr
    (folder,) = r50.output.iterdir()
    assert json.loads((folder / "tune.json").read_text())["reason"] == "stopped"


def test_wrong_requests_are_refused_before_anything_starts(r50: R50) -> None:
    ended = r50(*SEARCH, "--sla", "fast", "--within", "0")
    assert ended.code == 2
    assert "--sla 'fast'" in ended.stderr
    assert "--within '0'" in ended.stderr
    assert r50("tune", *SPACE, "--batch-size", "x").code == 2
    assert "--budget 1s: one trial" in r50("tune", *SPACE, "--budget", "1s").stderr
    missing = r50("run", "--tuned", "--engine", "null", "--dry-run", env=own_cache(r50))
    assert missing.code == 2
    assert "nothing was tuned yet for throughput in avx_fp32" in missing.stderr


def test_a_dry_run_says_what_would_be_tried(r50: R50) -> None:
    ended = r50(*SEARCH, "--dry-run")
    assert ended.code == 0, ended.stderr
    assert "over 2 configurations, which need 1 kind of instances" in ended.stdout
    assert not r50.output.exists()
