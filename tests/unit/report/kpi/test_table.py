"""Listings of many runs, and what is found below a folder."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import BEGIN_NS, MS, make_instance, make_lost, make_queries, make_record

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.errors import NotARecordError, RecordError
from resnet50_bench.printable import make_cell
from resnet50_bench.report.kpi.runs import describe_log, read_runs
from resnet50_bench.report.kpi.table import make_table, render_csv, render_json, render_list
from resnet50_bench.report.kpi.text import KpiLine, KpiRun, describe_record, render_run
from resnet50_bench.results.files import write_record

THROUGHPUT = KpiLine("Throughput", "images/s", 128.0, 2, True, "a tooltip")
ZOO = "Batch size = 32\nThroughput: 100.5 images/sec\nodd line\n"
LOST = "#INVALID RESULT: Some instances were killed during execution! See README.md for more.\n"


def make_run(name: str = "a", value: float = 128.0, **changes) -> KpiRun:
    fields = {
        "name": name,
        "verdict": "VALID",
        "exit_code": 0,
        "parameters": (("MODE", "throughput"), ("BATCH_SIZE", "32")),
        "kpis": (KpiLine("Throughput", "images/s", value, 2, primary=True),),
    }
    return KpiRun(**(fields | changes))


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_shows_unit_star_and_tooltip():
    assert THROUGHPUT.render() == "*Throughput (images/s): 128.00 # a tooltip"
    assert KpiLine("Images", "", 2560).render() == "Images: 2560"


@pytest.mark.parametrize(
    ("mode", "primary"),
    [(Mode.THROUGHPUT, ["Throughput"]), (Mode.LATENCY, ["Latency"]), (Mode.ACCURACY, [])],
)
def test_which_kpi_is_primary(mode, primary):
    run = describe_record(make_record(RunConfig(mode=mode, cores_per_instance=2)))
    assert [line.name for line in run.kpis if line.primary] == primary


def test_every_parameter_that_has_a_value_is_reported():
    config = RunConfig(cores_per_instance=2, customer_env={"A": "1", "B": "two words"}, smt=True)
    parameters = dict(describe_record(make_record(config)).parameters)
    expected = {
        "FUNCTION": "inference",
        "WORKLOAD": "resnet50v1_5_tensorflow_xeon_public",
        "TOPOLOGY": "resnet50v1_5",
        "BATCH_SIZE": "32",
        "CORES_PER_INSTANCE": "2",
        "STEPS": "30",
        "CUSTOMER_ENV": "A=1 B='two words'",
        "VERBOSE": "False",
        "SMT": "True",
        "SEED": "0",
    }
    assert {name: parameters.get(name) for name in expected} == expected
    assert "LIMIT" not in parameters
    assert "" not in parameters.values()


def test_a_run_without_kpi_has_no_placeholder():
    record = make_record(instances=[make_instance(0), make_lost(1)], status="lost instances")
    run = describe_record(record, "a")
    assert (run.kpis, run.lost, run.exit_code) == ((), True, 3)
    assert "-1" not in render_run(run)
    (row,) = read_csv(render_csv([run], parameters=True))
    assert row["Primary KPI"] == ""
    assert row["Verdict"] == "INVALID"
    assert row["Remarks"].startswith("1 of 2 instances survived; together they reached 64.00")


def test_the_list_averages_runs_of_the_same_parameters():
    runs = [make_run("a", 100), make_run("b", 103), make_run("c", 112)]
    assert render_list(runs, parameters=False).splitlines()[-3:] == [
        "avg *Throughput (images/s): 105.00",
        "std *Throughput (images/s): 5.10",  # sqrt((25 + 4 + 49) / 3)
        "med *Throughput (images/s): 103.00",
    ]


def test_only_valid_runs_are_averaged():
    failed = make_run("c", 900, verdict="INVALID", exit_code=1)
    old = make_run("d", 900, verdict="UNVERIFIED", exit_code=1)
    text = render_list([make_run("a", 100), make_run("b", 104), failed, old], parameters=False)
    assert "avg *Throughput (images/s): 102.00\n" in text
    assert "avg" not in render_list([make_run("a"), failed, old], parameters=False)


def test_unlike_runs_are_not_averaged():
    other = make_run("b", parameters=(("MODE", "throughput"), ("BATCH_SIZE", "64")))
    text = render_list([make_run("a"), other], parameters=False)
    assert text.splitlines()[-1] == "# no average: the runs differ in BATCH_SIZE"
    verbose = make_run("b", parameters=(*make_run().parameters, ("VERBOSE", "True")))
    assert "avg" in render_list([make_run("a"), verbose], parameters=False)


def test_the_list_of_one_run_with_its_parameters():
    assert render_list([make_run()], parameters=True) == (
        "a:\n# status: passed\n# MODE: throughput\n# BATCH_SIZE: 32\n"
        "*Throughput (images/s): 128.00\n# verdict: VALID\n"
    )


def test_the_table_has_a_column_for_every_name_of_any_run():
    latency = KpiLine("Latency", "ms", 1 / 3, 3, primary=True)
    runs = [make_run("a"), make_run("b", parameters=(("STEPS", "5"),), kpis=(latency,))]
    head, first, second = make_table(runs, parameters=True)
    assert head == [
        "Run", "Source", "Verdict", "MODE", "BATCH_SIZE", "STEPS", "Primary KPI",
        "Throughput (images/s)", "Latency (ms)", "Remarks",
    ]  # fmt: skip
    assert first == [
        "a", "record", "VALID", "throughput", "32", None, "Throughput (images/s)", 128.0, None, None,
    ]  # fmt: skip
    assert second == ["b", "record", "VALID", None, None, "5", "Latency (ms)", None, 1 / 3, None]
    head, *_ = make_table(runs, parameters=False)
    assert "MODE" not in head


@given(st.lists(st.text(), max_size=4), st.floats(0.001, 1e12))
def test_csv_and_json_give_back_what_went_in(texts, value):
    shown = [make_cell(text) for text in texts]
    runs = [make_run(text, value, parameters=(("DATASET", text),)) for text in texts]
    rows = read_csv(render_csv(runs, parameters=True))
    assert [(row["Run"], row["DATASET"]) for row in rows] == [(text, text) for text in shown]
    assert [float(row["Throughput (images/s)"]) for row in rows] == [value] * len(texts)
    objects = json.loads(render_json(runs, parameters=True))
    assert [item["run"] for item in objects] == texts
    assert [item["kpis"][0]["value"] for item in objects] == [value] * len(texts)


def test_xlsx_cells_are_numbers_and_text_is_no_formula():
    openpyxl = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed")
    from resnet50_bench.report.kpi.table import render_xlsx

    runs = [make_run("=1+1", 128.25), make_run("bad \x07 name", 1 / 3, kpis=())]
    book = openpyxl.load_workbook(io.BytesIO(render_xlsx(runs, parameters=True)))
    sheet = book["KPI"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows == [
        ["Run", "Source", "Verdict", "MODE", "BATCH_SIZE", "Primary KPI", "Throughput (images/s)",
         "Remarks"],
        ["=1+1", "record", "VALID", "throughput", "32", "Throughput (images/s)", 128.25, None],
        ["bad \\x07 name", "record", "VALID", "throughput", "32", None, None, None],
    ]  # fmt: skip
    assert (sheet["A2"].data_type, sheet["G2"].data_type) == ("s", "n")


def write_run(folder: Path, **changes) -> Path:
    folder.mkdir(parents=True)
    write_record(folder, make_record(**changes))
    return folder


def write_log(path: Path, text: str = ZOO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_runs_are_found_below_a_folder_in_name_order(tmp_path):
    write_run(tmp_path / "b")
    write_log(write_run(tmp_path / "a" / "deep") / "benchmark_x.log")  # the record is the authority
    write_log(tmp_path / "c" / "benchmark_1.log")
    write_log(tmp_path / ".hidden" / "benchmark_1.log")
    write_log(tmp_path / "d" / "pip.log", "nothing\n")
    runs = read_runs([tmp_path]).runs
    assert [(Path(run.name).relative_to(tmp_path).as_posix(), run.source) for run in runs] == [
        ("a/deep", "record"), ("b", "record"), ("c", "model zoo log"),
    ]  # fmt: skip


def test_a_record_and_a_log_can_be_named_themselves(tmp_path):
    record = write_run(tmp_path / "a") / "record.json"
    log = write_log(tmp_path / "b.txt")
    first, second = read_runs([record, log]).runs
    assert (first.verdict, first.source, first.name) == ("VALID", "record", str(record))
    assert (second.verdict, second.source, second.name) == ("UNVERIFIED", "model zoo log", str(log))


def test_a_run_reached_twice_counts_once(tmp_path):
    run = write_run(tmp_path / "a")
    other = write_run(tmp_path / "b")
    names = [found.name for found in read_runs([run, tmp_path, tmp_path / "b" / ".." / "a"]).runs]
    assert names == [str(run), str(other)]


def test_a_folders_logs_are_summed_and_never_valid(tmp_path):
    write_log(tmp_path / "benchmark_0.log")
    write_log(tmp_path / "benchmark_1.log")
    (run,) = read_runs([tmp_path]).runs
    assert [line.render() for line in run.kpis] == [
        "*Throughput (images/s): 201.00 # sum of 2 instance rates, no common window, unverified",
        "Instances: 2",
    ]
    assert (run.verdict, run.exit_code, run.unused_count) == ("UNVERIFIED", 1, 2)


def test_other_logs_beside_the_benchmark_logs_are_not_read(tmp_path):
    write_log(tmp_path / "benchmark_0.log")
    write_log(tmp_path / "instance_000.log")
    (run,) = read_runs([tmp_path]).runs
    assert run.kpis[0].value == 100.5


def test_the_model_zoos_copies_are_not_counted_twice(tmp_path):
    stem = "resnet50v1_5_fp32_inference_bs32_cores4"
    write_log(tmp_path / f"{stem}_instance0.log")
    write_log(tmp_path / f"{stem}_instance1.log")
    write_log(tmp_path / f"{stem}_all_instances.log", ZOO + ZOO)
    write_log(tmp_path / "other.log", "Batch size = 64\n" + ZOO)
    other, one = read_runs([tmp_path]).runs
    assert (one.kpis[0].value, one.kpis[1].value) == (201.0, 2)
    assert other.name == str(tmp_path / "other.log")


def test_a_log_of_killed_instances_has_no_kpi(tmp_path):
    (run,) = read_runs([write_log(tmp_path / "benchmark_0.log", ZOO + LOST)]).runs
    assert (run.verdict, run.exit_code, run.kpis, run.lost) == ("INVALID", 3, (), True)
    assert run.subtotal.startswith("the rates in the log add up to 100.50 images/s over 1 ")


@pytest.mark.parametrize(
    ("mode", "primary"),
    [("throughput", "Throughput"), ("latency", "Latency"), ("accuracy", "Accuracy"),
     ("inference", "Throughput")],
)  # fmt: skip
def test_the_logs_mode_decides_which_kpi_is_primary(tmp_path, mode, primary):
    text = f"MODE: {mode}\nLatency: 5 ms\nAccuracy: 76 %\n" + ZOO
    (run,) = read_runs([write_log(tmp_path / "a.log", text)]).runs
    assert [line.name for line in run.kpis if line.primary] == [primary]


def test_r50s_log_without_its_record_says_the_same_but_unverified(tmp_path):
    from resnet50_bench.report.logs import render_log

    record = make_record(RunConfig(mode=Mode.LATENCY, cores_per_instance=2))
    write_log(tmp_path / "benchmark_latency.log", render_log(record))
    (run,) = read_runs([tmp_path]).runs
    whole = describe_record(record)
    assert [line.label for line in run.kpis] == [line.label for line in whole.kpis]
    assert [(line.value, line.primary) for line in run.kpis] == [
        (round(line.value, line.decimals), line.primary) for line in whole.kpis
    ]
    assert (run.source, run.verdict, run.unused_count) == ("r50 log", "UNVERIFIED", 0)
    assert run.parameters == whole.parameters


def test_a_damaged_record_among_others_is_a_failed_run(tmp_path):
    write_run(tmp_path / "a")
    (write_run(tmp_path / "b") / "record.json").write_text("{")
    good, bad = read_runs([tmp_path]).runs
    assert (good.verdict, bad.verdict, bad.exit_code) == ("VALID", "INVALID", 2)
    assert "record.json" in bad.failures[0]
    with pytest.raises(RecordError):
        read_runs([tmp_path / "b"])


def test_what_is_no_run_is_skipped_among_others(tmp_path):
    run = write_run(tmp_path / "a")
    (empty := tmp_path / "empty").mkdir()
    summary, picture, text = (tmp_path / name for name in ("sweep.json", "x.png", "notes.txt"))
    summary.write_text('{"points": []}')
    picture.write_bytes(b"\x89PNG\r\n")
    text.write_text("an odd line\n")
    found = read_runs([summary, run, picture, empty, text])
    assert [item.name for item in found.runs] == [str(run)]
    assert found.skipped == (
        f"{summary} is not the record of a run",
        f"{picture} is no record, and no log with a KPI",
        f"no run and no log with a KPI in or below {empty}",
        f"{text} is no record, and no log with a KPI",
    )
    with pytest.raises(NotARecordError):
        read_runs([summary])
    with pytest.raises(NotARecordError):
        read_runs([summary, empty])


@pytest.mark.parametrize(
    "content", ["{", '{"schema_version": 2}', '{"schema_version": 1}', '{"schema_version": 1', ""]
)
def test_a_damaged_record_hides_no_other_wherever_it_stands(tmp_path, content):
    good = write_run(tmp_path / "good")
    (bad := tmp_path / "bad").mkdir()
    (bad / "record.json").write_text(content)
    missing = tmp_path / "missing.json"
    for paths in ([tmp_path, missing], [bad / "record.json", good, missing]):
        runs = {Path(item.name).name: item for item in read_runs(paths).runs}
        assert runs["good"].exit_code == 0
        assert runs["missing.json"].exit_code == 2
        assert runs.get("bad", runs.get("record.json")).exit_code == 2


def test_a_record_that_contradicts_itself_hides_no_other(tmp_path):
    path = write_run(tmp_path / "a") / "record.json"
    write_run(tmp_path / "b")
    document = json.loads(path.read_text())
    document["instances"][0]["end_ns"].pop()
    path.write_text(json.dumps(document))
    bad, good = read_runs([tmp_path]).runs
    assert (bad.exit_code, good.exit_code) == (2, 0)
    assert "instances[0].end_ns has 39 times, and start_ns has 40" in bad.failures[0]


def test_nothing_to_read(tmp_path):
    with pytest.raises(RecordError) as caught:
        read_runs([tmp_path])
    assert caught.value.message == f"no run and no log with a KPI in or below {tmp_path}"
    with pytest.raises(RecordError):
        read_runs([tmp_path / "nowhere"])


def test_percentiles_without_enough_queries_are_absent():
    queries = make_queries(BEGIN_NS, 50, 10 * MS)
    run = describe_record(
        make_record(
            RunConfig(cores_per_instance=2, instances=1), instances=[make_instance(0, queries)]
        )
    )
    names = [line.name for line in run.kpis]
    assert "Latency p95" in names
    assert "Latency p99" not in names


def test_describe_log_of_an_empty_log():
    from resnet50_bench.report.kpi.logs import parse_log

    run = describe_log(parse_log([], Path("x.log")), "x.log")
    assert (run.verdict, run.failures) == ("INVALID", ("no line of the log is a KPI",))
