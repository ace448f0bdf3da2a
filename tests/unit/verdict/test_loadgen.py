"""The verdict on a run behind LoadGen."""

from __future__ import annotations

from typing import Any

import pytest
from tests.loadgens import make_loadgen, make_log
from tests.records import make_evaluation, make_record

from resnet50_bench.results.record import LoadgenRecord
from resnet50_bench.scenarios.logs import LoadgenLog
from resnet50_bench.scenarios.request import LoadgenMode, LoadgenRequest, Scenario
from resnet50_bench.verdict.judge import judge
from resnet50_bench.verdict.loadgen import BOUND_TOP1, describe_bound


def judge_with(**changes: Any) -> tuple[int, list[str]]:
    verdict = judge(make_record(loadgen=make_loadgen(**changes)))
    return verdict.exit_code, [item.message for item in verdict.failures]


def test_a_valid_run_is_valid() -> None:
    assert judge_with() == (0, [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"result_min_duration_met": False}, "not met: the least duration"),
        ({"result_min_queries_met": False}, "not met: the least number of queries"),
        ({"early_stopping_met": False}, "not met: early stopping"),
        ({"result_perf_constraints_met": False}, "not met: the latency bound"),
        ({}, "no reason given"),
    ],
)
def test_what_loadgen_calls_invalid_is_invalid(changes: dict[str, Any], said: str) -> None:
    log = make_log(Scenario.OFFLINE, result_validity="INVALID", **changes)
    assert judge_with(log=log) == (1, [f"LoadGen calls the run INVALID: {said}"])


def test_loadgens_reason_is_the_advice() -> None:
    log = make_log(
        Scenario.OFFLINE, result_validity="INVALID", result_invalid_reason="Reduce\n target QPS. "
    )
    (failure,) = judge(make_record(loadgen=make_loadgen(log=log))).failures
    assert failure.advice == "Reduce target QPS."


def test_an_error_in_the_log_or_no_verdict_is_invalid() -> None:
    log = LoadgenLog(make_log(Scenario.OFFLINE).values, errors=("error_runtime: x",))
    assert judge_with(log=log) == (1, ["LoadGen's log has an error: error_runtime: x"])
    assert judge_with(log=LoadgenLog()) == (1, ["LoadGen's detail log holds no verdict"])


@pytest.mark.parametrize(("wrong_request", "code"), [(False, 3), (True, 2)])
def test_a_loadgen_that_did_not_end_says_why(wrong_request: bool, code: int) -> None:
    found, failures = judge_with(ended=False, failure="it was killed", wrong_request=wrong_request)
    assert (found, failures) == (code, ["LoadGen did not come to its end: it was killed"])


def test_an_interrupted_run_is_no_failure_of_the_host() -> None:
    record = make_record(loadgen=make_loadgen(ended=False), status="interrupted")
    assert judge(record).exit_code == 1


def make_accuracy(answers: dict[int, int]) -> LoadgenRecord:
    request = LoadgenRequest(scenario=Scenario.OFFLINE, mode=LoadgenMode.ACCURACY)
    return make_loadgen(request=request, answers=answers, log=LoadgenLog())


def test_answers_that_are_not_those_of_the_instances_are_invalid() -> None:
    evaluation = make_evaluation([5, 6], {0: (5, 0.9), 1: (9, 0.9)})

    def find(answers: dict[int, int]) -> list[str]:
        record = make_record(evaluation=evaluation, loadgen=make_accuracy(answers))
        return [item.message for item in judge(record).failures if "LoadGen" in item.message]

    assert find({0: 6, 1: 10}) == []
    assert find({0: 6, 1: 7}) == [
        "1 of the answers in LoadGen's accuracy log are not those that the instances gave"
    ]
    assert find({0: 6})[-1] == "LoadGen's accuracy log has 1 of 2 images"


def test_the_bound_is_told() -> None:
    assert pytest.approx(75.69144) == BOUND_TOP1
    evaluation = make_evaluation([5, 6], {0: (5, 0.9), 1: (9, 0.9)})
    record = make_record(evaluation=evaluation, loadgen=make_accuracy({0: 6, 1: 10}))
    assert describe_bound(record) == (
        "50.000 % does not reach 75.691 % = 99 % of the reference's 76.456 % in fp32; of 2 images, "
        "where the rules want all 50,000"
    )
    assert describe_bound(make_record()) is None
