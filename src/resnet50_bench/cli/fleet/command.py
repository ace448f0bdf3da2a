"""`r50 fleet`: the group of its commands."""

from __future__ import annotations

import click

from resnet50_bench.cli.fleet.report import report
from resnet50_bench.cli.fleet.run import run


@click.group()
def fleet() -> None:
    """Measure on many machines, and compare them."""


fleet.add_command(run)
fleet.add_command(report)
