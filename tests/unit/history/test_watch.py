"""A history: what is added to it, what it tells, and when that is an alarm."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.records import FOUR_CORES, make_record

from resnet50_bench.cli import r50
from resnet50_bench.errors import HostError, RecordError, RequestError
from resnet50_bench.history import store
from resnet50_bench.history.rendering import render_states, summarize_states
from resnet50_bench.history.row import Row, make_row
from resnet50_bench.history.series import Level, find_states
from resnet50_bench.history.store import open_history
from resnet50_bench.host.settings import Settings
from resnet50_bench.results.files import write_record

pytest.importorskip("duckdb")
pytest.importorskip("ruptures")

FIRST = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as DuckDB has it
HOSTILE = "\x1b[2J\n'; drop table runs --\u202e\x00\udc80"


def make_rows(speeds: list[float], **changes) -> list[Row]:
    """A run a day; the kernel changes after the tenth."""
    model = make_row(make_record(), Path("runs/x"))
    assert isinstance(model, Row)
    return [
        replace(
            model,
            run_id=f"run{number}",
            created=FIRST + timedelta(days=number),
            speed=speed,
            found={**model.found, "kernel": "6.1" if number < 10 else "6.2"},
            **changes,
        )
        for number, speed in enumerate(speeds)
    ]


SLOWED = [100.0, 100.4, 99.7, 100.1, 99.8, 100.3, 99.9, 100.0, 100.2, 99.8]
SLOWED += [speed - 5 for speed in SLOWED]


def judge(rows: list[Row], smallest: float = 0.03, accepted: dict | None = None):
    (state,) = find_states(rows, accepted or {}, smallest)
    return state


class TestRow:
    def test_a_valid_run_is_kept_with_what_was_asked_and_what_was_found(self):
        settings = Settings(bios="AMI 1.2", boot_options=("mitigations=off",))
        host = replace(FOUR_CORES.host(), settings=settings)
        row = make_row(make_record(host=host), Path("runs/x"))
        assert isinstance(row, Row)
        assert (row.host, row.unit, row.speed) == ("synthetic", "images/s", 128.0)
        assert row.asked["precision"] == "avx_fp32"
        assert (row.found["BIOS"], row.found["boot options"]) == ("AMI 1.2", "mitigations=off")
        assert not set(row.asked) & set(row.found)

    def test_what_cannot_be_kept_says_why(self):
        invalid = make_row(make_record(status="interrupted"), Path("x"))
        assert invalid == "it has no result (interrupted)"
        assert make_row(make_record(created="yesterday"), Path("x")) == "'yesterday' is no time"

    def test_another_name_stands_for_hosts_that_change_theirs(self):
        row = make_row(make_record(), Path("x"), "ci")
        assert isinstance(row, Row)
        assert row.host == "ci"


class TestSeries:
    def test_a_step_is_told_with_what_changed_then(self):
        state = judge(make_rows(SLOWED))
        (shift,) = state.shifts
        assert (state.level, shift.since.run_id, shift.before.run_id) == (
            Level.SLOWER, "run10", "run9",
        )  # fmt: skip
        (novelty,) = shift.novelties
        assert (novelty.what, novelty.before, novelty.after) == ("kernel", "6.1", "6.2")
        assert state.speed == pytest.approx(95.0, abs=0.1)

    def test_a_slowdown_below_the_smallest_is_told_and_no_alarm(self):
        state = judge(make_rows(SLOWED), smallest=0.1)
        assert (len(state.shifts), state.level) == (1, Level.STEADY)

    def test_who_fell_and_rose_again_is_steady(self):
        assert judge(make_rows(SLOWED + SLOWED[:10])).level is Level.STEADY

    def test_who_rose_is_faster(self):
        assert judge(make_rows([100 * 100 / speed for speed in SLOWED])).level is Level.FASTER

    def test_what_was_accepted_is_told_and_no_alarm(self):
        rows = make_rows(SLOWED)
        state = judge(rows, accepted={store.make_key(rows[0]): rows[-1].created})
        assert state.shifts[0].accepted
        assert state.level is Level.STEADY

    def test_a_drift_that_goes_on_after_it_was_accepted_is_an_alarm(self):
        rows = make_rows([100 * math.exp(-0.005 * number) for number in range(20)])
        assert (
            judge(rows, accepted={store.make_key(rows[0]): rows[10].created}).level is Level.SLOWER
        )

    def test_runs_that_asked_for_other_things_are_series_of_their_own(self):
        first = make_rows(SLOWED)
        other = make_rows(SLOWED[:10], asked={**first[0].asked, "batch size": "1"})
        states = find_states([*first, *other], {}, 0.03)
        assert [state.level for state in states] == [Level.SLOWER, Level.STEADY]

    def test_what_one_run_did_not_know_is_no_change(self):
        rows = make_rows(SLOWED)
        rows = [replace(row, found={**row.found, "BIOS": "not known" if n < 10 else "1.2"})
                for n, row in enumerate(rows)]  # fmt: skip
        assert [item.what for item in judge(rows).shifts[0].novelties] == ["kernel"]


class TestStore:
    def test_runs_are_added_once(self, tmp_path):
        rows = make_rows(SLOWED)
        with open_history(tmp_path / "new" / "h", writes=True) as history:
            assert history.add(rows[:12]) == 12
            assert history.add(rows) == 8
        with open_history(tmp_path / "new" / "h", writes=False) as history:
            assert history.read() == rows

    def test_hostile_texts_stay_texts(self, tmp_path):
        rows = make_rows(SLOWED, host=HOSTILE, source=HOSTILE)
        with open_history(tmp_path / "h", writes=True) as history:
            history.add([replace(row, found={"kernel": HOSTILE}) for row in rows])
            states = find_states(history.read(), history.read_accepted(), 0.03)
        text = render_states(states)
        assert "\x1b" not in text
        assert text.count("\n") == len(text.splitlines())
        json.dumps(summarize_states(states))

    def test_another_file_is_no_history(self, tmp_path):
        (tmp_path / "text").write_text("x" * 5000)
        with (
            pytest.raises(RequestError, match="not a history of r50"),
            open_history(tmp_path / "text", writes=True),
        ):
            pass
        duckdb = pytest.importorskip("duckdb")
        with duckdb.connect(str(tmp_path / "other")) as other:
            other.execute("create table t (x int)")
        with (
            pytest.raises(RequestError, match="not a history of r50"),
            open_history(tmp_path / "other", writes=True),
        ):
            pass

    def test_a_history_that_another_process_keeps_open_is_told(self, tmp_path, monkeypatch):
        duckdb = pytest.importorskip("duckdb")

        def refuse(*_, **__):
            raise duckdb.IOException("Could not set lock on file: held by PID 7")

        monkeypatch.setattr(store, "_PATIENCE_S", 0.0)
        monkeypatch.setattr(duckdb, "connect", refuse)
        with (
            pytest.raises(HostError, match="kept open by another process"),
            open_history(tmp_path / "h", writes=True),
        ):
            pass

    def test_a_history_that_is_not_there_is_not_read(self, tmp_path):
        with (
            pytest.raises(RequestError, match="no history"),
            open_history(tmp_path / "h", writes=False),
        ):
            pass


class TestCommand:
    def call(self, *words: object) -> int:
        try:
            r50.main(["watch", *map(str, words)], standalone_mode=False)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    def test_a_slower_host_ends_in_1_until_it_is_accepted(self, tmp_path, capsys):
        history = tmp_path / "h"
        with open_history(history, writes=True) as opened:
            opened.add(make_rows(SLOWED))
        assert self.call("--history", history, "--json") == 1
        answer = json.loads(capsys.readouterr().out)
        assert answer["slower"] == 1
        (change,) = answer["series"][0]["changes"]
        assert change["changed"] == [
            {"what": "kernel", "before": "6.1", "after": "6.2", "first_run": "run10"}
        ]
        assert self.call("--history", history, "--smallest", "20%") == 0
        assert self.call("--history", history, "--accept") == 0
        assert ", accepted" in capsys.readouterr().out
        assert self.call("--history", history) == 0

    def test_runs_are_read_added_and_what_is_left_out_is_told(self, tmp_path, capsys):
        for name, changes in {"a": {}, "b": {"status": "interrupted"}}.items():
            (tmp_path / "runs" / name).mkdir(parents=True)
            write_record(tmp_path / "runs" / name, make_record(run_id=name, **changes))
        assert self.call(tmp_path / "runs", "--history", tmp_path / "h") == 0
        told = capsys.readouterr()
        assert "1 runs added, 0 known" in told.err
        assert "left out" in told.err
        assert "too few runs: 1 of the 8" in told.out

    def test_a_run_that_is_named_and_not_there_is_an_error(self, tmp_path):
        with pytest.raises(RecordError):
            self.call(tmp_path / "nope", "--history", tmp_path / "h")
        (tmp_path / "empty").mkdir()
        with pytest.raises(RequestError, match="can be kept"):
            self.call(tmp_path / "empty", "--history", tmp_path / "h")
        assert not (tmp_path / "h").exists()
