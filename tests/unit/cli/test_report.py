from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.records import make_record
from tests.showcase import write_run

from resnet50_bench.cli.report import report
from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.report.html import library


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """A folder of one run, and a library that is there."""
    monkeypatch.setattr(library, "require_library", lambda: None)
    monkeypatch.setattr(library, "read_library", lambda _: "const vegaEmbed = 1;")
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs", make_record())
    return tmp_path / "runs"


def ask(*words: str):
    return CliRunner().invoke(report, words, catch_exceptions=True)


def test_a_page_is_written_where_it_was_asked_for(runs, tmp_path):
    result = ask("runs", "-o", "page.html")
    assert result.exit_code == 0
    assert result.output == "page.html: 1 run, 0.0 MB\n"
    assert "128.00 images/s" in (tmp_path / "page.html").read_text()


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(runs):
    for number in range(12):
        (runs / f"bad{number:02}").mkdir()
        (runs / f"bad{number:02}" / "record.json").write_text("{")
    lines = ask("runs").output.splitlines()
    assert lines[0].startswith("skipped: runs/bad00/record.json is not the record of a run")
    assert lines[10:] == ["skipped: 2 more, named in the page", "report.html: 1 run, 0.0 MB"]


def test_an_empty_folder_makes_a_page_and_says_so(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    lines = ask("empty").output.splitlines()
    assert lines[0] == "no run in or below empty"
    assert lines[1].startswith("report.html: 0 runs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "no folder of runs at none"),
        (["runs", "-o", "runs"], "--output runs: it is no regular file"),
        (["runs", "-o", "none/page.html"], "--output none/page.html: there is no such folder"),
        (["runs", "-o", "x" * 300], "--output xxx"),
    ],
)
def test_a_wrong_request_is_told_before_anything_is_written(runs, tmp_path, words, message):
    before = sorted(tmp_path.iterdir())
    error = ask(*words).exception
    assert isinstance(error, (RequestError, RecordError))
    assert error.message.startswith(message)
    assert sorted(tmp_path.iterdir()) == before
