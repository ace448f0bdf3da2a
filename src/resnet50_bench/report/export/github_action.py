"""The custom JSON of github-action-benchmark: a list of name, unit, value, range and extra.

The action compares all figures of a file in one direction (`customBiggerIsBetter` or
`customSmallerIsBetter`), so a file holds figures of speed and accuracy, or latencies.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import Mode
from resnet50_bench.errors import RequestError
from resnet50_bench.printable import show_controls
from resnet50_bench.report.kpi.text import list_kpis
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.results.kpi import run_kpis

if TYPE_CHECKING:
    from resnet50_bench.report.export.measures import ExportedRun
    from resnet50_bench.results.record import Record


@dataclass(frozen=True, slots=True)
class _Figure:
    """One figure of one run: its name over all runs, unit, value, and how well it is known."""

    name: str
    unit: str
    value: float
    spread: str | None
    run: ExportedRun


def render_github_action(runs: Sequence[ExportedRun]) -> str:
    """Return the figures of the runs, which are VALID; of one configuration's runs the median.

    Raises:
        RequestError: they are of both directions.
    """
    smaller = {run.record.config.mode is Mode.LATENCY for run in runs}
    if len(smaller) > 1:
        raise RequestError(
            "of latencies the smaller is better, of throughputs and accuracies the bigger, and "
            "github-action-benchmark takes a file to be of one kind",
            "export the runs in latency mode into a file of their own",
        )
    figures: dict[str, list[_Figure]] = defaultdict(list)
    for figure in (figure for run in runs for figure in _list_figures(run)):
        figures[figure.name].append(figure)
    return json.dumps([_join(same) for same in figures.values()], indent=2) + "\n"


def _list_figures(run: ExportedRun) -> Iterator[_Figure]:
    mode, name = run.record.config.mode, f"{run.configuration} ({run.configuration_hash})"
    for line in list_kpis(run.record):
        if mode is Mode.LATENCY and line.name.startswith("Latency p"):
            percentile = line.name.removeprefix("Latency ")
            yield _Figure(f"{name}: {percentile}", line.unit, line.value, None, run)
        elif mode is not Mode.LATENCY and line.primary:
            yield _Figure(name, line.unit, line.value, _describe_interval(run.record), run)


def _describe_interval(record: Record) -> str | None:
    """The half width of the primary figure's 95 % interval, as the action's own tools write it."""
    if record.evaluation is not None:
        accuracy = compute_accuracy(record.evaluation)
        if accuracy is None:
            return None
        low, high = accuracy.top1_interval
        return f"\u00b1 {(high - low) / 2 * 100:.3f}"
    kpis = run_kpis(record)
    interval = kpis.throughput_interval if kpis is not None else None
    return f"\u00b1 {interval.high - interval.mean:.2f}" if interval is not None else None


def _join(same: Sequence[_Figure]) -> dict[str, Any]:
    first, values = same[0], [figure.value for figure in same]
    spread = first.spread
    if len(same) > 1:
        spread = f"{min(values):.6g} .. {max(values):.6g} in {len(same)} runs"
    record = first.run.record
    extra = [f"CPU: {record.host.cpu_model}", f"r50: {record.tool_version}",
             *(f"run: {figure.run.record.run_id}" for figure in same)]  # fmt: skip
    return {
        "name": first.name,
        "unit": first.unit,
        "value": statistics.median(values),
        **({"range": spread} if spread is not None else {}),
        "extra": "\n".join(show_controls(line) for line in extra),
    }
