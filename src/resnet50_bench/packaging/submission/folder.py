"""Puts a run where an open submission has it.

    open/SUBMITTER/
      systems/SYSTEM.json
      code/resnet50/README.md
      results/SYSTEM/resnet50/SCENARIO/
        measurements.json  README.md  user.conf
        performance/run_1/mlperf_log_summary.txt  mlperf_log_detail.txt
        accuracy/mlperf_log_summary.txt  mlperf_log_detail.txt  mlperf_log_accuracy.json
                 accuracy.txt

(mlcommons/inference, tools/submission/submission_structure.md.) A performance run and an accuracy
run of the same system and scenario complete each other.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.errors import OutputError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.packaging.submission.system import (
    LEFT_TO_THE_SUBMITTER,
    describe_implementation,
    describe_system,
    name_system,
)
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.scenarios.logs import ACCURACY_LOG, DETAIL_LOG, SUMMARY_LOG
from resnet50_bench.scenarios.request import LoadgenMode
from resnet50_bench.scenarios.settings import MODEL

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record

SUBMITTER = "SUBMITTER"

_VIEWABLE_BYTES = 4096
_MOST_BYTES = 10 * 1024
"""Of an accuracy log: more is cut in the middle, and its hash stands in accuracy.txt
(tools/submission/truncate_accuracy_log.py)."""


def plan_scenario_folder(record: Record, submitter: str = SUBMITTER) -> Path:
    """Return where the files of a run's scenario lie, below the submission."""
    assert record.loadgen is not None
    scenario = record.loadgen.request.scenario.value
    return Path("open", submitter, "results", name_system(record), MODEL, scenario)


def export_run(
    record: Record, run_folder: Path, submission: Path, submitter: str = SUBMITTER
) -> Path:
    """Put a run into a submission; what is there of the same kind is replaced.

    Args:
        record: of the run, which LoadGen drove to its end.
        run_folder: that holds its logs.
        submission: the folder; made when it is not there.
        submitter: the name of its folder.

    Returns:
        Where its logs are now.

    Raises:
        OutputError: the submission cannot be written.
    """
    assert record.loadgen is not None
    place = submission / plan_scenario_folder(record, submitter)
    try:
        _write_descriptions(record, submission, place, submitter)
        if record.loadgen.request.mode is LoadgenMode.ACCURACY:
            return _export_accuracy(record, run_folder, place / "accuracy")
        return _export_logs(run_folder, place / "performance" / "run_1")
    except OSError as error:
        raise OutputError(error.filename or submission, error) from error


def list_missing(record: Record, submission: Path, submitter: str = SUBMITTER) -> list[str]:
    """Return what a submission of this scenario still lacks, for people."""
    place = submission / plan_scenario_folder(record, submitter)
    missing = []
    if not (place / "performance" / "run_1" / DETAIL_LOG).is_file():
        missing.append("the performance run: `r50 loadgen` with --mode performance")
    if not (place / "accuracy" / DETAIL_LOG).is_file():
        missing.append("the accuracy run: `r50 loadgen` with --mode accuracy")
    fields = ", ".join(LEFT_TO_THE_SUBMITTER)
    missing.append(f"yours to fill in: {fields} in systems/{name_system(record)}.json")
    if submitter == SUBMITTER:
        missing.append(f"your name in place of {SUBMITTER}: the folder, and in the system's file")
    return missing


def _export_logs(run_folder: Path, place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name in (SUMMARY_LOG, DETAIL_LOG):
        shutil.copyfile(run_folder / name, place / name)
    return place


def _export_accuracy(record: Record, run_folder: Path, place: Path) -> Path:
    _export_logs(run_folder, place)
    content = (run_folder / ACCURACY_LOG).read_bytes()
    write_atomically(place / "accuracy.txt", render_accuracy(record, content).encode())
    write_atomically(place / ACCURACY_LOG, truncate(content))
    return place


def render_accuracy(record: Record, log: bytes) -> str:
    """Return `accuracy.txt`: the reference script's line, and the hash of the whole log."""
    accuracy = compute_accuracy(record.evaluation) if record.evaluation is not None else None
    right, seen = (accuracy.top1_correct, accuracy.images) if accuracy is not None else (0, 0)
    share = 100 * right / seen if seen else 0.0
    line = f"accuracy={share:.3f}%, good={right}, total={seen}"
    return f"{line}\nhash={hashlib.sha256(log).hexdigest()}\n"


def truncate(log: bytes) -> bytes:
    """Return a log of at most 10 KiB: of a larger one its beginning and its end."""
    if len(log) <= _MOST_BYTES:
        return log
    return log[:_VIEWABLE_BYTES] + b"\n\n...\n\n" + log[-_VIEWABLE_BYTES:]


def _write_descriptions(record: Record, submission: Path, place: Path, submitter: str) -> None:
    top = submission / "open" / submitter
    code = top / "code" / MODEL
    for folder in (place, top / "systems", code):
        folder.mkdir(parents=True, exist_ok=True)
    command = shlex.join(record.command)
    made_with = f"resnet50-bench {record.tool_version}"
    files = {
        place / "measurements.json": _render_json(describe_implementation(record)),
        place / "user.conf": _render_user_conf(record),
        place / "README.md": f"Made with {made_with}:\n\n    {command}\n",
        code / "README.md": f"The code is {made_with}; `{command}` ran it.\n",
    }
    for path, text in files.items():
        write_atomically(path, text.encode())
    system = top / "systems" / f"{name_system(record)}.json"
    if not system.exists():  # what its submitter has filled in stays
        write_atomically(system, _render_json(describe_system(record, submitter)).encode())


def _render_user_conf(record: Record) -> str:
    """What was asked beside the rules, in LoadGen's form."""
    assert record.loadgen is not None
    request, values = record.loadgen.request, record.loadgen.log.values
    qps = values.get("effective_target_qps")
    lines = [f"# of {record.run_id}"]
    if request.target_qps is not None or qps is not None:
        lines.append(f"{MODEL}.{request.scenario.value}.target_qps = {request.target_qps or qps}")
    if request.min_time_ms is not None:
        lines.append(f"{MODEL}.{request.scenario.value}.min_duration = {request.min_time_ms}")
    return "\n".join(lines) + "\n"


def _render_json(fields: dict[str, str]) -> str:
    return msgspec.json.format(msgspec.json.encode(fields), indent=2).decode() + "\n"
