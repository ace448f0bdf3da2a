"""What can be asked of a folder of runs, and what cannot."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.records import (
    make_accuracy_record,
    make_evaluation_of_zeros,
    make_instance,
    make_lost,
    make_record,
    make_roofline,
)

from resnet50_bench import read_runs
from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.errors import Interrupted, OutputError, RecordError, RequestError
from resnet50_bench.query import cache
from resnet50_bench.query.cache import CACHE_FILE, Watch
from resnet50_bench.query.columns import list_columns, render_columns_markdown
from resnet50_bench.query.tables import open_tables
from resnet50_bench.results.files import write_record

pytest.importorskip("duckdb")

PAGE = Path(__file__).parents[3] / "docs" / "query.md"
HOSTILE = "\x1b[2J\n=1+1'; drop table x --\u202e\x00"


def keep(folder: Path, **changes) -> Path:
    folder.mkdir(parents=True)
    write_record(folder, make_record(run_id=folder.name, roofline=make_roofline(), **changes))
    return folder


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ask(top: Path, sql: str, watch: Watch | None = None) -> list[tuple]:
    with open_tables(top, watch or Watch()) as tables:
        return list(tables.ask(sql).rows)


def count_reads(top: Path, monkeypatch) -> list[str]:
    """The runs whose records are read to answer a question."""
    read, seen = cache.read_record, []
    monkeypatch.setattr(
        cache, "read_record", lambda place: [seen.append(place.name), read(place)][1]
    )
    ask(top, "from runs")
    monkeypatch.setattr(cache, "read_record", read)
    return seen


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Three runs: of speed, of latency, of accuracy; and one that lost an instance."""
    top = tmp_path_factory.mktemp("runs")
    keep(top / "a")
    latency = RunConfig(mode=Mode.LATENCY, cores_per_instance=2, instances=2)
    keep(top / "b", config=latency)
    keep(top / "c", instances=[make_instance(0), make_lost(1)], status="lost instances")
    (top / "d").mkdir()
    write_record(top / "d", make_accuracy_record(make_evaluation_of_zeros([0, 0, 0, 1])))
    return top


class TestColumns:
    def test_the_documentation_lists_those_of_the_code(self):
        text = PAGE.read_text()
        for table in list_columns():
            assert render_columns_markdown(table) in text

    @pytest.mark.parametrize("table", ["runs", "queries"])
    def test_they_are_those_of_the_tables(self, runs, table):
        found = [row[:2] for row in ask(runs, f"describe {table}")]
        assert found == [(name, kind) for name, kind, _ in list_columns()[table]]

    def test_a_run_is_a_row(self, runs):
        (row,) = ask(runs, "select folder, valid, images_per_s, p50_ms, queries, limit_share, batch_size, "
                     "created::varchar, parameters->>'STEPS' from runs where run_id = 'a'")  # fmt: skip
        assert row[:5] == (f"{runs}/a", True, 128.0, 500.0, 80)
        assert row[5:] == (pytest.approx(128 / 195.64, 1e-3), 32, "2026-01-02 03:04:05", "30")

    def test_what_a_run_does_not_have_is_null(self, runs):
        found = ask(
            runs, "select images_per_s, p50_ms, top1, valid, failures from runs order by folder"
        )
        assert found[1][:3] == (pytest.approx(40.0), 50.0, None)
        assert found[2][:4] == (None, None, None, False)
        assert "instance" in found[2][4]
        assert found[3][:3] == (None, None, 0.75)

    def test_a_query_is_a_row(self, runs):
        found = ask(runs, "select instance, stream, query, start_s, duration_ms, prepare_ms, in_window "
                    "from queries where folder like '%/a' order by all limit 2")  # fmt: skip
        assert found == [(0, 0, 0, 0.0, 500.0, None, True), (0, 0, 1, 0.5, 500.0, None, True)]
        (told,) = ask(runs, "select count(*), sum(prepare_ms) from queries where folder like '%/d'")
        assert told == (20, 8000.0)

    def test_percentiles_of_the_queries_are_those_of_the_run(self, runs):
        sql = """select p99_ms, (select quantile_disc(duration_ms, 0.99) from queries
                 where in_window and queries.folder = runs.folder) from runs where p99_ms is not null"""
        found = ask(runs, sql)
        assert len(found) == 1
        assert all(of_run == of_queries for of_run, of_queries in found)

    def test_a_number_beyond_64_bit_is_none(self, tmp_path):
        record = make_record()
        huge = replace(record.workload, batch_size=2**63 - 1)
        keep(tmp_path / "a", workload=huge)
        assert ask(tmp_path, "select images, images_per_s > 1e19 from runs") == [(None, True)]


