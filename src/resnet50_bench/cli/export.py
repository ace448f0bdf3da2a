"""`r50 export`: runs in the forms that other tools read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.lines import print_content, print_line
from resnet50_bench.errors import RecordError, refuse_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.report.export.measures import ExportedRun

_FORMATS = ("junit", "openmetrics", "prometheus", "github-action-benchmark")
_EPILOG = """\b
Examples:
  r50 export runs --format junit --output r50.xml
  r50 export runs --format openmetrics --output r50.om
  r50 export runs/NAME --format prometheus --output /var/lib/node_exporter/r50.prom
  r50 export runs/NAME --format github-action-benchmark --output benchmark.json
\b
Exit code: the worst of the runs. 0: every one is VALID. 1: one is INVALID. 2: a record
cannot be read. 3: a run lost an instance. `r50 run --mlflow URI` tells an MLflow store,
and `r50 kpi` prints the KPIs in the Workload Services Framework's format."""


@click.command(epilog=_EPILOG)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), required=True, help="Who is to read it."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to a file, in one step.  [default: standard output]",
)
def export(runs: tuple[Path, ...], *, form: str, output: Path | None) -> None:
    """Write runs in a form that CI, a dashboard or a benchmark tracker reads.

    Each RUN is the folder of a run, or one above those of many. An INVALID run fails in JUnit;
    elsewhere its figures are left out, because nobody sees the verdict beside them.
    """
    from resnet50_bench.files.atomic import write_atomically

    found = list(_read(runs))
    content = _render(found, form).encode()
    if output is None:
        print_content(content)
    else:
        try:
            write_atomically(output, content)
        except OSError as error:
            raise refuse_output("--output", output, error) from error
    sys.exit(max(run.verdict.exit_code for run in found))


def _read(paths: Sequence[Path]) -> Iterator[ExportedRun]:
    """Yield the runs; one that is reached twice counts once.

    Raises:
        RecordError: a record cannot be read, or a folder has none.
    """
    from resnet50_bench.files.paths import is_folder
    from resnet50_bench.report.export.measures import describe_run
    from resnet50_bench.results.files import find_runs, read_record

    seen = set()
    for path in paths:
        places = list(find_runs(path)) if is_folder(path) else [path]
        if not places:
            raise RecordError(f"no run in or below {path}", "name a folder in which runs were kept")
        for place in places:
            record = read_record(place)  # which tells why a path is none
            if place.resolve() not in seen:
                seen.add(place.resolve())
                yield describe_run(place, record)


def _render(runs: Sequence[ExportedRun], form: str) -> str:
    if form == "junit":
        from resnet50_bench.report.export.junit import render_junit

        return render_junit(runs)
    for run in runs:
        if not run.verdict.valid:
            print_line(f"without figures: {run.folder} is INVALID", err=True)
    if form == "github-action-benchmark":
        from resnet50_bench.report.export.github_action import render_github_action

        return render_github_action([run for run in runs if run.verdict.valid])
    from resnet50_bench.report.export.openmetrics import render_openmetrics, render_prometheus

    render = {"openmetrics": render_openmetrics, "prometheus": render_prometheus}[form]
    return render(runs)
