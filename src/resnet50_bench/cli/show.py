"""`r50 show`: the result of an earlier run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.errors import RequestError

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record


_EPILOG = """\b
Examples:
  r50 show runs/NAME
  r50 show runs/NAME --json
  r50 show runs/NAME --price-per-hour 4.5     what a million images cost at this price"""


@click.command(epilog=_EPILOG)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--verbose", is_flag=True, help="Say more.")
@click.option(
    "--price-per-hour",
    "price",
    metavar="PRICE",
    help="What one such machine costs an hour, in place of the price on record.",
)
def show(run: Path, *, as_json: bool, verbose: bool, price: str | None) -> None:
    """Print the result of an earlier RUN again; exits as that run did."""
    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.report.summary import summarize
    from resnet50_bench.report.terminal.run import print_result
    from resnet50_bench.results.files import read_record
    from resnet50_bench.verdict.judge import judge

    record = read_record(run)
    if price is not None:
        record = _price(record, price)
    if as_json:
        print_json(summarize(record, run))
    else:
        print_result(make_console(), record, run, verbose=verbose)
    sys.exit(judge(record).exit_code)


def _price(record: Record, price: str) -> Record:
    """Return the record as of a run that was told this price."""
    from resnet50_bench.parameters.values import parse_price

    if record.evaluation is not None:
        raise RequestError(
            "--price-per-hour prices a measured speed, and an accuracy run measures none",
            "leave it out",
        )
    try:
        per_hour = parse_price(price)
    except ValueError as error:
        raise RequestError(f"--price-per-hour: {price!r} must be {error}") from None
    return replace(record, config=replace(record.config, price_per_hour=per_hour))
