"""What the commands share on the terminal: lines, a console, JSON, and the progress of a run.

Everything printed goes through here or `cli.lines`, where the control characters of text from
outside are shown (`printable`).
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.measure import Measurement

from resnet50_bench.printable import show_controls
from resnet50_bench.report.styled import Line

if TYPE_CHECKING:
    from types import TracebackType

    from rich.table import Table

_MIN_WIDTH = 100
_UNBOUND = 10_000
_BAR_CELLS = 20


def make_console(*, stderr: bool = False) -> Console:
    """A console that colours a terminal only, and does not squeeze lines in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else max(_MIN_WIDTH, shutil.get_terminal_size().columns)
    return Console(
        file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True
    )


def print_table(table: Table) -> None:
    """Print a table as wide as it is: neither squeezed nor cut, on a terminal or off it."""
    console = make_console()
    console.width = _UNBOUND
    console.width = Measurement.get(console, console.options, table).maximum
    console.print(table, crop=False)


def print_json(value: Any) -> None:
    """Print indented JSON on stdout, in ASCII: other characters are escapes."""
    click.echo(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))


class TerminalObserver:
    """Shows stages as lines and waiting as one line that is written over, on stderr.

    Off a terminal the waiting line is left out. Redrawing once a second keeps r50's own share of
    the processor small while it measures, which a self-refreshing bar would not.
    """

    def __init__(self) -> None:
        self._console = make_console(stderr=True)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._drawn = False

    def __enter__(self) -> TerminalObserver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def stage(self, number: int, total: int, text: str) -> None:
        """Print a numbered stage."""
        self.clear()
        self._console.print(Line(f"[{number}/{total}] ", style="bold cyan").add(text, "default"))

    def note(self, text: str) -> None:
        """Print a line below the stage."""
        self.clear()
        self._console.print(Line(f"      {text}"))

    def waiting(self, text: str, share: float | None) -> None:
        """Write the waiting line over the last one."""
        if not self._live:
            return
        bar = ""
        if share is not None:
            done = round(share * _BAR_CELLS)
            bar = "[" + "#" * done + "." * (_BAR_CELLS - done) + "] "
        line = f"      {bar}{show_controls(text)}"[: self._console.width - 1]
        sys.stderr.write(f"\r\x1b[2K{line}")
        sys.stderr.flush()
        self._drawn = True

    def clear(self) -> None:
        """Remove the waiting line."""
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False
