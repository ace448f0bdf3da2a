"""The table of engines on their page is what the engines say of themselves."""

from __future__ import annotations

import re
from pathlib import Path

from resnet50_bench.config import Precision
from resnet50_bench.engines import ENGINES, load_engine

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"
ROW = re.compile(
    r"^\| `(?P<engine>\w+)` \| (?:`(?P<extra>\w+)`)? ?\| (?P<precisions>[^|]+) \|", re.MULTILINE
)


def read_precisions(cell: str) -> set[str]:
    named = set(re.findall(r"`(\w+)`", cell))
    return {item.value for item in Precision} - named if cell.startswith("all") else named


def test_each_engine_has_its_extra_and_its_precisions() -> None:
    rows = {row["engine"]: row for row in ROW.finditer(PAGE.read_text())}
    assert set(rows) == set(ENGINES)
    for name, row in rows.items():
        engine = load_engine(name)
        assert row["extra"] == (engine.extra.name if engine.extra is not None else None)
        offered = engine.forms if engine.needs_model else Precision
        assert read_precisions(row["precisions"]) == {item.value for item in offered}
