"""A run that is made again, longer, until its throughput is known as well as was asked.

How long it takes follows from how well the last one is known: an interval narrows with the square
root of the time. Every attempt is a run of its own, with its record, so this holds for any number
of instances and any way to start them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record
    from resnet50_bench.session.finished import Run

MAX_TIME_S = 600.0
"""All attempts together measure for so long, unless --max-time says otherwise."""

_MARGIN = 1.3
"""What is computed is the time that would do half of the time."""

_LEAST_GROWTH = 1.5
"""An attempt that is hardly longer than the last would hardly be known better."""

_HOPELESS = 4.0
"""How wide an interval is is itself known to a factor of two or so: what would take so many times
the time that is left is not tried."""

_OF_TIMEOUT = 0.8


def measure_until(
    plan: RunPlan, execute: Callable[[RunPlan], Run], note: Callable[[str], None]
) -> Run:
    """Run, again and longer, until the interval is as tight as asked, or will not be.

    Args:
        plan: of the first attempt; its config has `until`.
        execute: makes one run.
        note: is told what follows from each attempt.

    Returns:
        The last attempt.
    """
    spent_s = 0.0
    while True:
        run = execute(plan)
        spent_s += _find_span_s(run.record)
        next_s, why = plan_next_s(run.record, spent_s)
        if why:
            note(why)
        if next_s is None:
            return run
        workload = replace(plan.workload, min_time_ns=round(next_s * 1e9))
        plan = replace(plan, workload=workload)


def plan_next_s(record: Record, spent_s: float) -> tuple[float | None, str]:
    """Say how long the next attempt should measure; None when there is to be none, and why.

    Args:
        record: of the last attempt.
        spent_s: how long all attempts have measured.
    """
    config, kpis = record.config, run_kpis(record)
    # What else is wrong with a result does not become right by repetition.
    if config.until is None or kpis is None or not judge(_forget_until(record)).valid:
        return None, ""
    left_s = (config.max_time_s or MAX_TIME_S) - spent_s
    if config.timeout_s is not None:
        left_s = min(left_s, _OF_TIMEOUT * config.timeout_s)
    measured_s, interval = kpis.window.seconds, kpis.throughput_interval
    if interval is None:
        needed_s, reached = 2 * measured_s, "too few queries for an interval"
    else:
        if interval.relative * 100 <= config.until:
            return None, ""
        reached = f"+-{interval.relative:.1%} after {measured_s:.1f} s"
        needed_s = measured_s * _MARGIN * (interval.relative * 100 / config.until) ** 2
    needed_s = max(needed_s, _LEAST_GROWTH * measured_s)
    if left_s < _LEAST_GROWTH * measured_s or needed_s > _HOPELESS * left_s:
        return None, (
            f"{reached}: +-{config.until:g} % will not be reached: it would take about "
            f"{needed_s:.0f} s, and {max(0.0, left_s):.0f} s are left of --max-time or --timeout"
        )
    next_s = min(needed_s, left_s)
    return next_s, f"{reached}: +-{config.until:g} % is asked; again, for {next_s:.0f} s"


def _forget_until(record: Record) -> Record:
    return replace(record, config=replace(record.config, until=None))


def _find_span_s(record: Record) -> float:
    return max((item.span_ns for item in record.instances), default=0) / 1e9
