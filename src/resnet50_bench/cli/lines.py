"""Prints lines of text, without rich: an error message needs to import nothing large."""

from __future__ import annotations

import io
import sys

import click

from resnet50_bench.printable import show_controls


def print_line(text: str, *, label: str = "", colour: str | None = None, err: bool = False) -> None:
    """Print one line, its control characters shown.

    Args:
        text: the line.
        label: a word before it, such as `error: `.
        colour: of the label; of the whole line where there is none.
        err: on stderr.
    """
    if label:
        click.secho(label, fg=colour, err=err, nl=False)
        click.echo(show_controls(text), err=err)
    else:
        click.secho(show_controls(text), fg=colour, err=err)


def print_text(text: str) -> None:
    """Print lines that a `render_` function made: their control characters are shown already."""
    click.echo(text, nl=False)


def print_content(content: bytes) -> None:
    """Print what would be in a file: text that a `render_` function made, or a document."""
    click.echo(content, nl=False)


def show_usage_error(error: click.ClickException) -> None:
    """Show what click found wrong, as click does, but for control characters in what was typed."""
    shown = io.StringIO()
    error.show(shown)
    for line in shown.getvalue().removesuffix("\n").split("\n"):
        print_line(line, err=True)


def show_what_is_not_encoded() -> None:
    """Print what the terminal's encoding lacks as escapes, where Python would raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
