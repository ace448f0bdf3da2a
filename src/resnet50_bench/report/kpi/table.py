"""Many runs in one listing: the framework's list, CSV, XLSX and JSON."""

from __future__ import annotations

import io
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import RequestError
from resnet50_bench.printable import join_lines, show_controls
from resnet50_bench.report.kpi.text import KpiRun, list_remarks
from resnet50_bench.report.tables import render_rows

if TYPE_CHECKING:
    from resnet50_bench.report.kpi.text import KpiLine

_STATUS = {"VALID": "passed", "INVALID": "failed", "UNVERIFIED": "unverified"}
"""The framework's words for how a test case ended; the third is ours."""

_WITHOUT_EFFECT = {"VERBOSE", "TIMEOUT", "PRICE_PER_HOUR"}
"""Parameters that change nothing that is measured."""

Cell = str | float | None


def render_list(runs: Sequence[KpiRun], *, parameters: bool) -> str:
    """Return the framework's list: a block per run, then figures over the primary KPIs."""
    lines: list[str] = []
    for run in runs:
        lines += [f"{run.name}:", f"# status: {_STATUS[run.verdict]}"]
        if parameters:
            lines += [f"# {name}: {value}" for name, value in run.parameters]
        lines += [line.render() for line in run.kpis]
        lines += [*list_remarks(run), ""]
    return join_lines([*lines, *_summarize(runs)]).rstrip("\n") + "\n"


def _summarize(runs: Sequence[KpiRun]) -> Iterator[str]:
    """Average, standard deviation (of the population, as the framework's) and median.

    Only over valid runs with the same parameters: a mean of different things means nothing.
    """
    valid = [run for run in runs if run.verdict == "VALID"]
    lines: dict[str, list[KpiLine]] = defaultdict(list)
    for line in (line for run in valid for line in run.kpis if line.primary):
        lines[line.label].append(line)
    if all(len(same) < 2 for same in lines.values()):
        return
    different = _find_differences(valid)
    if different:
        yield f"# no average: the runs differ in {', '.join(different)}"
        return
    for label, same in lines.items():
        values, decimals = [line.value for line in same], same[0].decimals
        yield f"avg *{label}: {statistics.fmean(values):.{decimals}f}"
        yield f"std *{label}: {statistics.pstdev(values):.{decimals}f}"
        yield f"med *{label}: {statistics.median(values):.{decimals}f}"


def _find_differences(runs: Sequence[KpiRun]) -> list[str]:
    names = _first_seen(name for run in runs for name, _ in run.parameters)
    tables = [dict(run.parameters) for run in runs]
    return [
        name
        for name in names
        if name not in _WITHOUT_EFFECT and len({table.get(name) for table in tables}) > 1
    ]


def make_table(runs: Sequence[KpiRun], *, parameters: bool) -> list[list[Cell]]:
    """Return a head and one row per run; numbers as numbers, None for what a run does not have."""
    names = _first_seen(name for run in runs for name, _ in run.parameters) if parameters else []
    labels = _first_seen(line.label for run in runs for line in run.kpis)
    head: list[Cell] = ["Run", "Source", "Verdict", *names, "Primary KPI", *labels, "Remarks"]
    return [head, *(_make_row(run, names, labels) for run in runs)]


def _make_row(run: KpiRun, names: Sequence[str], labels: Sequence[str]) -> list[Cell]:
    values: dict[str, Cell] = dict(run.parameters)
    kpis = {line.label: line.value for line in run.kpis}
    primary = next((line.label for line in run.kpis if line.primary), None)
    remarks = [run.subtotal, *run.failures, *run.warnings]
    return [
        run.name,
        run.source,
        run.verdict,
        *(values.get(name) for name in names),
        primary,
        *(kpis.get(label) for label in labels),
        "; ".join(remark for remark in remarks if remark) or None,
    ]


def render_csv(runs: Sequence[KpiRun], *, parameters: bool) -> str:
    """Return the table as CSV (RFC 4180, but lines end in a line feed)."""
    return render_rows(make_table(runs, parameters=parameters))


def render_json(runs: Sequence[KpiRun], *, parameters: bool) -> str:
    """Return a JSON list with one object per run."""
    return json.dumps([_make_object(run, parameters=parameters) for run in runs], indent=2) + "\n"


def _make_object(run: KpiRun, *, parameters: bool) -> dict[str, Any]:
    kpis = [
        {"name": line.name, "unit": line.unit, "value": line.value, "primary": line.primary}
        for line in run.kpis
    ]
    return {
        "run": run.name,
        "source": run.source,
        "verdict": run.verdict,
        "exit_code": int(run.exit_code),
        **({"parameters": dict(run.parameters)} if parameters else {}),
        "kpis": kpis,
        "instances_lost": run.lost,
        "failed_checks": list(run.failures),
        "warnings": list(run.warnings),
        "unused_lines": run.unused_count,
    }


def render_xlsx(runs: Sequence[KpiRun], *, parameters: bool) -> bytes:
    """Return the table as an Excel workbook; text is never read as a formula.

    Raises:
        RequestError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Font
    except ImportError as error:
        raise RequestError(
            f"--format xlsx needs openpyxl ({error})",
            "pip install 'resnet50-bench[xlsx]', or use --format csv",
        ) from error
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "KPI"
    for row, cells in enumerate(make_table(runs, parameters=parameters), 1):
        for column, value in enumerate(cells, 1):
            text = isinstance(value, str)
            cell = sheet.cell(row, column, show_controls(str(value)) if text else value)
            if text:
                cell.data_type = "s"
            if row == 1:
                cell.font = Font(bold=True)
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _first_seen(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
