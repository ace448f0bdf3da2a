"""What all commands share that measure: the lock on the CPUs, the run, its result and exit code."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resnet50_bench.cli.progress import ListingProgress
from resnet50_bench.cli.streams import discard_output, print_error
from resnet50_bench.cli.terminal import TerminalObserver, make_console, print_json
from resnet50_bench.contention.cpu_lock import hold_cpus
from resnet50_bench.errors import ExitCode, Interrupted, OutputError
from resnet50_bench.model import check_cache
from resnet50_bench.printable import show_controls
from resnet50_bench.report.summary import summarize
from resnet50_bench.report.terminal.run import print_result
from resnet50_bench.session import door
from resnet50_bench.session.contention import list_plan_cpus
from resnet50_bench.session.run import Desk
from resnet50_bench.session.run_folder import check_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager
    from pathlib import Path

    from resnet50_bench.config import RunConfig
    from resnet50_bench.contention.cpu_lock import CpuLock, Held
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.session.finished import Run


def plan_point(config: RunConfig, output: Path) -> RunPlan:
    """Resolve a run, and see that what it makes can be kept.

    Raises:
        R50Error: see `door.plan`.
        HostError: the folder of runs cannot be written; or the cache, and a model is to go there.
    """
    with TerminalObserver() as observer:
        if config.hostfile is not None:
            observer.note(f"ask the hosts of {config.hostfile} what they are, by MPI")
        plan = door.plan(config, ListingProgress(observer))
    check_output(output)
    if plan.model_source is not None and plan.model is None:
        check_cache(plan.cache_dir)
    return plan


def hold_plans(plans: Sequence[RunPlan], *, wait: bool) -> AbstractContextManager[CpuLock]:
    """Hold the CPUs of all these runs from before the first until after the last."""
    return hold({cpu for plan in plans for cpu in list_plan_cpus(plan)}, wait=wait)


@contextmanager
def hold(cpus: AbstractSet[int], *, wait: bool) -> Iterator[CpuLock]:
    """Hold CPUs against other runs, as long as the block lasts; say for whom it waits."""
    with TerminalObserver() as observer:
        told: set[str] = set()

        def show(held: tuple[Held, ...], seconds: float) -> None:
            for text in (item.describe() for item in held):
                if text not in told:
                    observer.note(f"waiting for {text}")
                    told.add(text)
            observer.waiting(f"waiting ({seconds:.0f} s)", None)

        with hold_cpus(cpus, list_command(), os.environ, show if wait else None) as lock:
            observer.clear()
            if lock.failure is not None:
                observer.note(f"warning: the CPUs cannot be locked: {lock.failure}")
            yield lock


def list_command() -> list[str]:
    """The command line, for records and for whoever finds the CPUs held."""
    return ["r50", *map(show_controls, sys.argv[1:])]


def make_desk(output: Path, lock: CpuLock) -> Desk:
    """The run is asked from this command line."""
    return Desk(output=output, command=list_command(), lock=lock)


def measure_plan(plan: RunPlan, desk: Desk) -> Run:
    """Measure what was planned, its stages shown as they come."""
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


def tell_result(result: Run, plan: RunPlan, *, as_json: bool | None) -> int:
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
