"""LoadGen drives real instances: to its end, and to that of an instance."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from resnet50_bench.scenarios.logs import DETAIL_LOG, SUMMARY_LOG, read_log
from resnet50_bench.verdict.judge import judge

from .conftest import instances
from .test_accuracy import null_answer

pytest.importorskip("mlperf_loadgen", reason="needs the extra `loadgen`")

NULL = ["--engine", "null", *instances(1), "--warmup-steps", "2"]


def test_offline_comes_to_its_end_and_into_a_submission(r50, tmp_path) -> None:
    submission = tmp_path / "submission"
    ended = r50(
        "loadgen", "--scenario", "offline", *NULL, "--engine-option", "query_ms=2",
        "--batch-size", "5", "--samples", "7", "--min-time", "0.3", "--output", r50.output,
        "--export-submission", submission, "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.stderr
    record, log = r50.record(), read_log(r50.folder())
    assert record.loadgen is not None
    assert record.loadgen.ended
    assert record.loadgen.log == log
    assert log.values["result_validity"] == "VALID"
    sizes = [count for lane in record.instances[0].lanes for count in lane.images]
    assert sum(sizes) == log.values["effective_samples_per_query"]
    assert set(sizes[:-1]) == {5}
    (figure,) = json.loads(ended.stdout)["loadgen"]["figures"]
    assert figure["loadgen"] == log.values["result_samples_per_second"]
    assert figure["ratio"] == pytest.approx(figure["ours"] / figure["loadgen"])
    (copied,) = submission.rglob(f"performance/run_1/{DETAIL_LOG}")
    assert copied.read_bytes() == (r50.folder() / DETAIL_LOG).read_bytes()
    assert "NOT ACCEPTED: min duration (ms): 300 (asked: 600,000 or more)" in ended.stderr
    assert "accepted: seeds of the round: those of v" in ended.stderr


def test_an_instance_killed_in_a_query_ends_the_run_and_the_logs_are_kept(r50) -> None:
    """That no process is left is seen by `leaves_nothing_behind`."""
    ended = r50(
        "loadgen", "--scenario", "SingleStream", *NULL,
        "--engine-option", "query_ms=1 fault=kill fault_query=30",
        "--samples", "4", "--min-time", "60", "--output", r50.output,
    )  # fmt: skip
    assert ended.code == 3
    assert "INVALID" in ended.stdout
    assert "Traceback" not in ended.stderr
    record = r50.record()
    messages = [item.message for item in judge(record).failures]
    assert "instance 0 was lost while measuring: signal: SIGKILL (Killed)" in messages
    assert any(text.startswith("LoadGen did not come to its end: ") for text in messages)
    assert record.loadgen is not None
    assert record.loadgen.log.values["effective_scenario"] == "SingleStream"
    assert (r50.folder() / SUMMARY_LOG).exists()


@pytest.fixture
def labelled(tmp_path):
    """Seven images and their labels, the third of them wrong on purpose."""
    (folder := tmp_path / "images").mkdir()
    random = np.random.default_rng(5)
    lines = []
    for number in range(7):
        path = folder / f"ILSVRC2012_val_{number + 1:08d}.JPEG"
        assert cv2.imwrite(str(path), random.integers(0, 256, (230, 250, 3), np.uint8))
        lines.append(f"{path.name} {(null_answer(path.read_bytes()) + 9 * (number == 2)) % 1000}")
    (folder.parent / "val_map.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_accuracy_is_scored_from_answers_that_loadgens_log_has_too(r50, labelled) -> None:
    ended = r50(
        "loadgen", "--scenario", "Offline", "--mode", "accuracy", "--engine", "null",
        "--engine-option", "answer=image query_ms=1", "--batch-size", "2", "--samples", "4",
        "--dataset", labelled, "--labels", labelled.parent / "val_map.txt",
        "--expected-top1", "80", "--output", r50.output, "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.stderr
    summary, loadgen = json.loads(ended.stdout), r50.record().loadgen
    assert summary["accuracy"]["top1_correct"] == 6
    assert "85.714 % reaches 75.691 %" in summary["loadgen"]["accuracy_bound"]
    assert loadgen is not None
    assert loadgen.answers is not None
    assert sorted(loadgen.answers) == list(range(7))
