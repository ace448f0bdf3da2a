"""The points of `--set`: combinations in their order, repeated as asked, and how they ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from resnet50_bench.errors import ConfigError, MissingDataError, OutputError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.printable import join_lines
from resnet50_bench.search.points import MAX_POINTS, Point

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.config import RunConfig
    from resnet50_bench.parameters.parameter import Setting
    from resnet50_bench.search.points import PointResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """How often the points are run.

    Attributes:
        loop: runs in all before repeating, the combinations starting again; None for each once.
        repeat: how often each is run in a row.
    """

    loop: int | None = None
    repeat: int = 1


def plan_points(
    combinations: Sequence[tuple[Setting, ...]],
    before: Sequence[Setting],
    after: Sequence[Setting],
    repetition: Repetition,
) -> tuple[Point, ...]:
    """Return the points in their order.

    Args:
        combinations: what each run sets, see `grammar.plan_combinations`.
        before: settings that a combination wins over.
        after: settings that win over a combination.
        repetition: how often.

    Raises:
        ConfigError: every problem of every combination, each once; or too many points.
    """
    problems = dict.fromkeys(find_overridden(combinations, after))
    configs: list[RunConfig] = []
    wrong: ConfigError | None = None
    only_missing = not problems
    for combination in combinations:
        try:
            configs.append(make_config([*before, *combination, *after]))
        except ConfigError as error:
            problems.update(dict.fromkeys(error.problems))
            only_missing &= isinstance(error, MissingDataError)
            wrong = wrong or error
    if problems:
        kind = MissingDataError if only_missing and not configs else ConfigError
        raise kind(list(problems), wrong.config if wrong is not None else None)
    loop = repetition.loop or len(combinations)
    count = loop * repetition.repeat
    if count > MAX_POINTS:
        raise ConfigError([f"{count} runs are asked for: at most {MAX_POINTS} are made in one go"])
    order = [number // repetition.repeat % len(combinations) for number in range(count)]
    return tuple(
        Point(number=number, settings=combinations[index], config=configs[index])
        for number, index in enumerate(order, 1)
    )


def find_overridden(
    combinations: Sequence[tuple[Setting, ...]], after: Sequence[Setting]
) -> list[str]:
    """A flag that wins over a list of values would make all runs of the list the same."""
    flags = {item.name.upper(): item.origin for item in after}
    values: dict[str, set[str]] = {}
    for setting in (setting for combination in combinations for setting in combination):
        values.setdefault(setting.name.upper(), set()).add(setting.value)
    return [
        f"{flags[name]}: --set gives {name} several values already; leave one of the two out"
        for name, given in values.items()
        if len(given) > 1 and name in flags
    ]


def summarize_points(
    points: Sequence[Point], results: Sequence[PointResult]
) -> list[dict[str, object]]:
    """Return what was asked and how each point ended, as plain JSON types."""
    ended = {result.point.number: result for result in results}
    return [_summarize(point, ended.get(point.number)) for point in points]


def write_summary(path: Path, points: Sequence[Point], results: Sequence[PointResult]) -> None:
    """Write the summary of a sweep as JSON, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = {"points": summarize_points(points, results)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(rows, indent=2).encode())
    except OSError as error:
        raise OutputError(
            f"the summary {path}", error, "name a folder you may write to with --output DIR"
        ) from error


def render_points(points: Sequence[Point], results: Sequence[PointResult]) -> str:
    """Return one line per point: its number, what it set, how it ended and where it is kept."""
    ended = {result.point.number: result for result in results}
    width = max(len(point.describe()) for point in points)
    lines = [
        f"{point.number:>4}  {point.describe():<{width}}  {_describe_end(ended.get(point.number))}"
        for point in points
    ]
    return join_lines(lines)


def _describe_end(result: PointResult | None) -> str:
    if result is None:
        return "not run"
    if result.measured is None:
        return f"exit {result.exit_code}: {result.problem}"
    kpi = result.measured.headline or "no KPI"
    return f"exit {result.exit_code}  {kpi}  {result.measured.folder}"


def plan_summary_path(output: Path, now: datetime) -> Path:
    """Return where the sweep's summary goes, beside the folders of its runs."""
    return output / f"{now.astimezone(timezone.utc):%Y%m%dT%H%M%S.%fZ}-sweep.json"


def _summarize(point: Point, result: PointResult | None) -> dict[str, object]:
    asked = {item.name.upper(): item.value for item in point.settings}
    row: dict[str, object] = {"number": point.number, "set": asked, "exit_code": None}
    if result is not None:
        row["exit_code"] = result.exit_code
        row["problem"] = result.problem
    if result is not None and result.measured is not None:
        row["folder"] = result.measured.folder.name
        row["kpi"] = result.measured.headline
    return row
