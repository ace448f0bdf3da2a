"""What a sweep found: the workload's table of the best of each batch size, and the best of each
precision; for people, for programs, for spreadsheets and for pages.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import Mode
from resnet50_bench.printable import join_lines
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.tables import join_markdown, render_rows
from resnet50_bench.search.points import describe_settings
from resnet50_bench.search.standings import (
    Standing,
    estimate,
    find_best_precisions,
    find_best_sizes,
    find_standings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.search.attempts import Attempt
    from resnet50_bench.search.folder import Sweep
    from resnet50_bench.search.grid import LeftOut

_SHOWN_BY_COLUMNS = {"PRECISION", "BATCH_SIZE", "CORES_PER_INSTANCE"}
_UNITS = {Mode.LATENCY: "ms"}
_DECIMALS = {"images/s": 2, "ms": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate that was measured.

    Attributes:
        precision, batch_size, cores_per_instance, instances: of it.
        cpu: the platform's name, or the CPU's.
        others: what else makes it this candidate, e.g. `ALLOCATOR=jemalloc`.
        value: mean over the rounds: images/s, or the mean ms of a query in latency mode.
        interval: 95 % interval of the value; None where it cannot be told.
        rounds: how many valid runs there are.
        images_per_s, latency_ms, latency_p99_ms, limit_share: means over the rounds; None where not
            known.
        runs: the names of the runs' folders.
    """

    precision: str
    batch_size: int
    cores_per_instance: int
    instances: int
    cpu: str
    others: str
    value: float
    interval: tuple[float, float] | None
    rounds: int
    images_per_s: float
    latency_ms: float | None
    latency_p99_ms: float | None
    limit_share: float | None
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What there is to show of a sweep.

    Attributes:
        sweep: what was asked.
        attempts: what came of it so far.
        cpu: the platform's name, or the CPU's.
    """

    sweep: Sweep
    attempts: tuple[Attempt, ...]
    cpu: str

    @property
    def mode(self) -> Mode:
        """What is measured: the same in all candidates."""
        return self.sweep.candidates[0].config.mode

    @property
    def unit(self) -> str:
        """Of the value."""
        return _UNITS.get(self.mode, "images/s")

    @property
    def standings(self) -> tuple[Standing, ...]:
        """The candidates that were measured."""
        return find_standings(self.sweep.candidates, self.attempts)

    @property
    def failures(self) -> tuple[Attempt, ...]:
        """The runs that are not valid."""
        return tuple(item for item in self.attempts if item.problem is not None)


def make_row(standing: Standing, cpu: str) -> Row:
    """Return what is shown of a candidate."""
    known = estimate(standing)
    figures = standing.figures
    others = [item for item in standing.candidate.settings if item.name not in _SHOWN_BY_COLUMNS]
    return Row(
        precision=standing.precision.value,
        batch_size=standing.batch_size,
        cores_per_instance=figures[0].cores_per_instance,
        instances=figures[0].instances,
        cpu=cpu,
        others=describe_settings(others),
        value=known.mean,
        interval=known.interval,
        rounds=len(figures),
        images_per_s=statistics.fmean(item.images_per_s for item in figures),
        latency_ms=_average([item.latency_ms for item in figures]),
        latency_p99_ms=_average([item.latency_p99_ms for item in figures]),
        limit_share=_average([item.limit_share for item in figures]),
        runs=tuple(item.folder for item in standing.attempts if item.figures and item.folder),
    )


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def render_text(findings: Findings) -> str:
    """Return the two tables, then what failed and what was left out."""
    lines = []
    for title, rows in _list_tables(findings):
        if rows:
            lines += [
                f"{title} ({_describe_value(findings)})",
                *_render_columns(findings, rows),
                "",
            ]
    lines += _list_remarks(findings)
    return join_lines(lines)


def render_markdown(findings: Findings) -> str:
    """Return the same as a page."""
    lines = []
    for title, rows in _list_tables(findings):
        if not rows:
            continue
        cells = _list_cells(findings, rows)
        lines += [f"## {title}", "", f"{_describe_value(findings)}.", ""]
        lines += [*join_markdown(cells, set(range(len(cells[0]))) - _LEFT), ""]
    remarks = _list_remarks(findings)
    return join_lines([*lines, *(f"- {line.strip()}" for line in remarks if line)])


def render_csv(findings: Findings) -> str:
    """Return a line for each candidate that was measured, marked where it is the best."""
    sizes, precisions = _find_bests(findings)
    head = [
        "precision", "batch_size", "cores_per_instance", "instances", "cpu", "value", "unit",
        "low", "high", "rounds", "images_per_s", "latency_ms", "latency_p99_ms",
        "limit_share", "best_of_batch_size", "best_of_precision", "others", "runs",
    ]  # fmt: skip
    rows: list[Sequence[object]] = [head]
    for standing in findings.standings:
        row = make_row(standing, findings.cpu)
        low, high = row.interval or (None, None)
        rows.append([
            row.precision, row.batch_size, row.cores_per_instance, row.instances,
            row.cpu, row.value, findings.unit, low, high, row.rounds, row.images_per_s,
            row.latency_ms, row.latency_p99_ms, row.limit_share,
            standing in sizes, standing in precisions, row.others, " ".join(row.runs),
        ])  # fmt: skip
    return render_rows(rows)


def render_json(findings: Findings) -> str:
    """Return everything, indented."""
    return json.dumps(summarize(findings), indent=2) + "\n"


def summarize(findings: Findings) -> dict[str, Any]:
    """Return everything as plain JSON types; what is not known is null."""
    sweep = findings.sweep
    sizes, precisions = _find_bests(findings)
    return {
        "mode": findings.mode.value,
        "unit": findings.unit,
        "cpu_model": sweep.machine.cpu_model,
        "rounds": sweep.rounds,
        "seed": sweep.seed,
        "candidates": len(sweep.candidates),
        "best_of_batch_size": [_make_object(item, findings) for item in sizes],
        "best_of_precision": [_make_object(item, findings) for item in precisions],
        "measured": [_make_object(item, findings) for item in findings.standings],
        "failures": [
            {"run": item.folder, "exit_code": int(item.exit_code), "problem": item.problem,
             "set": _name_candidate(findings, item.key)}
            for item in findings.failures
        ],
        "left_out": [
            {"set": describe_settings(item.settings), "reason": item.reason}
            for item in sweep.left_out
        ],
    }  # fmt: skip


def _make_object(standing: Standing, findings: Findings) -> dict[str, Any]:
    row = make_row(standing, findings.cpu)
    return {
        "precision": row.precision,
        "batch_size": row.batch_size,
        "cores_per_instance": row.cores_per_instance,
        "instances": row.instances,
        "cpu": row.cpu,
        "value": row.value,
        "interval": list(row.interval) if row.interval else None,
        "rounds": row.rounds,
        "images_per_s": row.images_per_s,
        "latency_ms": row.latency_ms,
        "latency_p99_ms": row.latency_p99_ms,
        "limit_share": row.limit_share,
        "set": {item.name.upper(): item.value for item in standing.candidate.settings},
        "runs": list(row.runs),
    }


def describe_left_out(left_out: Sequence[LeftOut]) -> list[str]:
    """Return one line for each reason: what those have in common that it holds for."""
    by_reason: dict[str, list[LeftOut]] = defaultdict(list)
    for item in left_out:
        by_reason[item.reason].append(item)
    lines = []
    for reason, items in by_reason.items():
        common = set.intersection(*(set(item.settings) for item in items))
        shared = [setting for setting in items[0].settings if setting in common]
        count = f"{len(items)} combination{'s' * (len(items) != 1)}"
        of = f" of {describe_settings(shared)}" if shared else ""
        lines.append(f"left out: {count}{of}: {reason}")
    return lines


def _find_bests(findings: Findings) -> tuple[tuple[Standing, ...], tuple[Standing, ...]]:
    standings = findings.standings
    return find_best_sizes(standings), find_best_precisions(standings)


def _list_tables(findings: Findings) -> Iterator[tuple[str, list[Row]]]:
    for title, bests in zip(("Best per batch size", "Best per precision"), _find_bests(findings)):
        yield title, [make_row(item, findings.cpu) for item in bests]


def _describe_value(findings: Findings) -> str:
    what = {"ms": "ms a query, mean; lower is better"}.get(findings.unit, "images/s")
    if findings.sweep.rounds == 1:
        return f"{what}; 95 % interval within the run"
    return f"{what}; 95 % interval by the spread of the rounds"


_LEFT = {0, 3, 9}
"""Columns of text."""


def _list_cells(findings: Findings, rows: Sequence[Row]) -> list[list[str]]:
    """The workload's own columns, then how well the value is known."""
    head = ["precision", "BS", "CPI", "CPU", "value", "95 % interval", "of limit", "rounds"]
    is_latency = findings.mode is Mode.LATENCY
    head.append("images/s" if is_latency else "ms a query")
    others = any(row.others for row in rows)
    decimals = _DECIMALS[findings.unit]
    table = [head + ["with"] * others]
    for row in rows:
        interval = "not known"
        if row.interval is not None:
            interval = f"{row.interval[0]:.{decimals}f} .. {row.interval[1]:.{decimals}f}"
        cells = [row.precision, str(row.batch_size), str(row.cores_per_instance), row.cpu]
        cells += [f"{row.value:.{decimals}f}", interval]
        cells += [_spell_share(row.limit_share), str(row.rounds)]
        cells.append(f"{row.images_per_s:.2f}" if is_latency else _spell_ms(row.latency_ms))
        table.append(cells + [row.others] * others)
    return table


def _spell_share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _spell_ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _render_columns(findings: Findings, rows: Sequence[Row]) -> list[str]:
    cells = _list_cells(findings, rows)
    return join_columns(cells, set(range(len(cells[0]))) - _LEFT)


def _list_remarks(findings: Findings) -> list[str]:
    lines = []
    keys = findings.sweep.keys
    tried = {item.key for item in findings.attempts}
    valid = {item.key for item in findings.attempts if item.figures is not None}
    counts = {
        "without a valid run": sum(key in tried - valid for key in keys),
        "not measured yet": sum(key not in tried for key in keys),
    }
    for failure in findings.failures:
        where = f" ({failure.folder})" if failure.folder else ""
        name = _name_candidate(findings, failure.key)
        lines.append(f"failed: {name}: exit {int(failure.exit_code)}: {failure.problem}{where}")
    lines += [
        f"{what}: {count} of {len(keys)} combinations" for what, count in counts.items() if count
    ]
    return [*lines, *describe_left_out(findings.sweep.left_out)]


def _name_candidate(findings: Findings, key: str) -> str:
    sweep = findings.sweep
    names = dict(zip(sweep.keys, sweep.candidates))
    return describe_settings(names[key].settings) if key in names else key
