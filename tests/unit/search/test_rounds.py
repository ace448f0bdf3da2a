from __future__ import annotations

from collections import Counter

import pytest
from tests.unit.search.candidates import make_candidate

from resnet50_bench.search.identity import hash_config
from resnet50_bench.search.points import Point, PointResult
from resnet50_bench.search.rounds import (
    Agenda,
    Spent,
    drop_measured,
    estimate_all_s,
    estimate_s,
    plan_rounds,
)

CANDIDATES = [make_candidate(size, cores) for size in (1, 8, 32) for cores in (1, 2)]


def key(point: Point) -> str:
    return hash_config(point.config)


def end(point: Point, exit_code: int = 0) -> PointResult:
    return PointResult(point=point, exit_code=exit_code)


class TestOrder:
    def test_every_round_has_every_candidate_once(self):
        points = plan_rounds(CANDIDATES, 4, seed=0)
        assert [point.number for point in points] == list(range(1, 25))
        for begin in range(0, 24, 6):
            assert Counter(map(key, points[begin : begin + 6])) == {
                hash_config(item.config): 1 for item in CANDIDATES
            }

    def test_the_rounds_differ_and_the_seed_decides(self):
        orders = {
            tuple(key(point) for point in plan_rounds(CANDIDATES, 5, seed)[begin : begin + 6])
            for seed in (0, 1)
            for begin in range(0, 30, 6)
        }
        assert len(orders) > 5
        assert plan_rounds(CANDIDATES, 5, 7) == plan_rounds(CANDIDATES, 5, 7)
        assert plan_rounds(CANDIDATES, 5, 7) != plan_rounds(CANDIDATES, 5, 8)

    def test_no_corner_of_the_grid_is_measured_earlier(self):
        """Over many rounds each candidate stands in the middle on average."""
        places: Counter[str] = Counter()
        for place, point in enumerate(plan_rounds(CANDIDATES, 100, seed=0)):
            places[key(point)] += place % 6
        assert all(200 < total < 300 for total in places.values())

    def test_more_rounds_go_on_as_fewer_began(self):
        assert plan_rounds(CANDIDATES, 3, 0) == plan_rounds(CANDIDATES, 5, 0)[:18]

    def test_what_is_measured_is_left_out_from_the_front(self):
        points = plan_rounds(CANDIDATES, 3, seed=0)
        done = Counter(map(key, points[:8]))
        assert drop_measured(points, done) == points[8:]
        assert drop_measured(points, {}) == points
        assert drop_measured(points, dict.fromkeys(done, 3)) == ()


ONE, TWO, THREE = (hash_config(item.config) for item in CANDIDATES[:3])
PLANNED_S = {ONE: 10.0, TWO: 20.0, THREE: 40.0}


class TestEstimate:
    def test_before_anything_was_measured_it_is_the_plan(self):
        assert estimate_s(TWO, PLANNED_S, []) == 20.0

    def test_its_own_runs_count_first(self):
        spent = [Spent(ONE, 6.0), Spent(ONE, 8.0), Spent(TWO, 99.0)]
        assert estimate_s(ONE, PLANNED_S, spent) == 7.0

    def test_else_the_plan_as_much_off_as_the_others_were(self):
        spent = [Spent(ONE, 5.0), Spent(TWO, 10.0), Spent("of another sweep", 1.0)]
        assert estimate_s(THREE, PLANNED_S, spent) == 20.0

    def test_all_points_together(self):
        points = plan_rounds(CANDIDATES[:3], 2, seed=0)
        assert estimate_all_s(points, PLANNED_S, []) == 140.0
        assert estimate_all_s(points, PLANNED_S, [Spent(ONE, 5.0)]) == 70.0


class TestAgenda:
    def test_all_points_in_their_order(self):
        points = plan_rounds(CANDIDATES, 2, seed=0)
        agenda = Agenda(points, lambda _point: 1.0)
        chosen, results = [], []
        while (point := agenda.choose(results)) is not None:
            chosen.append(point)
            results.append(end(point))
        assert tuple(chosen) == points
        assert agenda.left == []

    @pytest.mark.parametrize(("exit_code", "runs"), [(0, 3), (1, 3), (2, 1), (3, 1)])
    def test_what_gave_no_result_is_not_tried_in_every_round(self, exit_code, runs):
        agenda = Agenda(plan_rounds(CANDIDATES[:2], 3, seed=0), lambda _point: 1.0)
        bad = hash_config(CANDIDATES[0].config)
        results: list[PointResult] = []
        while (point := agenda.choose(results)) is not None:
            results.append(end(point, exit_code if key(point) == bad else 0))
        counts = Counter(key(result.point) for result in results)
        assert counts == {bad: runs, hash_config(CANDIDATES[1].config): 3}

    def test_a_run_that_would_end_too_late_is_not_begun(self):
        points = plan_rounds(CANDIDATES, 1, seed=0)
        left_s = [25.0]
        long = key(points[0])
        agenda = Agenda(
            points, lambda point: 100.0 if key(point) == long else 10.0, lambda: left_s[0]
        )
        assert agenda.choose([]) == points[1]
        left_s[0] = 15.0
        assert agenda.choose([end(points[1])]) == points[2]
        left_s[0] = 5.0
        assert agenda.choose([end(points[1]), end(points[2])]) is None
        assert agenda.left == [points[0], *points[3:]]
