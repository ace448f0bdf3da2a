"""Runs in the shape of an open submission, and what the rules would not accept of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.loadgens import make_loadgen, make_log
from tests.records import make_evaluation, make_record

from resnet50_bench.packaging.submission.checks import IMAGES, list_checks
from resnet50_bench.packaging.submission.folder import export_run, list_missing, truncate
from resnet50_bench.packaging.submission.system import LEFT_TO_THE_SUBMITTER, describe_system
from resnet50_bench.results.record import Record
from resnet50_bench.scenarios.logs import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG, LoadgenLog
from resnet50_bench.scenarios.request import LoadgenMode, LoadgenRequest, Scenario


def make_run(scenario: Scenario = Scenario.OFFLINE, **changes: Any) -> Record:
    return make_record(loadgen=make_loadgen(scenario, **changes))


def find_refused(record: Record) -> list[str]:
    return [check.name for check in list_checks(record) if not check.accepted]


@pytest.mark.parametrize(
    "scenario", [Scenario.OFFLINE, Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM]
)
def test_a_run_by_the_rules_is_accepted(scenario: Scenario) -> None:
    assert find_refused(make_run(scenario)) == []


@pytest.mark.parametrize(
    ("scenario", "changes", "refused"),
    [
        (Scenario.OFFLINE, {"effective_min_duration_ms": 599_999}, ["min duration (ms)"]),
        (Scenario.OFFLINE, {"effective_min_sample_count": 24_575},
         ["samples of the Offline query"]),
        (Scenario.OFFLINE, {"effective_performance_sample_count": 1023},
         ["performance sample count"]),
        (Scenario.OFFLINE, {"effective_schedule_rng_seed": "1"}, ["seeds of the round"]),
        (Scenario.MULTI_STREAM, {"early_stopping_met": False}, ["early stopping"]),
        (Scenario.MULTI_STREAM, {"effective_min_query_count": 661}, ["min query count"]),
        (Scenario.MULTI_STREAM, {"effective_samples_per_query": 4}, ["samples per query"]),
        (Scenario.SINGLE_STREAM, {"result_validity": "INVALID"},
         ["r50's own verdict", "LoadGen's verdict"]),
        (Scenario.SERVER, {}, ["scenario"]),
    ],
)  # fmt: skip
def test_what_the_rules_do_not_accept_is_named(
    scenario: Scenario, changes: dict[str, Any], refused: list[str]
) -> None:
    assert find_refused(make_run(scenario, log=make_log(scenario, **changes))) == refused


def test_a_log_without_its_figures_is_not_accepted() -> None:
    refused = find_refused(make_run(log=LoadgenLog()))
    assert {"min duration (ms)", "seeds of the round", "LoadGen's verdict"} <= set(refused)


def make_accuracy(images: int) -> Record:
    answers = dict.fromkeys(range(images), (5, 0.9))
    return make_record(
        evaluation=make_evaluation([5] * images, answers, dataset_images=images),
        loadgen=make_loadgen(
            request=LoadgenRequest(scenario=Scenario.OFFLINE, mode=LoadgenMode.ACCURACY),
            answers=dict.fromkeys(range(images), 6),
            log=LoadgenLog(),
        ),
    )


def test_accuracy_is_of_all_images() -> None:
    checks = {check.name: check for check in list_checks(make_accuracy(4))}
    assert not checks["images"].accepted
    assert (checks["images"].found, checks["images"].wanted) == ("4", f"all {IMAGES:,}")
    assert checks["answers logged as given"].accepted
    assert checks["accuracy"].accepted
    assert checks["accuracy"].closed_only


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    (folder := tmp_path / "run").mkdir()
    for name in (SUMMARY_LOG, DETAIL_LOG):
        (folder / name).write_text(f"{name} as LoadGen wrote it\n")
    (folder / ACCURACY_LOG).write_bytes(b"[" + b"x" * 20_000 + b"]")
    return folder


def test_two_runs_make_a_submission(run_folder: Path, tmp_path: Path) -> None:
    submission = tmp_path / "submission"
    speed, accuracy = make_run(), make_accuracy(4)
    place = export_run(speed, run_folder, submission, "me")
    assert any(
        text.startswith("the accuracy run") for text in list_missing(speed, submission, "me")
    )
    export_run(accuracy, run_folder, submission, "me")
    left = list_missing(speed, submission, "me")
    assert [text.partition(":")[0] for text in left] == ["yours to fill in"]
    assert place.parts[-4:] == ("resnet50", "Offline", "performance", "run_1")
    assert (place / DETAIL_LOG).read_bytes() == (run_folder / DETAIL_LOG).read_bytes()
    assert {path.name for path in (submission / "open" / "me").iterdir()} == {
        "code", "results", "systems",
    }  # fmt: skip
    scenario = place.parents[1]
    assert {path.name for path in scenario.iterdir()} == {
        "accuracy", "performance", "measurements.json", "user.conf", "README.md",
    }  # fmt: skip


def test_an_accuracy_log_is_cut_and_its_hash_told(run_folder: Path, tmp_path: Path) -> None:
    place = export_run(make_accuracy(4), run_folder, tmp_path / "submission")
    whole = (run_folder / ACCURACY_LOG).read_bytes()
    assert (place / "accuracy.txt").read_text() == (
        f"accuracy=100.000%, good=4, total=4\nhash={hashlib.sha256(whole).hexdigest()}\n"
    )
    assert (place / ACCURACY_LOG).stat().st_size <= 10 * 1024
    assert truncate(b"short") == b"short"


def test_what_the_submitter_filled_in_stays(run_folder: Path, tmp_path: Path) -> None:
    submission = tmp_path / "submission"
    export_run(make_run(), run_folder, submission)
    (system,) = submission.rglob("systems/*.json")
    fields = json.loads(system.read_text())
    assert fields["submitter"] == "SUBMITTER"
    assert all(fields[name] == "" for name in LEFT_TO_THE_SUBMITTER)
    system.write_text(json.dumps({**fields, "cooling": "air"}))
    export_run(make_run(), run_folder, submission)
    assert json.loads(system.read_text())["cooling"] == "air"
    assert "your name in place of SUBMITTER" in list_missing(make_run(), submission)[-1]


def test_the_system_is_the_records() -> None:
    fields = describe_system(make_run(), "me")
    assert fields["division"] == "open"
    assert fields["accelerators_per_node"] == "0"
    assert fields["host_processor_core_count"] == "4"
