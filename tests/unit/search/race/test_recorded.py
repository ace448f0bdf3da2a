"""Races over the grids that benchmarks/tune.py keeps."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import msgspec
import pytest

from resnet50_bench.search.race.costs import Amounts
from resnet50_bench.search.race.decision import Measure, Rules
from resnet50_bench.search.race.loop import run_race
from resnet50_bench.search.race.recorded import Noise, RecordedGrid, RecordedRow, RecordedTrack

GRIDS = Path(__file__).parents[4] / "benchmarks" / "grids"


def read_grid(path: Path) -> RecordedGrid:
    return msgspec.json.decode(path.read_bytes(), type=RecordedGrid)


@pytest.mark.parametrize("path", sorted(GRIDS.glob("*.json")), ids=lambda path: path.stem)
def test_a_grid_says_where_it_is_from_and_holds_whole_starts(path: Path) -> None:
    grid = read_grid(path)
    assert grid.name == path.stem
    assert grid.synthetic == grid.provenance.startswith("SYNTHETIC")
    assert grid.synthetic == grid.name.startswith("synthetic")
    assert all(row.base is None or row.base < len(grid.rows) for row in grid.rows)
    assert len({row.configuration for row in grid.rows}) == len(grid.rows)
    assert max(row.rate for row in grid.rows) == grid.best


@pytest.mark.parametrize("name", ["synthetic-16-cores-fp32", "measured-2-cores-avx_int8"])
@pytest.mark.parametrize("seed", range(10))
def test_the_best_of_a_recorded_grid_is_found_in_a_fifth_of_its_time(name: str, seed: int) -> None:
    grid = read_grid(GRIDS / f"{name}.json")
    track = RecordedTrack(grid, seed)
    outcome = run_race(grid.plan_entrants(), Rules(seed=seed), track)
    assert outcome.winner is not None
    assert grid.rows[outcome.winner].rate >= 0.98 * grid.best
    assert outcome.race.spent_s == track.spent_s() <= 0.20 * grid.grid_s


def make_measured(*rows: tuple[tuple[float, ...], ...], start: float = 0.0) -> RecordedGrid:
    return RecordedGrid(
        name="test", provenance="made here", synthetic=False, start_s=8.0, overhead_s=0.25,
        noise=Noise(start=start, trial=0.05, query=0.0, slowed=0.0, slowest=0.0),
        rows=tuple(
            RecordedRow(configuration=f"row {number}", start="a", lanes=1, cores=2, batch_size=8,
                        images_per_s=tuple(tuple(map(math.exp, start)) for start in row))
            for number, row in enumerate(rows)
        ),
    )  # fmt: skip


def test_a_row_is_off_by_what_its_own_trials_were_off_by() -> None:
    # The second round is slower by 0.1 for both, which no row is charged with.
    grid = make_measured(((3.01,), (2.91,), (3.0,)), ((2.99,), (2.89,), (3.0,)))
    first, second = grid.list_deviations()
    # Around their mean they are off by 0.0033, 0.0033 and -0.0067; the mean is theirs, too.
    wider = math.sqrt(3 / 2)
    assert first == pytest.approx([0.01 / 3 * wider, 0.01 / 3 * wider, -0.02 / 3 * wider])
    assert second == pytest.approx([-value for value in first])
    track = RecordedTrack(grid, 0)
    step = Measure(0, Amounts(0.75, 2), fresh=True, cost_s=0.0)
    seen = {round(math.log(track.measure(step, 1).score / grid.rows[0].rate), 9) for _ in range(99)}
    assert seen == {round(value, 9) for value in first}


def test_what_starts_differ_by_is_not_counted_twice() -> None:
    rows = ((3.01,), (2.99,), (3.0,)), ((2.99,), (3.01,), (3.0,))
    # The variance of each row is 0.0001; a start's of 0.0064 ** 2 explains 41 % of it.
    whole, rest = make_measured(*rows), make_measured(*rows, start=0.0064)
    ratio = math.sqrt(1 - 0.0064**2 / 0.0001)
    assert rest.list_deviations()[0] == pytest.approx(
        [ratio * value for value in whole.list_deviations()[0]]
    )
    assert make_measured(*rows, start=0.02).list_deviations()[0] == pytest.approx([0.0] * 3)


def test_a_row_of_a_single_trial_is_off_by_what_is_said_of_the_grid() -> None:
    grid = make_measured(((3.0,),), ((2.9,),))
    assert grid.list_deviations() == [[], []]
    track = RecordedTrack(grid, 1)
    step = Measure(0, Amounts(0.75, 2), fresh=True, cost_s=0.0)
    logs = [math.log(track.measure(step, 1).score / grid.rows[0].rate) for _ in range(400)]
    assert statistics.stdev(logs) == pytest.approx(0.05, rel=0.15)
