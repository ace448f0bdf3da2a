"""What `r50 loadgen` takes, and what it refuses before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resnet50_bench.cli.loadgen.options import (
    LoadgenOptions,
    make_request,
    parse_scenario,
    plan_mode_settings,
    plan_own_settings,
)
from resnet50_bench.config import Gramine, RunConfig
from resnet50_bench.errors import CaseError, ConfigError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.planning.loadgen import find_loadgen_problems
from resnet50_bench.scenarios.request import IssuerCore, LoadgenMode, LoadgenRequest, Scenario


def make_options(**changes: Any) -> LoadgenOptions:
    fields: dict[str, Any] = {
        "case": None, "scenario": "Offline", "mode": "performance", "target_qps": None,
        "find_max": False, "latency_bound": None, "samples_per_query": None, "samples": None,
        "batch_wait": None, "loadgen_core": "auto", "rules": False, "mlperf_conf": None,
        "user_conf": None, "export_submission": None, "submitter": "me", "output": Path("runs"),
        "wait": False, "dry_run": False, "as_json": False, "flags": {},
    }  # fmt: skip
    return LoadgenOptions(**fields | changes)


def refuse(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        make_request(make_options(**changes), RunConfig())
    return list(raised.value.problems)


def test_words_are_taken_in_any_case() -> None:
    options = make_options(scenario="singlestream", mode="ACCURACY", loadgen_core="Own")
    assert parse_scenario(options) == (Scenario.SINGLE_STREAM, LoadgenMode.ACCURACY)
    assert make_request(options, RunConfig()).core is IssuerCore.OWN


def test_a_server_holds_15_ms_unless_other_rules_say_so() -> None:
    server = make_options(scenario="Server", target_qps=9.5)
    assert make_request(server, RunConfig()).latency_bound_ns == 15_000_000
    ruled = make_options(scenario="Server", target_qps=9.5, rules=True)
    assert make_request(ruled, RunConfig()).latency_bound_ns is None
    asked = make_options(scenario="Server", target_qps=9.5, rules=True, latency_bound=2.5)
    assert make_request(asked, RunConfig()).latency_bound_ns == 2_500_000


def test_batches_wait_in_server_alone_and_only_where_they_can_grow() -> None:
    def find(scenario: str, batch_size: int | None, wait: float | None) -> int:
        options = make_options(scenario=scenario, batch_wait=wait, find_max=scenario == "Server")
        return make_request(options, RunConfig(batch_size=batch_size)).batch_wait_ns

    assert find("Server", None, None) == 0
    assert find("Server", 4, None) == 1_000_000
    assert find("Server", 4, 0.0) == 0
    assert find("Offline", 32, None) == 0
    assert find("MultiStream", 8, 0.5) == 500_000


def test_the_runs_own_amounts_are_loadgens() -> None:
    request = make_request(make_options(), RunConfig(min_time_s=2.5, steps=70))
    assert (request.min_time_ms, request.min_queries) == (2500, 70)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenario": "Server", "target_qps": 0.0}, "--target-qps 0: it must be above 0"),
        ({"scenario": "Server", "target_qps": float("nan")}, "--target-qps nan: it must be above"),
        ({"scenario": "Server"}, "--scenario Server needs a rate: --target-qps QPS, or --find-max"),
        ({"scenario": "SingleStream", "target_qps": 3.0}, "--target-qps has no meaning in Single"),
        ({"find_max": True}, "--find-max has no meaning in Offline"),
        ({"scenario": "Server", "find_max": True, "target_qps": 3.0}, "--find-max finds --target-"),
        ({"scenario": "Server", "find_max": True, "mode": "accuracy"}, "--find-max finds a speed"),
        ({"scenario": "MultiStream", "latency_bound": 9.0}, "--latency-bound of MultiStream is wh"),
        ({"samples_per_query": 3}, "--samples-per-query has no meaning in Offline"),
        ({"samples": 0}, "--samples 0: it must be above 0"),
        ({"batch_wait": -1.0}, "--batch-wait -1: it must be 0 or more"),
        ({"user_conf": Path("/nowhere/user.conf")}, "--user-conf /nowhere/user.conf: there is no"),
        ({"loadgen_core": "7"}, "--loadgen-core: '7' must be one of auto, own, shared"),
        ({"submitter": "../x"}, "--submitter '../x': letters, digits"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    (problem,) = refuse(**changes)
    assert problem.startswith(said)


def test_all_problems_are_told_at_once() -> None:
    assert len(refuse(scenario="Server", samples=-1, batch_wait=float("inf"))) == 3


@pytest.mark.parametrize(
    ("scenario", "mode", "said"),
    [
        (None, "performance", "--scenario is missing: one of Offline, Server, SingleStream, Multi"),
        ("Burst", "speed", "--scenario: 'Burst' must be one of Offline"),
    ],
)
def test_the_two_words_are_needed(scenario: str | None, mode: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_scenario(make_options(scenario=scenario, mode=mode))
    assert raised.value.problems[0].startswith(said)


def name_case(**settings: str) -> list[Setting]:
    return [Setting(name, text, "the case's name") for name, text in settings.items()]


@pytest.mark.parametrize(
    ("scenario", "mode", "case", "wanted"),
    [
        (Scenario.OFFLINE, LoadgenMode.PERFORMANCE, {}, "throughput"),
        (Scenario.SERVER, LoadgenMode.PERFORMANCE, {}, "latency"),
        (Scenario.SERVER, LoadgenMode.PERFORMANCE, {"MODE": "throughput"}, "throughput"),
        (Scenario.SINGLE_STREAM, LoadgenMode.ACCURACY, {}, "accuracy"),
        (Scenario.OFFLINE, LoadgenMode.ACCURACY, {"MODE": "accuracy"}, "accuracy"),
    ],
)
def test_the_scenario_decides_the_mode(scenario, mode, case, wanted) -> None:
    settings = plan_mode_settings(scenario, mode, name_case(**case))
    assert [item.value for item in settings if item.name == "MODE"] == [wanted]


@pytest.mark.parametrize(
    ("scenario", "mode", "case", "said"),
    [
        (Scenario.OFFLINE, LoadgenMode.PERFORMANCE, {"MODE": "latency"}, "measures throughput, a"),
        (
            Scenario.MULTI_STREAM,
            LoadgenMode.PERFORMANCE,
            {"MODE": "throughput"},
            "this one measure",
        ),
        (Scenario.OFFLINE, LoadgenMode.ACCURACY, {"MODE": "throughput"}, "measures accuracy, and"),
        (Scenario.OFFLINE, LoadgenMode.PERFORMANCE, {"CASE_TYPE": "gated"}, "a gated case fixes"),
        (Scenario.OFFLINE, LoadgenMode.PERFORMANCE, {"GRAMINE": "sgx"}, "shares no memory"),
    ],
)
def test_a_case_that_cannot_have_the_scenario_is_refused(scenario, mode, case, said) -> None:
    with pytest.raises(CaseError, match=said):
        plan_mode_settings(scenario, mode, name_case(**case))


def test_a_stream_has_one_instance_and_a_query_is_one_batch() -> None:
    def find(scenario: Scenario, given: dict[str, str], each: int | None = None) -> dict[str, str]:
        settings = plan_own_settings(scenario, LoadgenMode.PERFORMANCE, given, each)
        return {item.name: item.value for item in settings}

    assert find(Scenario.SINGLE_STREAM, {}) == {"INSTANCES": "1"}
    assert find(Scenario.MULTI_STREAM, {"INSTANCES": "3"}) == {"BATCH_SIZE": "3"}
    assert find(Scenario.MULTI_STREAM, {"INSTANCES": "none"}) == {"BATCH_SIZE": "8"}
    assert find(Scenario.MULTI_STREAM, {}, 20) == {"INSTANCES": "1", "BATCH_SIZE": "20"}
    assert find(Scenario.SERVER, {}) == {}
    assert plan_own_settings(Scenario.SINGLE_STREAM, LoadgenMode.ACCURACY, {}, None) == []


@pytest.mark.parametrize(
    ("config", "scenario", "said"),
    [
        (RunConfig(mpi=True), Scenario.OFFLINE, "--mpi: "),
        (RunConfig(gramine=Gramine.SGX), Scenario.OFFLINE, "--gramine: "),
        (RunConfig(until=1.0), Scenario.OFFLINE, "--until has no meaning here"),
        (RunConfig(instances=2), Scenario.SINGLE_STREAM, "--instances 2: SingleStream has one"),
        (RunConfig(batch_size=2), Scenario.SINGLE_STREAM, "--batch-size 2: a query of SingleSt"),
    ],
)
def test_what_of_a_run_cannot_be_behind_loadgen(config, scenario, said) -> None:
    (problem,) = find_loadgen_problems(config, LoadgenRequest(scenario=scenario))
    assert problem.startswith(said)
    assert find_loadgen_problems(RunConfig(), LoadgenRequest(scenario=scenario)) == []
