from dataclasses import replace

import pytest
from tests.records import (
    BEGIN_NS,
    MS,
    make_instance,
    make_lost,
    make_manifest,
    make_queries,
    make_record,
)

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.errors import ConfigError, RequestError
from resnet50_bench.search.engines import (
    EngineFigures,
    list_engines,
    plan_candidates,
    summarize_engine,
)

GIB = 1024**3


def test_all_are_those_that_compute_and_a_list_is_taken_as_it_is():
    assert "tensorflow" in list_engines("all")
    assert "null" not in list_engines(" ALL ")
    assert list_engines("openvino, tensorflow,openvino") == ("openvino", "tensorflow")
    with pytest.raises(ConfigError, match="--engine tensorflw: there is no such engine"):
        list_engines("tensorflw,openvino")
    with pytest.raises(ConfigError, match="--engine , : it names no engine"):
        list_engines(", ")


def test_of_each_engine_a_query_of_one_image_is_measured_beside_what_was_asked():
    config = RunConfig(engine_options={"callers": "2"}, weight_sharing=True)
    asked, alone = (item.config for item in plan_candidates(config, 4))
    assert (asked.engine_options, asked.weight_sharing) == ({"callers": "2"}, True)
    assert (alone.mode, alone.batch_size, alone.instances) == (Mode.LATENCY, 1, 1)
    assert (alone.cores_per_instance, alone.engine_options) == (4, {})
    assert not alone.weight_sharing
    assert (asked.min_time_s, alone.min_time_s) == (5.0, 5.0)


def test_amounts_that_were_asked_for_hold_in_both():
    for item in plan_candidates(RunConfig(steps=7, warmup_steps=0), 2):
        found = item.config
        assert (found.steps, found.min_time_s, found.warmup_steps) == (7, None, 0)


def test_in_latency_mode_there_is_nothing_else_and_accuracy_is_refused():
    (alone,) = plan_candidates(RunConfig(mode=Mode.LATENCY), 2)
    assert alone.config.batch_size == 1
    with pytest.raises(RequestError, match="compares speeds"):
        plan_candidates(RunConfig(mode=Mode.ACCURACY), 2)


def make_rated(duration_ms):
    queries = make_queries(BEGIN_NS, -(-20_000 // duration_ms), duration_ms * MS)
    return make_record(instances=[make_instance(n, queries) for n in (0, 1)])


def make_alone(duration_ms):
    config = RunConfig(mode=Mode.LATENCY, batch_size=1, instances=1)
    queries = make_queries(BEGIN_NS, -(-10_000 // duration_ms), duration_ms * MS)
    return make_record(config, instances=[make_instance(0, queries)])


def test_a_row_holds_medians_of_the_rounds():
    records = [make_rated(500), make_alone(20), make_rated(400), make_alone(30), make_rated(600)]
    records.append(make_alone(25))
    row = summarize_engine("tensorflow", records, None)
    assert row.figures == EngineFigures(
        images_per_s=pytest.approx(128.0),
        latency_ms=25.0,
        limit_share=row.figures.limit_share,
        memory_bytes=4 * GIB,
        start_s=pytest.approx(7.3),
    )
    assert (row.rounds, row.runtime, row.reason) == (3, "tensorflow 2.21.0", None)
    assert (row.same_class, row.probe_images) == (8, 8)
    assert len(row.runs) == 6


def test_an_invalid_run_does_not_count_and_is_told():
    lost = make_record(instances=[make_instance(0), make_lost(1)], status="lost instances")
    row = summarize_engine("tensorflow", [lost, make_rated(500)], None)
    assert row.rounds == 1
    assert row.figures.images_per_s == pytest.approx(128.0)
    assert (row.reason or "").startswith("INVALID: 2 instances launched, 2 started, 1 reported")


def test_one_that_cannot_run_has_its_reason_alone():
    row = summarize_engine("openvino", [], "it is not installed")
    assert (row.reason, row.figures, row.runtime) == ("it is not installed", EngineFigures(), None)


def test_the_agreement_is_that_of_what_the_engine_loads():
    manifest = make_manifest()
    agreement = replace(manifest.graph.agreement, images=128, same_class=126)
    graph = replace(manifest.graph, agreement=agreement)
    record = replace(make_rated(500), model=replace(manifest, graph=graph))
    row = summarize_engine("tensorflow", [record], None)
    assert (row.same_class, row.probe_images) == (126, 128)
