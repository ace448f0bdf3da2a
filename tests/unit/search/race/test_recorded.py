"""Races over the grids that benchmarks/tune.py keeps."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from resnet50_bench.search.race.decision import Rules
from resnet50_bench.search.race.loop import run_race
from resnet50_bench.search.race.recorded import RecordedGrid, RecordedTrack

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


@pytest.mark.parametrize("seed", range(10))
def test_the_best_of_a_recorded_grid_is_found_in_a_fifth_of_its_time(seed: int) -> None:
    grid = read_grid(GRIDS / "synthetic-16-cores-fp32.json")
    track = RecordedTrack(grid, seed)
    outcome = run_race(grid.plan_entrants(), Rules(seed=seed), track)
    assert outcome.winner is not None
    assert grid.rows[outcome.winner].rate >= 0.98 * grid.best
    assert outcome.race.spent_s == track.spent_s() <= 0.20 * grid.grid_s
