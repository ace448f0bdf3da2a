"""`r50 container`: what the images start as their first process."""

from __future__ import annotations

import os
import sys

import click


@click.command(
    hidden=True,
    context_settings={
        "ignore_unknown_options": True,
        "help_option_names": [],
        "allow_interspersed_args": False,
    },
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def container(arguments: tuple[str, ...]) -> None:
    """Run by environment variables and serve the logs from /export-logs; or run `r50 ARGUMENTS`."""
    from resnet50_bench.packaging.container import run_command, run_protocol

    sys.exit(run_command(arguments) if arguments else run_protocol(os.environ))
