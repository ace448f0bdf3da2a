from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.records import make_instance, make_lost, make_record
from tests.showcase import HOSTILE, make_host, make_run, plan_configs, write_run

from resnet50_bench.report.html.page import Progress, Report, render_page
from resnet50_bench.report.html.shelf import Shelf

LIBRARY = "const vegaEmbed = 1;"


def make_report(folder: Path, **changes) -> Report:
    shelf = Shelf((folder,))
    shelf.read()
    details, links = shelf.describe_chosen(shelf.rows, folder.parent)
    fields = {
        "folders": [str(folder)],
        "rows": shelf.rows,
        "details": details,
        "skipped": shelf.skipped,
        "links": links,
        "created": "2026-01-02 03:04 UTC",
        "tool_version": "0.1.0",
    }
    return Report(**(fields | changes))


def read_data(page: str) -> dict:
    packed = re.search(r'id="data">([^<]*)<', page).group(1)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Runs of four configurations."""
    made = tmp_path_factory.mktemp("page") / "runs"
    for number, config in enumerate(list(plan_configs())[:4]):
        write_run(made, make_run(config, number))
    return made


@pytest.fixture(scope="module")
def page(folder) -> str:
    return render_page(make_report(folder), LIBRARY)


def test_the_answer_and_its_verdict_come_first(page):
    answer = re.search(r'<p class="answer">(.*?)</p>', page).group(1)
    figure = re.search(r'<p class="figure"><a href="#run-\d">([\d.]+)</a>', page).group(1)
    assert answer.startswith(f"{figure} images/s in avx_fp32, with batches of 1")
    assert page.index('class="answer"') < page.index('<p class="badge valid">VALID') < 20_000


def test_the_data_holds_every_run_with_its_record(page, folder):
    runs = read_data(page)["runs"]
    rows = [dict(zip(runs["names"], row, strict=True)) for row in runs["rows"]]
    assert len(rows) == 4
    for row in rows:
        assert (folder.parent / row["record"]).is_file()
        assert row["link"].startswith("#run-")


def test_a_record_lies_in_the_page_as_it_is(page, folder):
    records = read_data(page)["records"]
    content = gzip.decompress(base64.b64decode(records["run-1"]))
    first = min(folder.iterdir()) / "record.json"
    assert content == first.read_bytes()


def test_nothing_is_fetched_and_only_our_scripts_run(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    policy = policy.replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    ]
    assert f"script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';" in policy
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_text_from_a_record_is_escaped(tmp_path):
    host = replace(make_host(HOSTILE), cpu_model=f'"{HOSTILE}')
    write_run(tmp_path / "runs", make_run(next(plan_configs()), 1, host))
    page = render_page(make_report(tmp_path / "runs"), LIBRARY)
    assert "<script>document" not in page
    assert "&lt;script&gt;document" in page
    assert "\u202e" not in page
    names, (row,) = read_data(page)["runs"].values()
    assert "\\u202e" in row[names.index("host")]


def test_a_folder_whose_name_is_no_text_has_its_link(tmp_path):
    place = write_run(tmp_path / "runs", make_record())
    odd = place.rename(os.fsdecode(os.fsencode(place.parent / "a b#?") + b"\xff"))
    page = render_page(make_report(tmp_path / "runs"), LIBRARY)
    assert 'href="runs/a%20b%23%3F%FF/record.json"' in page
    names, (row,) = read_data(page)["runs"].values()
    assert row[names.index("folder")] == f"{odd.parent}/a b#?\\xff"


def test_an_empty_folder_makes_a_page_that_says_so(tmp_path):
    page = render_page(make_report(tmp_path), LIBRARY)
    assert "There is no run here yet" in page
    assert 'id="runs"' not in page


def test_an_invalid_run_is_no_answer(tmp_path):
    lost = make_record(instances=[make_instance(0), make_lost(1)], status="lost instances")
    write_run(tmp_path / "runs", lost)
    page = render_page(make_report(tmp_path / "runs"), LIBRARY)
    assert "No run here has a result that may be believed" in page
    assert 'class="card bad"' in page
    assert '<p class="figure">' not in page


def test_what_could_not_be_read_is_named(tmp_path):
    (tmp_path / "runs" / "bad").mkdir(parents=True)
    (tmp_path / "runs" / "bad" / "record.json").write_text("{")
    page = render_page(make_report(tmp_path / "runs"), LIBRARY)
    assert "1 could not be read" in page
    assert "bad/record.json is not the record of a run" in page


def test_a_served_page_may_ask_its_server_and_nobody_else(folder):
    progress = Progress(done=4, total=9, revision="abc")
    page = render_page(make_report(folder, progress=progress), LIBRARY)
    assert "connect-src &#39;self&#39;;" in page
    assert 'data-revision="abc"' in page
    assert 'max="9" value="4"' in page
