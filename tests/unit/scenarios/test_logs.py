"""LoadGen's logs, whole and cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loadgens import render_line, render_log

from resnet50_bench.scenarios.logs import (
    ACCURACY_LOG,
    DETAIL_LOG,
    LoadgenLog,
    parse_log,
    read_answers,
    read_log,
)


def test_the_values_are_kept_as_they_were() -> None:
    seed = 16159082839903944936  # more than 63 bits, and no float
    log = parse_log(
        render_log(effective_schedule_rng_seed=seed, result_validity="VALID", generic_message="x")
        + render_line("result_samples_per_second", 26197.2)
        + render_line("early_stopping_met", True)
    )
    assert log.values == {
        "effective_schedule_rng_seed": str(seed),
        "result_validity": "VALID",
        "result_samples_per_second": 26197.2,
        "early_stopping_met": True,
    }
    assert log.find_number("result_samples_per_second") == 26197.2
    assert log.find_number("early_stopping_met") is None
    assert log.find_number("nothing") is None


def test_errors_and_warnings_are_told_apart() -> None:
    log = parse_log(
        render_line("error_runtime", "too slow", is_error=True)
        + render_line("warning_generic", "look", is_warning=True)
    )
    assert log.errors == ("error_runtime: too slow",)
    assert log.warnings == ("warning_generic: look",)


def test_what_is_cut_off_or_no_line_of_the_log_is_left_out() -> None:
    whole = render_line("result_validity", "VALID")
    assert parse_log(f"{whole}{whole[:40]}").values == {"result_validity": "VALID"}
    assert parse_log("hello\n:::MLLOG []\n") == LoadgenLog()


def test_answers_are_numbers_with_a_sign(tmp_path: Path) -> None:
    (tmp_path / ACCURACY_LOG).write_text(
        '[\n{ "seq_id" : 0, "qsl_idx" : 7, "data" : "e703000000000000", "token_count" : 0 },\n'
        '{ "seq_id" : 1, "qsl_idx" : 8, "data" : "ffffffffffffffff", "token_count" : 0 }\n]\n'
    )
    assert [(item.qsl_idx, item.answer) for item in read_answers(tmp_path)] == [(7, 999), (8, -1)]


@pytest.mark.parametrize("content", [None, b"", b'[{"qsl_idx": 1, "da', b"\xff"])
def test_a_log_that_is_not_there_or_not_whole_holds_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / ACCURACY_LOG).write_bytes(content)
        (tmp_path / DETAIL_LOG).write_bytes(content)
    assert read_answers(tmp_path) == ()
    assert read_log(tmp_path) == LoadgenLog()
