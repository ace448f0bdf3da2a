"""`r50 kpi`: the KPIs of earlier runs and of old logs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_content, print_line
from resnet50_bench.errors import RequestError, refuse_output

if TYPE_CHECKING:
    from resnet50_bench.report.kpi.text import KpiRun

_FORMATS = ("text", "list", "csv", "xlsx", "json")
_EPILOG = """\b
Examples:
  r50 kpi runs/NAME                          the KPI text of one run
  r50 kpi runs                               a list of all runs below a folder
  r50 kpi --primary runs old-logs            one line each; old logs can be among them
  r50 kpi --format csv --output kpi.csv runs
\b
Exit code: the worst of the runs listed. 0: every one is VALID. 1: one is INVALID, or
comes from a log, which nothing can verify. 2: a record cannot be read. 3: a run lost
an instance. What is no run at all is skipped with a line on stderr, and does not count."""


@click.command(epilog=_EPILOG)
@click.argument("logs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--all/--primary", "everything", default=True, help="All KPIs, or the starred one.")
@click.option(
    "--params",
    is_flag=True,
    help="The parameters too; every format but the list has them, unless --primary is given.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="[default: as the name of --output ends; else text for one run, list for several]",
)
@click.option(
    "--output",
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to a file; xlsx needs it.",
)
@click.option("--verbose", is_flag=True, help="Show the lines of logs that were not used.")
def kpi(logs: tuple[Path, ...], **options: Any) -> None:
    """Print the KPIs of runs in the Workload Services Framework's format.

    LOGS are run folders, folders above them, or logs of the workload or the model zoo; without
    any, the current folder.
    """
    from resnet50_bench.report.kpi.runs import read_runs

    wanted = _Wanted(**options)
    if wanted.form == "xlsx" and wanted.output is None:
        raise RequestError("--format xlsx is no text to print", "add --output FILE.xlsx")
    listing = read_runs(logs or (Path(),))
    runs = listing.runs
    for reason in listing.skipped:
        print_line(f"skipped: {reason}", err=True)
    _write(_render(runs, wanted), wanted.output)
    if wanted.verbose:
        _show_unused(runs)
    sys.exit(max(run.exit_code for run in runs))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The options, by their names on the command line but for `--all` and `--format`."""

    everything: bool
    params: bool
    form: str | None
    output: Path | None
    verbose: bool


def _keep_primary(run: KpiRun) -> KpiRun:
    return replace(run, kpis=tuple(line for line in run.kpis if line.primary))


def _render(runs: Sequence[KpiRun], wanted: _Wanted) -> str | bytes:
    from resnet50_bench.report.kpi.table import render_csv, render_json, render_list, render_xlsx
    from resnet50_bench.report.kpi.text import render_run

    form = _choose_format(wanted, len(runs))
    parameters = wanted.params or (wanted.everything and form != "list")
    shown = runs if wanted.everything else [_keep_primary(run) for run in runs]
    if form == "xlsx":
        return render_xlsx(shown, parameters=parameters)
    if form == "text":
        return "\n".join(render_run(run, parameters=parameters) for run in shown)
    render = {"list": render_list, "csv": render_csv, "json": render_json}[form]
    return render(shown, parameters=parameters)


def _choose_format(wanted: _Wanted, runs: int) -> str:
    """A file called .csv, .xlsx or .json gets that, unless another of them is asked for."""
    if wanted.form in {None, "list"} and wanted.output is not None:
        suffix = wanted.output.suffix[1:]
        if suffix in {"csv", "xlsx", "json"}:
            return suffix
    return wanted.form or ("text" if runs == 1 else "list")


def _write(content: str | bytes, output: Path | None) -> None:
    from resnet50_bench.files.atomic import write_atomically

    data = content.encode() if isinstance(content, str) else content
    if output is None:
        print_content(data)
        return
    try:
        write_atomically(output, data)
    except OSError as error:
        raise refuse_output("--output", output, error) from error


def _show_unused(runs: Sequence[KpiRun]) -> None:
    """On stderr, so that what is printed stays what it is."""
    for run in runs:
        if not run.unused_count:
            continue
        print_line(f"{run.name}: lines of the log not used: {run.unused_count}", err=True)
        for line in run.unused:
            print_line(f"  {line.path}:{line.number}: {line.text}", err=True)
        left_out = run.unused_count - len(run.unused)
        if left_out:
            print_line(f"  and {left_out} more", err=True)
