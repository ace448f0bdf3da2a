"""Several runs one after the other: which is next, how each ended, the worst exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import ExitCode, Interrupted, R50Error, join_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.parameters.parameter import Setting

    Choose = Callable[[Sequence["PointResult"]], "Point | None"]
    """Which point is next, by how those before it ended; None for no more."""

MAX_POINTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run of a sweep.

    Attributes:
        number: from 1.
        settings: what makes it this point.
        config: everything that was asked of it.
    """

    number: int
    settings: tuple[Setting, ...]
    config: RunConfig

    def describe(self) -> str:
        """What makes it this point, e.g. `BATCH_SIZE=4 STEPS=10`."""
        return describe_settings(self.settings)


@dataclass(frozen=True, slots=True)
class Measured:
    """A run that got its record.

    Attributes:
        folder: of the run.
        exit_code: by its verdict.
        headline: its primary KPI, for people; "" when it has none.
    """

    folder: Path
    exit_code: int
    headline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PointResult:
    """How a point ended.

    Attributes:
        point: which.
        exit_code: as of a single run.
        measured: the run; None when it got no record.
        problem: why it got none.
    """

    point: Point
    exit_code: int
    measured: Measured | None = None
    problem: str | None = None


def describe_settings(settings: Sequence[Setting]) -> str:
    """Return settings as one would type them, e.g. `BATCH_SIZE=4 STEPS=10`."""
    return " ".join(f"{item.name.upper()}={item.value}" for item in settings)


def choose_in_order(points: Sequence[Point], *, keep_going: bool) -> Choose:
    """Take one point after the other; none after one that is not valid, unless told to go on."""

    def choose(results: Sequence[PointResult]) -> Point | None:
        has_failed = bool(results) and results[-1].exit_code != ExitCode.VALID
        if len(results) == len(points) or (has_failed and not keep_going):
            return None
        return points[len(results)]

    return choose


def run_points(
    choose: Choose,
    measure: Callable[[Point], Measured],
    on_result: Callable[[Sequence[PointResult]], None],
) -> list[PointResult]:
    """Measure one point after the other.

    Args:
        choose: which is next.
        measure: runs a point; its errors become results.
        on_result: is given all results so far, after each.

    Raises:
        Interrupted: by SIGINT or SIGTERM, from `measure`.
    """
    results: list[PointResult] = []
    while (point := choose(results)) is not None:
        results.append(_measure_point(point, measure))
        on_result(results)
    return results


def find_worst(results: Sequence[PointResult]) -> int:
    """Return the exit code of all: the worst of the points', a failure above a wrong request."""
    return max((result.exit_code for result in results), default=int(ExitCode.VALID))


def _measure_point(point: Point, measure: Callable[[Point], Measured]) -> PointResult:
    try:
        measured = measure(point)
    except Interrupted:
        raise
    except R50Error as error:
        advice = f" -> {error.advice}" if error.advice else ""
        return PointResult(
            point=point, exit_code=error.exit_code, problem=f"{join_problems(error)}{advice}"
        )
    return PointResult(point=point, exit_code=measured.exit_code, measured=measured)
