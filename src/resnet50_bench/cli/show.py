"""`r50 show`: the result of an earlier run."""

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
    from resnet50_bench.report.terminal.run import print_result
    from resnet50_bench.results.record import read_record
    from resnet50_bench.verdict.judge import judge

    record = read_record(run)
    if as_json:
        print_json(summarize(record, run))
    else:
        print_result(make_console(), record, run, verbose=verbose)
    sys.exit(judge(record).exit_code)
