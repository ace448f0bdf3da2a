"""LoadGen's figures beside ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.loadgens import make_loadgen, make_log
from tests.records import BEGIN_NS, MS, make_evaluation, make_instance, make_queries, make_record

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.results.files import read_record, write_record
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.loadgen import (
    count_disagreements,
    find_reported_ms,
    is_valid,
    list_figures,
)
from resnet50_bench.scenarios.logs import LoadgenLog
from resnet50_bench.scenarios.request import LoadgenMode, LoadgenRequest, Scenario

LATENCY = RunConfig(mode=Mode.LATENCY, cores_per_instance=2, instances=1)


def test_the_throughput_of_offline_has_ours_beside_it() -> None:
    record = make_record(loadgen=make_loadgen(Scenario.OFFLINE))
    (figure,) = list_figures(record)  # and no latency: that is the time since the one query began
    assert (figure.loadgens, figure.ours) == (126.5, 128.0)
    assert figure.ratio == pytest.approx(128 / 126.5)


def test_the_latencies_of_a_single_stream_have_ours_beside_them() -> None:
    record = make_record(LATENCY, loadgen=make_loadgen(Scenario.SINGLE_STREAM))
    figures = {figure.name: figure for figure in list_figures(record)}
    assert figures["p50 latency"].loadgens == 501
    assert figures["p50 latency"].ours == 50
    assert figures["p90 latency"].ratio == pytest.approx(50 / 502)
    assert find_reported_ms(make_loadgen(Scenario.SINGLE_STREAM)) == 505


def test_a_query_of_several_batches_has_no_latency_of_ours() -> None:
    record = make_record(LATENCY, loadgen=make_loadgen(Scenario.MULTI_STREAM))
    (figure,) = list_figures(record)
    assert (figure.name, figure.loadgens, figure.ours, figure.ratio) == (
        "p99 latency", 70, None, None,
    )  # fmt: skip


def test_there_are_no_figures_of_a_run_that_did_not_end() -> None:
    assert list_figures(make_record(loadgen=make_loadgen(ended=False))) == []
    assert list_figures(make_record()) == []


def test_loadgens_verdict() -> None:
    assert is_valid(make_log(Scenario.OFFLINE)) is True
    assert is_valid(make_log(Scenario.OFFLINE, result_validity="INVALID")) is False
    assert is_valid(LoadgenLog()) is None


def test_queries_of_different_sizes_count_by_their_images() -> None:
    """Ten batches of 0.1 s, of 1 and 3 images in turn: 2 images each, 20 images/s."""
    queries = make_queries(BEGIN_NS, 21, 100 * MS)
    instance = replace(make_instance(0, queries), images=(1, 3) * 10 + (1,))
    record = make_record(LATENCY, instances=[instance])
    kpis = run_kpis(record)
    assert kpis is not None
    assert kpis.images == 41
    assert kpis.images_per_s == pytest.approx(41 / 2.1)
    assert kpis.rate_sum_images_per_s == pytest.approx(41 / 2.1)
    assert kpis.throughput_interval is not None
    assert kpis.throughput_interval.mean == pytest.approx(41 / 2.1)


def test_answers_that_differ_or_are_missing_on_either_side_count() -> None:
    evaluation = make_evaluation([5, 6, 7], {0: (5, 0.9), 1: (-1, 0.9), 2: (7, 0.5)})
    request = LoadgenRequest(scenario=Scenario.OFFLINE, mode=LoadgenMode.ACCURACY)

    def count(answers: dict[int, int] | None) -> int | None:
        loadgen = make_loadgen(request=request, answers=answers)
        return count_disagreements(make_record(evaluation=evaluation, loadgen=loadgen))

    assert count({0: 6, 1: 0, 2: 8}) == 0  # the background, and labels behind it
    assert count({0: 6, 1: 7, 2: 8}) == 1
    assert count({0: 6, 1: 0}) == 1
    assert count({0: 6, 1: 0, 2: 8, 3: 1}) == 1
    assert count(None) is None


def test_what_loadgen_measures_is_another_thing_but_for_an_accuracy() -> None:
    assert make_record().measures == "throughput"
    assert make_record(loadgen=make_loadgen(Scenario.SERVER)).measures == "LoadGen Server"
    accuracy = RunConfig(mode=Mode.ACCURACY, cores_per_instance=2, instances=1)
    assert make_record(accuracy, loadgen=make_loadgen()).measures == "accuracy"


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """The background class, seeds of 64 bits and all."""
    evaluation = make_evaluation([5, 6], {0: (5, 0.9), 1: (-1, 0.9)})
    log = make_log(Scenario.OFFLINE, effective_schedule_rng_seed=str(2**64 - 1))
    request = LoadgenRequest(scenario=Scenario.OFFLINE, mode=LoadgenMode.ACCURACY)
    loadgen = make_loadgen(request=request, log=log, answers={0: 6, 1: 0})
    accuracy = RunConfig(mode=Mode.ACCURACY, cores_per_instance=2, instances=1)
    instance = make_instance(0, make_queries(BEGIN_NS, 2, MS), images=(1, 1))
    record = make_record(accuracy, instances=[instance], evaluation=evaluation, loadgen=loadgen)
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
