"""`r50 fleet`: the group of its commands."""

from __future__ import annotations

import click

from resnet50_bench.cli.fleet.report import report


@click.group()
def fleet() -> None:
    """Compare the machines of a fleet."""


fleet.add_command(report)
