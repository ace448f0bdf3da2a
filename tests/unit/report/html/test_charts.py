from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contended import make_contended
from tests.records import BEGIN_NS, MS, make_evaluation, make_instance, make_record
from tests.showcase import make_accuracy_run, make_run, plan_configs, write_showcase_run

from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.contention.samples import ProcessTime
from resnet50_bench.limits.reference import read_references
from resnet50_bench.report.html.charts.confusions import find_confusions, plan_confusions
from resnet50_bench.report.html.charts.grid import plan_grids
from resnet50_bench.report.html.charts.latency import plan_distribution
from resnet50_bench.report.html.charts.limits import plan_engines, plan_published, plan_shares
from resnet50_bench.report.html.charts.placement import plan_placement
from resnet50_bench.report.html.charts.timeline import plan_noise, plan_rates
from resnet50_bench.report.html.charts.tradeoff import plan_tradeoff
from resnet50_bench.report.html.configurations import group_runs
from resnet50_bench.report.html.detail import describe_detail
from resnet50_bench.report.html.links import Links
from resnet50_bench.report.html.rows import describe_run
from resnet50_bench.report.reference import list_published
from resnet50_bench.results.kpi import list_durations, run_kpis

LINKS = Links(Path())


@pytest.fixture(scope="module")
def configurations():
    """One round of the made-up sweep."""
    runs = [make_run(config, number) for number, config in enumerate(plan_configs())]
    return group_runs(describe_run(Path("runs") / run.run_id, run) for run in runs)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A run in detail whose batch was traced."""
    config = RunConfig(batch_size=64, cores_per_instance=8, steps=60)
    place, record = write_showcase_run(tmp_path_factory.mktemp("runs"), make_run(config, 1))
    return describe_detail("run-1", describe_run(place, record), place, record)


@pytest.fixture(scope="module")
def charts(configurations, traced):
    """Every kind of chart there is."""
    published = list_published(read_references())
    found = [
        *plan_grids(configurations, LINKS),
        plan_tradeoff(configurations, LINKS),
        plan_shares(configurations, LINKS),
        plan_engines(configurations, LINKS),
        plan_published(published, [None] * len(published), ["a note"]),
        *traced.charts,
        plan_confusions("confusions", make_accuracy_run(1).evaluation),
    ]
    return {chart.id: chart for chart in found}


def test_a_map_has_a_cell_for_each_combination_and_frames_the_best(charts):
    grid = charts["grid-0"]
    assert {(row["batch_size"], row["cores"]) for row in grid.rows} == {
        (size, cores) for size in (1, 4, 8, 16, 32, 64) for cores in (1, 2, 4, 8)
    }
    (best,) = [row for row in grid.rows if row["best"]]
    assert best["value"] == max(row["value"] for row in grid.rows)
    assert f"{best['value']:,.2f} images/s" in grid.text


def test_no_map_of_a_single_combination(configurations):
    assert plan_grids(configurations[:1], LINKS) == []


def test_the_front_is_marked_in_the_scatter_plot(charts, configurations):
    rows = charts["tradeoff"].rows
    assert len(rows) == len([item for item in configurations if item.images_per_s])
    on_front = [row for row in rows if row["front"] == "yes"]
    quickest, fastest = (
        min(rows, key=lambda row: row["mean_ms"]),
        max(rows, key=lambda row: row["images_per_s"]),
    )
    assert quickest in on_front
    assert fastest in on_front
    assert 0 < len(on_front) < len(rows)


def test_of_many_configurations_only_what_can_be_told_apart_is_drawn(configurations):
    first = next(item for item in configurations if item.images_per_s)
    dice = random.Random(0)
    rows = [
        replace(first.row, batch_size=size, images_per_s=dice.random(), mean_ms=1 + dice.random())
        for size in range(1, 1001)
    ]
    chart = plan_tradeoff(group_runs(rows), LINKS)
    assert len(chart.rows) < 400
    assert "of 1000 are drawn" in chart.notes[0]
    assert max(row["images_per_s"] for row in chart.rows) == max(row.images_per_s for row in rows)


def test_shares_and_engines_are_those_of_the_fastest(charts):
    shares = {row["name"]: row["percent"] for row in charts["shares"].rows}
    assert len(shares) == 6
    assert shares["avx_int8, openvino"] > shares["avx_int8, tensorflow"] > 50
    engines = charts["engines"].rows
    assert {(row["precision"], row["engine"]) for row in engines} == {
        (precision.value, engine)
        for precision in (Precision.AVX_FP32, Precision.AVX_INT8, Precision.AVX_BFLOAT16)
        for engine in ("tensorflow", "openvino")
    }
    assert all(row["low"] < row["high"] for row in engines)


def test_the_distribution_holds_durations_and_marks_percentiles():
    record = make_run(next(iter(plan_configs())), 5)
    kpis = run_kpis(record)
    chart = plan_distribution("latency", record, kpis)
    durations = list_durations(record, kpis)
    steps = [row for row in chart.rows if not row["mark"]]
    assert [steps[0]["ms"], steps[-1]["ms"]] == [durations[0] / MS, durations[-1] / MS]
    assert {row["ms"] for row in chart.rows} <= {value / MS for value in durations}
    marked = {row["mark"].split()[0]: row for row in chart.rows if row["mark"]}
    assert marked["p50"]["ms"] == kpis.latency.percentiles[50.0] / MS
    assert marked["p50"]["percent"] >= 50
    assert len(steps) <= 240 < len(durations)


def test_there_is_no_distribution_of_a_single_query():
    queries = [(BEGIN_NS, BEGIN_NS + 500 * MS)]
    record = make_record(instances=[make_instance(0, queries), make_instance(1, queries)])
    kpis = run_kpis(record)
    assert plan_rates("rates", record, kpis) is None


def test_the_rates_over_time_come_to_the_throughput():
    record = make_record()
    kpis = run_kpis(record)
    chart = plan_rates("rates", record, kpis)
    assert len(chart.rows) == 40
    assert sum(row["rate"] for row in chart.rows) / 40 == pytest.approx(kpis.images_per_s)
    assert chart.rows[-1]["end"] == pytest.approx(kpis.window.seconds)


def test_noise_is_drawn_by_tenths_and_suspects_are_named():
    process = ProcessTime(pid=7, name="make", cpu_ticks=400, cpus=(0,))
    record = make_contended(0.2, tenths=(3,), processes=(process,))
    chart = plan_noise("noise", record, run_kpis(record))
    had = {(row["tenth"], row["part"]): round(row["percent"], 6) for row in chart.rows}
    assert had[4, "other processes"] == 20
    assert had[5, "other processes"] == 0
    assert chart.notes == ("suspect: make (pid 7) used 20% of one CPU",)


def test_the_roofline_has_every_convolution_below_its_roof(charts):
    chart = charts["run-1-roofline"]
    assert len(chart.rows) == 53
    assert all(0 < row["of_peak"] <= 100 for row in chart.rows)
    assert sum(row["percent"] for row in chart.rows) == pytest.approx(100)


def test_the_placement_has_a_cell_for_each_hardware_thread(charts):
    rows = charts["run-1-placement"].rows
    assert [row["owner"] for row in rows if row["thread"] == 0] == ["0"] * 8 + ["1"] * 8
    assert {row["owner"] for row in rows if row["thread"] == 1} == {"idle"}
    places = {(row["line"], row["across"]) for row in rows}
    assert len(places) == len(rows) == 32


def test_confusions_name_what_was_taken_for_what_and_where():
    answers = {0: (281, 0.9), 1: (282, 0.9), 2: (282, 0.8), 3: (285, 0.5)}
    evaluation = make_evaluation([281, 281, 281, 281], answers)
    assert find_confusions(evaluation) == {
        (281, 282): ["ILSVRC2012_val_00000002.JPEG", "ILSVRC2012_val_00000003.JPEG"],
        (281, 285): ["ILSVRC2012_val_00000004.JPEG"],
    }
    first = plan_confusions("confusions", evaluation).rows[0]
    assert (first["label"], first["answer"], first["count"]) == ("tabby", "tiger cat", 2)
    assert "00000003.JPEG" in first["images"]


def test_no_confusions_where_all_is_right():
    assert plan_confusions("confusions", make_evaluation([5], {0: (5, 0.9)})) is None


def test_classes_in_an_order_of_their_own_are_numbers():
    evaluation = make_evaluation([1], {0: (2, 0.9)}, outputs_order="own")
    assert plan_confusions("confusions", evaluation).rows[0]["pair"] == "class 1 \u2192 class 2"


def test_every_chart_has_words_and_columns_for_its_rows(charts):
    for chart in charts.values():
        assert len(chart.text) > 30
        assert chart.rows
        for row in chart.rows:
            assert {column.field for column in chart.columns} <= set(row)


def test_every_chart_is_one_that_the_library_can_draw(charts):
    library = pytest.importorskip("vl_convert", reason="the extra `report` is not installed")
    for chart in charts.values():
        spec = {"width": 400, "data": {"values": [dict(row) for row in chart.rows]}, **chart.spec}
        assert "<path" in library.vegalite_to_svg(spec), chart.id


def test_a_placement_of_one_core_is_drawn_too():
    chart = plan_placement("placement", make_record(RunConfig(cores_per_instance=1, instances=1)))
    assert [row["owner"] for row in chart.rows] == ["0", "idle", "idle", "idle"]
