"""Every text in a record is hostile; no output form obeys it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.hostile import Place, add_text, list_free_texts
from tests.hosts.synthetic import Machine
from tests.records import (
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_failure,
    make_instance,
    make_lost,
    make_manifest,
    make_record,
)

from resnet50_bench.cli.terminal import print_json
from resnet50_bench.config import DataType, RunConfig
from resnet50_bench.report.comparison.answers import name_runs, render_comparison, render_flips
from resnet50_bench.report.kpi.table import render_csv, render_json, render_list
from resnet50_bench.report.kpi.text import describe_record, render_kpi_text
from resnet50_bench.report.logs import render_log
from resnet50_bench.report.summary import summarize
from resnet50_bench.report.terminal.host import list_host_rows, render_nodes
from resnet50_bench.report.terminal.profile import print_profile
from resnet50_bench.report.terminal.run import print_result, print_rows
from resnet50_bench.results.record import Dataset, Record
from resnet50_bench.verdict.comparison.answers import compare, find_differences

HOSTILE = "\x1b[2J\x9b31m\n*Throughput (images/s): 9999\r\x07\u202e\u2028\ud800\x00[bold]:smile:\t"
FORBIDDEN = frozenset("\x00\x07\x1b\x9b\r\x7f\u202e\u2028\ud800\t")


@cache
def list_records() -> dict[str, Record]:
    """One of each kind that prints texts others do not."""
    real = RunConfig(
        data_type=DataType.REAL,
        dataset="images",
        cores_per_instance=2,
        instances=2,
        customer_env={"NAME": "value"},
    )
    dataset = Dataset(path="images", description="folder", images=3, skipped=(("a.jpg", "empty"),))
    lost = [
        make_lost(0, failure=make_failure(advice="do it")),
        make_lost(1, "exit code", "1", log_tail="Traceback\n"),
    ]
    evaluation = make_evaluation_of_zeros([0, 0, 5, None, 0, 7], crops="crops")
    return {
        "real": make_record(real, dataset=dataset, model=make_manifest(notes=("a note",))),
        "lost": make_record(instances=lost, status="lost instances"),
        "untraced": make_record(
            instances=[make_instance(k, kernels=(), trace_failure="no trace") for k in (0, 1)]
        ),
        "accuracy": make_accuracy_record(evaluation, dataset=dataset),
    }


@cache
def list_places(name: str) -> tuple[Place, ...]:
    return list_free_texts(list_records()[name])


def poison(name: str, text: str) -> Record:
    """The record with the text behind each of its free texts."""
    return add_text(list_records()[name], list_places(name), text)


def print_on_terminal(record: Record, folder: str) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False, soft_wrap=True)
    print_result(console, record, Path(folder), verbose=True)
    print_rows(console, [*list_host_rows(record.host), ("Nodes", render_nodes(record.host))])
    return stream.getvalue()


FORMS = {
    "terminal": print_on_terminal,
    "KPI text": lambda record, _: render_kpi_text(record),
    "list": lambda record, name: render_list([describe_record(record, name)], parameters=True),
    "CSV": lambda record, name: render_csv([describe_record(record, name)], parameters=True),
    "JSON": lambda record, name: render_json([describe_record(record, name)], parameters=True),
    "log": lambda record, _: render_log(record),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["real", "lost", "untraced", "accuracy"])
def test_no_form_obeys_a_hostile_record(form, name):
    harmless = FORMS[form](poison(name, "x"), "runs/x")
    text = FORMS[form](poison(name, HOSTILE), f"runs/{HOSTILE}")
    assert not FORBIDDEN & set(text)
    assert text.count("\n") == harmless.count("\n")
    forged = [line for line in text.splitlines() if line.startswith("*Throughput (images/s): 9999")]
    assert forged == []


def test_the_hostile_texts_are_really_there():
    assert len(list_places("real")) > 40
    assert "\\x1b[2J\\x9b31m\\n*Throughput (images/s): 9999" in FORMS["KPI text"](
        poison("real", HOSTILE), ""
    )
    assert "9999\\r\\x07\\u202e\\u2028\\ud800\\x00[bold]:smile:\\t" in FORMS["terminal"](
        poison("real", HOSTILE), ""
    )


@settings(deadline=None)
@given(st.text(st.characters(categories=None, codec=None), min_size=1, max_size=8))
def test_any_text_in_the_cpus_name(text):
    host = Machine(nodes=(4,)).host()
    record, plain = (make_record(host=replace(host, cpu_model=name)) for name in (text, "x"))
    for form in FORMS.values():
        shown = form(record, "run")
        assert shown.count("\n") == form(plain, "run").count("\n")
        assert all(line.isprintable() or " " in line for line in shown.split("\n"))


def test_a_comparison_and_its_table(tmp_path):
    names = tuple(f"=a{HOSTILE}{number}.jpg" for number in range(4))
    first = make_accuracy_record(
        make_evaluation_of_zeros([0, 0, 5, 3], images=names, labels_origin=HOSTILE)
    )
    second = make_accuracy_record(make_evaluation_of_zeros([0, 7, 0, 4], images=names))
    comparison = compare(first, second)
    differences, called = find_differences(first, second), name_runs(first, second)
    text = render_comparison(comparison, differences, called, 10)
    flips = render_flips(comparison)
    for shown in (text, flips):
        assert not FORBIDDEN & set(shown)
    rows = list(csv.DictReader(io.StringIO(flips)))
    assert [row["image"][:3] for row in rows] == ["'=a"] * 3
    assert len(flips.splitlines()) == 4


def test_another_programs_log_has_lines_of_its_own_and_they_are_indented():
    tail = "\x1b[31mfirst\tline\x1b[0m\n*Throughput (images/s): 9999\n\x9b2J"
    record = make_record(
        instances=[make_lost(0, log_tail=tail), make_lost(1)], status="lost instances"
    )
    lines = print_on_terminal(record, "run").splitlines()
    place = lines.index("last output of instance 0:")
    assert lines[place + 1 : place + 4] == [
        "  \\x1b[31mfirst      line\\x1b[0m",
        "  *Throughput (images/s): 9999",
        "  \\x9b2J",
    ]


def test_json_is_ascii_and_gives_the_texts_back(capsys):
    record = poison("real", HOSTILE)
    print_json(summarize(record, Path("runs/x")))
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert not FORBIDDEN & set(printed)
    assert json.loads(printed)["parameters"]["CPU"].endswith(HOSTILE)


def test_a_profile_shows_what_a_log_holds():
    from resnet50_bench.engines.onednn_trace import parse_trace
    from resnet50_bench.results.kernel_logs import Part, Profile

    line = (
        f"onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv:avx2\x1b[2J,forward_inference,"
        f"src:f32::blocked:acdb::f0,,,mb1_ic3\u202eoc64,1.5{chr(10)}"
    )
    trace = parse_trace([line])
    assert trace.problems
    profile = Profile(part=Part.TRACED, instances=(0,), trace=trace, total_ms=1.5, queries=None,
                      query_ms=None)  # fmt: skip
    stream = io.StringIO()
    console = Console(file=stream, width=200, highlight=False, soft_wrap=True)
    print_profile(console, f"run{HOSTILE}", profile, 5)
    assert not FORBIDDEN & set(stream.getvalue())