class TestCache:
    def test_only_what_changed_is_read_again(self, tmp_path, monkeypatch):
        for name in "abc":
            keep(tmp_path / name)
        assert count_reads(tmp_path, monkeypatch) == ["a", "b", "c"]
        assert count_reads(tmp_path, monkeypatch) == []
        write_record(tmp_path / "b", make_record(run_id="other"))
        keep(tmp_path / "d")
        assert count_reads(tmp_path, monkeypatch) == ["b", "d"]
        assert ask(tmp_path, "select run_id from runs") == [("a",), ("other",), ("c",), ("d",)]
        assert ask(tmp_path, "select count(*) from queries") == [(320,)]

    def test_a_run_that_is_gone_is_gone(self, tmp_path, monkeypatch):
        for name in "ab":
            keep(tmp_path / name)
        ask(tmp_path, "from runs")
        (tmp_path / "a" / "record.json").unlink()
        assert ask(tmp_path, "select run_id from runs") == [("b",)]
        assert ask(tmp_path, "select count(*) from queries") == [(80,)]
        assert count_reads(tmp_path, monkeypatch) == []

    @pytest.mark.parametrize("spoil", ["other code", "no database"])
    def test_a_file_that_is_no_good_is_made_anew(self, tmp_path, monkeypatch, spoil):
        keep(tmp_path / "a")
        ask(tmp_path, "from runs")
        if spoil == "no database":
            (tmp_path / CACHE_FILE).write_bytes(b"x" * 5000)
        else:
            monkeypatch.setattr(cache, "_hash_code", lambda: "other")
        assert count_reads(tmp_path, monkeypatch) == ["a"]
        assert count_reads(tmp_path, monkeypatch) == []

    def test_a_damaged_record_is_told_each_time_and_hides_no_other(self, tmp_path):
        keep(tmp_path / "b")
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "record.json").write_text("{")
        told: list[str] = []
        watch = Watch(skipped=lambda place, error: told.append(place.name))
        for _ in range(2):
            assert ask(tmp_path, "select run_id from runs", watch) == [("b",)]
        assert told == ["a", "a"]
        with pytest.raises(RecordError, match=r"a/record\.json"):
            ask(tmp_path, "from runs")

    def test_a_folder_that_cannot_be_written_is_read_each_time_and_told(
        self, tmp_path, monkeypatch
    ):
        keep(tmp_path / "a")

        def refuse(folder: Path) -> None:
            raise PermissionError(13, "Permission denied", str(folder))

        monkeypatch.setattr(cache, "check_folder", refuse)
        notes: list[str] = []
        assert ask(tmp_path, "select run_id from runs", Watch(note=notes.append)) == [("a",)]
        assert "Permission denied" in notes[0]
        assert list_names(tmp_path) == ["a"]

    def test_a_folder_that_duckdb_cannot_name_is_read_each_time_and_told(self, tmp_path):
        top = tmp_path / "runs\udcff"
        keep(top / "a")
        told = []
        assert ask(top, "select folder from runs", Watch(note=told.append)) == [
            (f"{tmp_path}/runs\\udcff/a",)
        ]
        assert told == [
            "DuckDB opens no file below a name that is not UTF-8, so all records are read"
        ]
        assert list_names(top) == ["a"]

    def test_a_single_runs_folder_stays_as_it_is(self, tmp_path):
        assert ask(keep(tmp_path / "a"), "select folder from runs") == [(f"{tmp_path}/a",)]
        assert list_names(tmp_path / "a") == ["record.json"]

    def test_interrupted_it_keeps_what_was_read(self, tmp_path, monkeypatch):
        for name in "abc":
            keep(tmp_path / name)
        monkeypatch.setattr(cache, "_BATCH_RUNS", 1)

        def interrupt(done: int, total: int) -> None:
            if done == 2:
                raise Interrupted(2)

        with pytest.raises(Interrupted):
            ask(tmp_path, "from runs", Watch(reading=interrupt))
        assert list_names(tmp_path) == [CACHE_FILE, "a", "b", "c"]
        assert count_reads(tmp_path, monkeypatch) == ["c"]
        assert ask(tmp_path, "select count(*) from queries") == [(240,)]

    def test_a_full_disk_is_said(self, tmp_path, monkeypatch):
        keep(tmp_path / "a")
        monkeypatch.setattr(cache, "_hash_code", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))  # fmt: skip
        with pytest.raises(OutputError, match="No space left"):
            ask(tmp_path, "from runs")
        assert list_names(tmp_path) == ["a"]

    def test_an_empty_folder_has_empty_tables(self, tmp_path):
        assert ask(tmp_path, "select count(*) from runs") == [(0,)]
        with pytest.raises(RecordError, match="no folder of runs"):
            ask(tmp_path / "nowhere", "from runs")


