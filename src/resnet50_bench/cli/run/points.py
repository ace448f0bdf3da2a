"""Runs what `r50 run` planned: one point, or a series of them."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.measuring import (
    hold_plans,
    make_desk,
    measure_plan,
    plan_point,
    tell_result,
)
from resnet50_bench.cli.run.store import find_store, tell_store
from resnet50_bench.cli.terminal import make_console, print_json
from resnet50_bench.contention.cpu_lock import find_held
from resnet50_bench.errors import ConfigError, R50Error, join_problems
from resnet50_bench.report.kpi.text import list_kpis
from resnet50_bench.report.terminal.plan import print_plan, summarize_plan
from resnet50_bench.search.assignments import (
    plan_summary_path,
    render_points,
    summarize_points,
    write_summary,
)
from resnet50_bench.search.points import Measured, choose_in_order, find_worst, run_points
from resnet50_bench.session import door
from resnet50_bench.session.contention import list_plan_cpus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.cli.run.options import RunOptions
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record
    from resnet50_bench.search.points import Point, PointResult


def show_plans(points: Sequence[Point], output: Path, *, as_json: bool) -> None:
    """Print the plan of each point."""
    plans = [plan_point(point.config, output) for point in points]
    held = [find_held(list_plan_cpus(plan), os.environ) for plan in plans]
    if as_json:
        summaries = [
            {**summarize_plan(plan), "held_by": [item.describe() for item in others]}
            for plan, others in zip(plans, held)
        ]
        print_json(summaries[0] if len(plans) == 1 else {"points": summaries})
        return
    for point, plan, others in zip(points, plans, held):
        if len(points) > 1:
            print_line(describe_number(point, points))
        print_plan(make_console(), plan)
        busy = [f"{item.describe()}; --wait would wait" for item in others]
        for warning in [*plan.warnings(), *busy]:
            print_line(warning, label="warning: ", colour="yellow", err=True)


def run_one(point: Point, options: RunOptions) -> int:
    """Measure one point and print its result; return the exit code."""
    plan = plan_point(point.config, options.output)
    store = find_store(options)
    with hold_plans([plan], wait=options.wait) as lock:
        result = measure_plan(plan, make_desk(options.output, lock))
    code = tell_result(result, plan, as_json=options.as_json)
    return max(code, tell_store(store, result))


def run_all(points: Sequence[Point], options: RunOptions) -> int:
    """Measure the points one after the other and print their results; return the worst code."""
    plans = _check_points(points, options)
    store = find_store(options)
    choose = choose_in_order(points, keep_going=options.keep_going)
    path = plan_summary_path(options.output, datetime.now(timezone.utc))

    def measure(point: Point) -> Measured:
        print_line(describe_number(point, points), err=True)
        plan = door.plan(point.config)
        result = measure_plan(plan, make_desk(options.output, lock))
        code = tell_result(result, plan, as_json=None if options.as_json else False)
        code = max(code, tell_store(store, result))
        return Measured(result.folder, code, describe_kpi(result.record))

    def keep(results: Sequence[PointResult]) -> None:
        write_summary(path, points, results)
        if results[-1].problem is not None:
            print_line(f"failed: {results[-1].problem}", err=True)

    with hold_plans(plans, wait=options.wait) as lock:
        results = run_points(choose, measure, keep)
    print_end(points, results, path, as_json=options.as_json)
    return find_worst(results)


def _check_points(points: Sequence[Point], options: RunOptions) -> list[RunPlan]:
    """Plan each distinct point once, so that a wrong one is refused before anything runs.

    Returns:
        The plans of those that can run.

    Raises:
        R50Error: why no point at all can run, when it is the same for all.
        ConfigError: every point that cannot run, unless the others are to run anyway.
    """
    distinct = {id(point.config): point for point in reversed(points)}
    failed: list[tuple[Point, R50Error]] = []
    plans = []
    for point in sorted(distinct.values(), key=lambda item: item.number):
        try:
            plans.append(plan_point(point.config, options.output))
        except R50Error as error:
            failed.append((point, error))
    if len(failed) == len(distinct) and len({error.message for _, error in failed}) == 1:
        raise failed[0][1]
    if failed and not options.keep_going:
        raise ConfigError([_describe_failure(point, error) for point, error in failed])
    return plans


def _describe_failure(point: Point, error: R50Error) -> str:
    advice = f" -> {error.advice}" if error.advice else ""
    return f"{point.describe()}: {join_problems(error)}{advice} (--continue runs the others)"


def print_end(
    points: Sequence[Point], results: Sequence[PointResult], path: Path, *, as_json: bool
) -> None:
    """Print how the points of a series ended."""
    if as_json:
        print_json({"points": summarize_points(points, results)})
        return
    print_line("")
    print_line(f"{len(results)} of {len(points)} runs made; summary in {path}")
    print_text(render_points(points, results))


def describe_number(point: Point, points: Sequence[Point]) -> str:
    """Which point of how many."""
    return f"run {point.number} of {len(points)}: {point.describe()}".rstrip(": ")


def describe_kpi(record: Record) -> str:
    """The primary KPI in one line."""
    primary = [line for line in list_kpis(record) if line.primary]
    return "".join(f"{line.value:.{line.decimals}f} {line.unit}" for line in primary)
