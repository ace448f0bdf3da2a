from __future__ import annotations

import json
import signal
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from resnet50_bench.cases.grammar import plan_combinations
from resnet50_bench.errors import ConfigError, HostError, Interrupted, PlacementError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.search.assignments import (
    Repetition,
    plan_points,
    plan_summary_path,
    render_points,
    summarize_points,
    write_summary,
)
from resnet50_bench.search.points import Measured, Point, choose_in_order, find_worst, run_points

FLAG = Setting("SEED", "9", "--seed")


def plan(*assignments: str, before=(), after=(), **repetition) -> tuple[Point, ...]:
    combinations = plan_combinations(assignments)
    return plan_points(combinations, before, after, Repetition(**repetition))


class Bench:
    """Ends each point as scripted: with an exit code, or by an error."""

    def __init__(self, *script: int | Exception) -> None:
        self.script = dict(enumerate(script, 1))
        self.measured: list[int] = []
        self.seen: list[int] = []

    def measure(self, point: Point) -> Measured:
        self.measured.append(point.number)
        end = self.script[point.number]
        if isinstance(end, Exception):
            raise end
        return Measured(Path(f"runs/{point.number}"), end, f"{point.number}.00 images/s")

    def run(self, points, *, keep_going=False):
        choose = choose_in_order(points, keep_going=keep_going)
        return run_points(choose, self.measure, lambda results: self.seen.append(len(results)))


class TestPlanning:
    def test_the_number_of_runs_is_derived(self):
        points = plan("BATCH_SIZE=1 2 4", "STEPS=10 20")
        assert [point.number for point in points] == [1, 2, 3]
        found = [(point.config.batch_size, point.config.steps) for point in points]
        assert found == [(1, 10), (2, 20), (4, 10)]
        assert points[1].describe() == "BATCH_SIZE=2 STEPS=20"

    def test_without_sets_there_is_one(self):
        (point,) = plan()
        assert (point.number, point.settings, point.describe()) == (1, (), "")

    @pytest.mark.parametrize(
        ("repetition", "sizes"),
        [
            ({}, [1, 2, 4]),
            ({"loop": 1}, [1]),
            ({"loop": 5}, [1, 2, 4, 1, 2]),
            ({"repeat": 2}, [1, 1, 2, 2, 4, 4]),
            ({"loop": 2, "repeat": 3}, [1, 1, 1, 2, 2, 2]),
        ],
    )
    def test_loop_and_repeat(self, repetition, sizes):
        points = plan("BATCH_SIZE=1 2 4", **repetition)
        assert [point.config.batch_size for point in points] == sizes
        assert [point.number for point in points] == list(range(1, len(sizes) + 1))

    def test_too_many(self):
        with pytest.raises(ConfigError) as caught:
            plan("BATCH_SIZE=1 2", loop=5001, repeat=2)
        assert caught.value.problems == (
            "10002 runs are asked for: at most 10000 are made in one go",
        )

    def test_which_setting_wins(self):
        case = [Setting("STEPS", "1", "the case's STEPS"), Setting("SEED", "1", "the case's SEED")]
        (point,) = plan("STEPS=2", before=case, after=[FLAG])
        assert (point.config.steps, point.config.seed) == (2, 9)

    def test_a_flag_and_several_values_exclude_each_other(self):
        with pytest.raises(ConfigError) as caught:
            plan("SEED=1 2/STEPS=3 4", after=[FLAG])
        assert caught.value.problems == (
            "--seed: --set gives SEED several values already; leave one of the two out",
        )
        (point,) = plan("SEED=1", after=[FLAG])
        assert point.config.seed == 9

    def test_every_problem_of_every_combination_once(self):
        with pytest.raises(ConfigError) as caught:
            plan("BATCH_SIZE=0 1 x", "FOO=1", after=[Setting("MODE", "x", "--mode")])
        problems = caught.value.problems
        assert len(problems) == len(set(problems)) == 4
        assert [text.partition(":")[0] for text in problems] == [
            "--set BATCH_SIZE", "--set FOO", "--mode", "--set BATCH_SIZE",
        ]  # fmt: skip


class TestRunning:
    def test_all_valid(self):
        bench = Bench(0, 0, 0)
        results = bench.run(plan("BATCH_SIZE=1 2 4"))
        assert bench.measured == bench.seen == [1, 2, 3]
        assert [result.exit_code for result in results] == [0, 0, 0]
        assert find_worst(results) == 0

    @pytest.mark.parametrize("failure", [1, 3, PlacementError("does not fit", "use fewer")])
    def test_it_stops_at_the_first_failure(self, failure):
        bench = Bench(0, failure, 0)
        assert len(bench.run(plan("BATCH_SIZE=1 2 4"))) == 2
        assert bench.measured == [1, 2]

    def test_it_goes_on_when_told_to_and_the_worst_code_counts(self):
        bench = Bench(1, PlacementError("does not fit", "use fewer"), HostError("disk full"), 0)
        results = bench.run(plan("BATCH_SIZE=1 2 4 8"), keep_going=True)
        assert [result.exit_code for result in results] == [1, 2, 3, 0]
        assert [result.problem for result in results] == [
            None, "does not fit -> use fewer", "disk full", None,
        ]  # fmt: skip
        assert [result.measured is None for result in results] == [False, True, True, False]
        assert find_worst(results) == 3

    def test_an_interruption_ends_it_even_then(self):
        bench = Bench(0, Interrupted(signal.SIGINT), 0)
        with pytest.raises(Interrupted):
            bench.run(plan("BATCH_SIZE=1 2 4"), keep_going=True)
        assert bench.measured == [1, 2]
        assert bench.seen == [1]


class TestSummary:
    def ended(self):
        points = plan("BATCH_SIZE=1 16", loop=3)
        return points, Bench(0, PlacementError("no")).run(points)

    def test_rows(self, tmp_path):
        points, results = self.ended()
        path = tmp_path / "new" / "x-sweep.json"
        write_summary(path, points, results)
        rows = json.loads(path.read_text())["points"]
        assert rows == summarize_points(points, results)
        assert rows == [
            {"number": 1, "set": {"BATCH_SIZE": "1"}, "exit_code": 0, "problem": None,
             "folder": "1", "kpi": "1.00 images/s"},
            {"number": 2, "set": {"BATCH_SIZE": "16"}, "exit_code": 2, "problem": "no"},
            {"number": 3, "set": {"BATCH_SIZE": "1"}, "exit_code": None},
        ]  # fmt: skip

    def test_text(self):
        assert render_points(*self.ended()) == (
            "   1  BATCH_SIZE=1   exit 0  1.00 images/s  runs/1\n"
            "   2  BATCH_SIZE=16  exit 2: no\n"
            "   3  BATCH_SIZE=1   not run\n"
        )

    def test_where_it_goes(self):
        now = datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=1)))
        assert plan_summary_path(Path("runs"), now) == Path(
            "runs/20260102T020405.000006Z-sweep.json"
        )

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(HostError) as caught:
            write_summary(tmp_path / "file" / "x.json", *self.ended())
        assert caught.value.advice == "name a folder you may write to with --output DIR"
