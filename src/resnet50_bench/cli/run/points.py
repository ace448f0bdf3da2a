"""Runs what `r50 run` planned: one point, or one after the other."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from resnet50_bench.cases.sweep import (
    Measured,
    Point,
    PointResult,
    find_worst,
    plan_summary_path,
    render_points,
    run_points,
    summarize_points,
    write_summary,
)
from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.streams import discard_output, print_error
from resnet50_bench.cli.terminal import TerminalObserver, make_console, print_json
from resnet50_bench.config import Attestation, Gramine, Mode, SharePer
from resnet50_bench.contention.cpu_lock import find_held, hold_cpus
from resnet50_bench.errors import (
    ConfigError,
    ExitCode,
    Interrupted,
    OutputError,
    R50Error,
    RecordError,
    RequestError,
    join_problems,
)
from resnet50_bench.model import check_cache
from resnet50_bench.printable import show_controls
from resnet50_bench.report.kpi.text import list_kpis
from resnet50_bench.report.summary import summarize
from resnet50_bench.report.terminal.enclave import compare_native, render_rows
from resnet50_bench.report.terminal.plan import print_plan, summarize_plan
from resnet50_bench.report.terminal.run import print_result
from resnet50_bench.report.terminal.sharing import contrast, render_contrast
from resnet50_bench.results.files import read_record
from resnet50_bench.session import door
from resnet50_bench.session.contention import list_plan_cpus
from resnet50_bench.session.finished import Run
from resnet50_bench.session.run import Desk
from resnet50_bench.session.run_folder import check_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from resnet50_bench.cli.run.options import RunOptions
    from resnet50_bench.config import RunConfig
    from resnet50_bench.contention.cpu_lock import CpuLock, Held
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record


def plan_point(config: RunConfig, output: Path) -> RunPlan:
    """Resolve a run, and see that what it makes can be kept.

    Raises:
        R50Error: see `door.plan`.
        HostError: the folder of runs cannot be written; or the cache, and a model is to go there.
    """
    plan = door.plan(config)
    check_output(output)
    if plan.model_source is not None and plan.model is None:
        check_cache(plan.cache_dir)
    return plan


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
    with _hold([plan], wait=options.wait) as lock:
        result = _measure(plan, _make_desk(options.output, lock))
    return _tell(result, plan, as_json=options.as_json)


def run_contrast(point: Point, options: RunOptions) -> int:
    """Measure a point with shared weights, then in separate processes; return the worse code."""
    plan = plan_point(point.config, options.output)
    separate = replace(
        point.config,
        weight_sharing=False,
        share_per=SharePer.SOCKET,
        force=False,
        cores_per_instance=plan.placement.cores_per_instance,
        instances=sum(len(slot.streams) for slot in plan.placement.slots),
    )
    # What is wrong with it is said before anything is measured.
    plans = [plan, door.plan(separate)]
    records, codes = [], []
    with _hold(plans, wait=options.wait) as lock:
        for config in (point.config, separate):
            plan = door.plan(config)
            result = _measure(plan, _make_desk(options.output, lock))
            records.append(result.record)
            codes.append(_tell(result, plan, as_json=None if options.as_json else False))
    rows = contrast(*records)
    if options.as_json:
        print_json({"shared": records[0].run_id, "separate": records[1].run_id,
                    "figures": [asdict(row) | {"ratio": row.ratio} for row in rows]})  # fmt: skip
    else:
        print_text(f"\n{render_contrast(rows)}")
    return max(codes)


def run_beside_native(points: Sequence[Point], options: RunOptions) -> int:
    """Measure each point natively and inside gramine, and print the ratios; return the worst code.

    Raises:
        RequestError: a point does not run inside gramine, or asks for no speed.
    """
    for point in points:
        if point.config.gramine is Gramine.OFF or point.config.mode is Mode.ACCURACY:
            raise RequestError(
                "--compare-native compares the speed inside gramine with the native one",
                "add --gramine sgx, or name a throughput or latency case with sgx in its name",
            )
    plans = [plan_point(point.config, options.output) for point in points]
    rows, codes = [], []
    with _hold(plans, wait=options.wait) as lock:
        for point in points:
            native = replace(point.config, gramine=Gramine.OFF, remote_attestation=Attestation.NONE)
            records = []
            for config in (native, point.config):
                plan = door.plan(config)
                result = _measure(plan, _make_desk(options.output, lock))
                records.append(result.record)
                codes.append(_tell(result, plan, as_json=None if options.as_json else False))
            rows.append(compare_native(*records))
    if options.as_json:
        print_json({"rows": [asdict(row) | {"ratio": row.ratio} for row in rows]})
    else:
        print_text(f"\n{render_rows(rows, points[0].config.gramine.value)}")
    return max(codes)


def resume_one(folder: Path, options: RunOptions) -> int:
    """Go on with an interrupted accuracy run; return the exit code.

    Raises:
        RecordError: there is no run to resume in the folder.
    """
    record = read_record(folder)
    if record.config.mode is not Mode.ACCURACY:
        raise RecordError(
            f"--resume {folder}: a {record.config.mode.value} run cannot be resumed",
            "only accuracy runs can: run it again",
        )
    if record.status == "completed":
        raise RecordError(
            f"--resume {folder}: this run is complete", f"`r50 show {folder}` prints its result"
        )
    plan = door.plan(record.config)
    with _hold([plan], wait=options.wait) as lock:
        result = _measure(plan, replace(_make_desk(folder.parent, lock), resume=folder))
    return _tell(result, plan, as_json=options.as_json)


def run_all(points: Sequence[Point], options: RunOptions) -> int:
    """Measure the points one after the other and print their results; return the worst code."""
    plans = _check_points(points, options)
    path = plan_summary_path(options.output, datetime.now(timezone.utc))

    def measure(point: Point) -> Measured:
        print_line(describe_number(point, points), err=True)
        plan = door.plan(point.config)
        result = _measure(plan, _make_desk(options.output, lock))
        code = _tell(result, plan, as_json=None if options.as_json else False)
        return Measured(result.folder, code, describe_kpi(result.record))

    def keep(results: Sequence[PointResult]) -> None:
        write_summary(path, points, results)
        if results[-1].problem is not None:
            print_line(f"failed: {results[-1].problem}", err=True)

    with _hold(plans, wait=options.wait) as lock:
        results = run_points(points, measure, keep, keep_going=options.keep_going)
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


@contextmanager
def _hold(plans: Sequence[RunPlan], *, wait: bool) -> Iterator[CpuLock]:
    """Hold the CPUs of all these runs from before the first until after the last."""
    cpus = {cpu for plan in plans for cpu in list_plan_cpus(plan)}
    with TerminalObserver() as observer:
        told: set[str] = set()

        def show(held: tuple[Held, ...], seconds: float) -> None:
            for text in (item.describe() for item in held):
                if text not in told:
                    observer.note(f"waiting for {text}")
                    told.add(text)
            observer.waiting(f"waiting ({seconds:.0f} s)", None)

        with hold_cpus(cpus, _list_command(), os.environ, show if wait else None) as lock:
            observer.clear()
            if lock.failure is not None:
                observer.note(f"warning: the CPUs cannot be locked: {lock.failure}")
            yield lock


def _list_command() -> list[str]:
    return ["r50", *map(show_controls, sys.argv[1:])]


def _make_desk(output: Path, lock: CpuLock) -> Desk:
    """The run is asked from this command line."""
    return Desk(output=output, command=_list_command(), lock=lock)


def _measure(plan: RunPlan, desk: Desk) -> Run:
    with TerminalObserver() as observer:
        for warning in plan.warnings():
            observer.note(f"warning: {warning}")
        try:
            return door.run(plan, observer=observer, desk=desk)
        except Interrupted as interruption:
            if interruption.folder is not None:
                observer.note(f"interrupted; the record is in {interruption.folder}")
                if plan.evaluation is not None:
                    observer.note(f"go on with: r50 run --resume {interruption.folder}")
            raise


def _tell(result: Run, plan: RunPlan, *, as_json: bool | None) -> int:
    """Print a result; say what of it could not be written, and where the rest is.

    Args:
        result: of a run.
        plan: of it.
        as_json: as JSON; None to print nothing.

    Returns:
        The exit code: by the verdict, and 3 where something could not be written.
    """
    problems = list(result.problems)
    try:
        if as_json:
            print_json(summarize(result.record, result.folder))
        elif as_json is False:
            print_result(make_console(), result.record, result.folder, verbose=plan.config.verbose)
    except OutputError as error:
        discard_output()  # so that the runs still to come are made and kept
        error.advice = f"the result is kept: `r50 show {result.folder}` prints it"
        problems.append(error)
    for problem in problems:
        print_error(problem)
    code = result.verdict.exit_code
    return max(code, ExitCode.FAILURE) if problems else code


def print_end(
    points: Sequence[Point], results: Sequence[PointResult], path: Path, *, as_json: bool
) -> None:
    """Print how the points of a series ended."""
    if as_json:
        rows: dict[str, Any] = {"points": summarize_points(points, results)}
        print_json(rows)
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