class TestOnlyReads:
    @pytest.mark.parametrize(
        "sql",
        [
            "from read_text('{file}')",
            "from read_csv('{file}')",
            "from '{file}'",
            "from glob('/*')",
            "from read_parquet('https://example.com/x.parquet')",
            "from secret",
        ],
    )
    def test_nothing_but_the_tables_can_be_reached(self, runs, tmp_path, sql):
        secret = {"name": ["in this process"]}
        file = tmp_path / "secret.csv"
        file.write_text("secret\n")
        with pytest.raises(RequestError) as caught:
            ask(runs, sql.format(file=file))
        assert "secret\n" not in str(caught.value) + str(caught.value.output)
        assert secret

    @pytest.mark.parametrize(
        "sql",
        ["drop table cache.runs", "delete from cache.files", "copy (from runs) to 'x.csv'",
         "attach 'x' as y", "set threads = 1", "install httpfs", "create table x as from runs",
         "export database 'x'"],
    )  # fmt: skip
    def test_what_is_no_question_is_refused(self, runs, sql):
        with pytest.raises(RequestError, match="a question begins with select"):
            ask(runs, sql)

    def test_the_lock_cannot_be_undone(self, runs):
        import duckdb

        with open_tables(runs, Watch()) as tables:
            for sql in ("set enable_external_access = true", "delete from cache.runs"):
                with pytest.raises(duckdb.InvalidInputException, match=r"locked|read-only"):
                    tables.connection.execute(sql)

    @pytest.mark.parametrize("sql", ["", "-- nothing", "from runs; from queries"])
    def test_one_question_at_a_time(self, runs, sql):
        with pytest.raises(RequestError, match="one question"):
            ask(runs, sql)

    @pytest.mark.parametrize("sql", ["selct 1", "select nosuch from runs", "select \ud800", "'"])
    def test_wrong_sql_is_explained_with_the_columns(self, runs, sql):
        with pytest.raises(RequestError) as caught:
            ask(runs, sql)
        told = " ".join(caught.value.output)
        names = [name for columns in list_columns().values() for name, _, _ in columns]
        assert all(re.search(rf"\b{name}\b", told) for name in names)
        assert "--columns" in caught.value.advice


def test_hostile_texts_are_data(tmp_path):
    host = replace(make_record().host, cpu_model=HOSTILE)
    top = tmp_path / "a 'quoted' name"
    keep(top / "r'un", host=host)
    (top / "r'un").rename(top / "r'un\udcff")  # a byte that is no UTF-8
    (row,) = ask(top, "select folder, cpu_model, parameters from runs")
    assert row[0] == f"{top}/r'un\\udcff"
    assert row[1] == HOSTILE
    assert json.loads(row[2])["CPU"] == HOSTILE


class TestDataFrames:
    def test_polars(self, runs):
        polars = pytest.importorskip("polars", reason="Polars is not installed")
        found = read_runs(runs).to_polars()
        assert found.columns == [name for name, _, _ in list_columns()["runs"]]
        assert found.schema["created"] == polars.Datetime("us")
        assert found.filter(polars.col("valid"))["images_per_s"].to_list()[0] == 128.0
        assert (
            read_runs(runs).to_polars("queries").height
            == ask(runs, "select count(*) from queries")[0][0]
        )

    def test_pandas(self, runs):
        pytest.importorskip("pandas", reason="pandas is not installed")
        found = read_runs(runs).to_pandas()
        assert list(found.columns) == [name for name, _, _ in list_columns()["runs"]]
        assert found["images_per_s"][0] == 128.0
        assert str(found["valid"].dtype) == "bool"

    @pytest.mark.parametrize("name", ["polars", "pandas", "duckdb"])
    def test_without_the_library_a_line_says_how_to_get_it(self, runs, monkeypatch, name):
        method = "to_pandas" if name == "pandas" else "to_polars"
        if name == "duckdb":
            pytest.importorskip("polars", reason="Polars is not installed")
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(RequestError) as caught:
            getattr(read_runs(runs), method)()
        assert "pip install 'resnet50-bench[query]'" in caught.value.advice

    def test_there_are_two_tables(self, runs):
        pytest.importorskip("polars", reason="Polars is not installed")
        with pytest.raises(RequestError, match="no table 'wrong'"):
            read_runs(runs).to_polars("wrong")
