"""`r50 query` as its user types it."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace

import pytest
from tests.records import make_record

from resnet50_bench.cli import r50
from resnet50_bench.errors import RequestError
from resnet50_bench.results.files import write_record

duckdb = pytest.importorskip("duckdb")

HOSTILE = "=\x1b[2J\n\u202e[bold]"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    top = tmp_path_factory.mktemp("desk")
    for name in "ab":
        (top / "runs" / name).mkdir(parents=True)
        host = replace(make_record().host, cpu_model=HOSTILE)
        write_record(top / "runs" / name, make_record(run_id=name, host=host))
    return top


@pytest.fixture
def ask(desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)

    def ask(*words: str) -> str:
        r50.main(["query", *words], standalone_mode=False)
        return capsys.readouterr().out

    return ask


ALL_KINDS = (
    "select run_id, images_per_s, valid, top1, created, [1, 2] as list, 1/0 as none from runs"
)


def test_a_table_is_for_people(ask):
    lines = ask("select run_id, images_per_s / 3 as third, top1 from runs").splitlines()
    assert [line.split() for line in lines] == [
        ["run_id", "third", "top1"], ["a", "42.6667"], ["b", "42.6667"]
    ]  # fmt: skip


def test_json_is_plain(ask):
    first, _ = json.loads(ask(ALL_KINDS, "--format", "json"))
    assert first == {"run_id": "a", "images_per_s": 128.0, "valid": True, "top1": None,
                     "created": "2026-01-02T03:04:05", "list": [1, 2], "none": None}  # fmt: skip


def test_columns_of_one_name_are_told_apart_in_json(ask):
    (row,) = json.loads(ask("select 1 as a, 2 as a, 3 as a_2", "--format", "json"))
    assert list(row.values()) == [1, 2, 3]


def test_csv_is_for_spreadsheets(ask):
    rows = list(csv.reader(io.StringIO(ask(ALL_KINDS, "--format", "csv"))))
    assert rows[1] == ["a", "128.0", "true", "", "2026-01-02T03:04:05", "[1, 2]", ""]


def test_parquet_is_read_by_others(ask, tmp_path):
    file = tmp_path / "answer.parquet"
    ask(ALL_KINDS, "--output", str(file))
    with duckdb.connect() as connection:
        found = connection.read_parquet(str(file)).fetchall()
    assert [row[:2] for row in found] == [("a", 128.0), ("b", 128.0)]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_no_form_obeys_a_hostile_text(ask, form):
    text = ask(f"select cpu_model as '{HOSTILE}', cpu_model from runs", "--format", form)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]" in text
    if form != "json":
        assert text.count("\n") == 3
    if form == "csv":
        assert {row[0][:2] for row in csv.reader(io.StringIO(text))} == {"'="}


def test_many_rows_are_cut_on_the_terminal_and_said(ask, capsys):
    r50.main(["query", "from range(1002)"], standalone_mode=False)
    seen = capsys.readouterr()
    assert len(seen.out.splitlines()) == 1001
    assert "and 2 more rows" in seen.err
    assert len(ask("from range(1002)", "--format", "csv").splitlines()) == 1003


def test_the_columns_are_listed_without_a_folder(ask):
    text = ask("--columns")
    assert "images_per_s_low" in text
    assert "duration_ms" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "there is no question"),
        (["runs", "from runs"], "the question comes first"),
        (["from runs", "--format", "parquet"], "no text to print"),
        (["from runs", "--output", "x.txt"], "does not say what to write"),
        (["from runs", "--output", "/proc/x.csv"], "--output"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_read(ask, words, message):
    with pytest.raises(RequestError, match=message):
        ask(*words)


def test_without_duckdb_one_line_says_how_to_get_it(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(RequestError, match="DuckDB") as caught:
        ask("from runs")
    assert caught.value.advice == "pip install 'resnet50-bench[query]'"
    assert caught.value.exit_code == 2
