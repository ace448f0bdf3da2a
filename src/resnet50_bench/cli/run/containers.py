"""`r50 run --docker`: the points of a run, each in a container."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.run.points import describe_kpi, describe_number, print_end
from resnet50_bench.cli.terminal import make_console, print_json
from resnet50_bench.config import Gramine
from resnet50_bench.errors import CaseError, ConfigError, ExitCode, HostError, RequestError
from resnet50_bench.packaging.engine import describe_end, plan_container_run, run_in_container
from resnet50_bench.planning.plan import find_host_problems
from resnet50_bench.report.summary import summarize
from resnet50_bench.report.terminal.run import print_result
from resnet50_bench.results.files import read_record
from resnet50_bench.search.assignments import plan_summary_path, write_summary
from resnet50_bench.search.points import (
    Measured,
    Point,
    choose_in_order,
    find_worst,
    run_points,
)
from resnet50_bench.signals import signals_raise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.cli.run.options import RunOptions
    from resnet50_bench.search.points import PointResult


def run_in_containers(points: Sequence[Point], options: RunOptions) -> int:
    """Measure each point in a container of its own; return the worst code.

    Raises:
        RequestError: a point cannot run on this machine, or an option has no meaning there.
        HostError: there is no engine or no image.
    """
    if options.compare_native or options.compare_unshared:
        raise RequestError("--docker makes one run in a container", "leave out --compare-...")
    for point in points:
        _require_possible(point)
        plan_container_run(point.config, os.environ)
    if len(points) == 1:
        return _measure(points[0], options, alone=True).exit_code
    path = plan_summary_path(options.output, datetime.now(timezone.utc))

    def measure(point: Point) -> Measured:
        print_line(describe_number(point, points), err=True)
        return _measure(point, options, alone=False)

    def keep(results: Sequence[PointResult]) -> None:
        write_summary(path, points, results)

    choose = choose_in_order(points, keep_going=options.keep_going)
    results = run_points(choose, measure, keep)
    print_end(points, results, path, as_json=options.as_json)
    return find_worst(results)


def _require_possible(point: Point) -> None:
    """What this machine cannot do, no container on it can."""
    problems = find_host_problems(point.config)
    if problems and point.config.cores_per_instance is None and point.config.instances is None:
        raise CaseError("; ".join(problems), known=True)
    if problems and point.config.gramine is Gramine.OFF:
        raise ConfigError(problems)


def _measure(point: Point, options: RunOptions, *, alone: bool) -> Measured:
    with signals_raise():
        end = run_in_container(plan_container_run(point.config, os.environ), options.output)
    if end.folder is None:
        problems = list(describe_end(end))
        if end.exit_code == ExitCode.WRONG_REQUEST:
            raise ConfigError(problems)
        raise HostError("; ".join(problems))
    _show(end.folder, options, alone=alone)
    return Measured(end.folder, end.exit_code, describe_kpi(read_record(end.folder)))


def _show(folder: Path, options: RunOptions, *, alone: bool) -> None:
    record = read_record(folder)
    if not options.as_json:
        print_result(make_console(), record, folder, verbose=record.config.verbose)
    elif alone:
        print_json(summarize(record, folder))
