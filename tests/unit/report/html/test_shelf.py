from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
from tests.records import make_record
from tests.showcase import make_run, plan_configs, write_many, write_run

from resnet50_bench.errors import RecordError
from resnet50_bench.report.html import shelf as module
from resnet50_bench.report.html.detail import MOST, choose_detailed
from resnet50_bench.report.html.shelf import Shelf
from resnet50_bench.results.files import write_record


def test_only_what_is_new_or_changed_is_read(tmp_path):
    first = write_run(tmp_path, make_record(run_id="a"))
    write_run(tmp_path, make_record(run_id="b"))
    counts = []
    shelf = Shelf((tmp_path,), counts.append)
    shelf.read()
    shelf.read()
    assert counts == [1, 2]
    write_record(first, make_record(run_id="a", status="interrupted"))
    os.utime(first / "record.json", ns=(1, 1))
    shelf.read()
    assert counts == [1, 2, 1]
    assert [row.status for row in shelf.rows] == ["interrupted", "completed"]
    shutil.rmtree(first)
    shelf.read()
    assert [row.run_id for row in shelf.rows] == ["b"]


def test_a_run_that_is_named_twice_is_there_once(tmp_path):
    place = write_run(tmp_path, make_record())
    shelf = Shelf((tmp_path, place))
    shelf.read()
    assert len(shelf.rows) == 1


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="no folder of runs at"):
        Shelf((tmp_path / "none",)).read()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of the tests' own threads
def test_many_records_are_read_by_several_processes_to_the_same_rows(tmp_path, monkeypatch):
    write_many(tmp_path, 4)
    (tmp_path / "20260103T000000Z-00002" / "record.json").write_text("{")
    alone, together = Shelf((tmp_path,)), Shelf((tmp_path,))
    alone.read()
    monkeypatch.setattr(module, "_MANY", 3)
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: {0, 1})
    together.read()
    assert together.rows == alone.rows
    assert len(together.rows) == 3
    assert together.skipped == alone.skipped


def test_of_many_runs_the_best_the_newest_and_the_invalid_are_shown_in_detail(tmp_path):
    write_run(tmp_path, make_run(next(plan_configs()), 1))
    shelf = Shelf((tmp_path,))
    shelf.read()
    (row,) = shelf.rows
    rows = [
        replace(row, folder=str(place), images_per_s=100.0 - place, batch_size=place + 1,
                valid=place != 50)
        for place in range(200)
    ]  # fmt: skip
    chosen = [int(item.folder) for item in choose_detailed(rows)]
    assert chosen == [0, 197, 198, 199, 50]
    assert len(choose_detailed(rows[:MOST])) == MOST
