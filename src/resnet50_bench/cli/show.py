"""`r50 show` and `r50 kpi`: results of earlier runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(epilog="\b\nExamples:\n  r50 show runs/NAME\n  r50 show runs/NAME --json")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--verbose", is_flag=True, help="Say more.")
def show(run: Path, *, as_json: bool, verbose: bool) -> None:
    """Print the result of an earlier RUN again; exits as that run did."""
    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.report.summary import summarize
    from resnet50_bench.report.text import print_result
    from resnet50_bench.results import read_record
    from resnet50_bench.verdict import judge

    record = read_record(run)
    if as_json:
        print_json(summarize(record, run))
    else:
        print_result(make_console(), record, run, verbose=verbose)
    sys.exit(judge(record).exit_code)


@click.command(epilog="\b\nExample:\n  r50 kpi runs/NAME")
@click.argument("run", type=click.Path(path_type=Path))
def kpi(run: Path) -> None:
    """Print the KPIs of a RUN in the Workload Services Framework's format."""
    from resnet50_bench.report.kpi_text import render_kpi_text
    from resnet50_bench.results import read_record
    from resnet50_bench.verdict import judge

    record = read_record(run)
    click.echo(render_kpi_text(record), nl=False)
    sys.exit(judge(record).exit_code)
