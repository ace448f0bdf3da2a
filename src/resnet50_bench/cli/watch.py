"""`r50 watch`: since when a machine is slower, and what changed there then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.compare import read_share
from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.errors import ExitCode, RecordError, RequestError

if TYPE_CHECKING:
    from resnet50_bench.history.row import Row
    from resnet50_bench.history.series import State

_EPILOG = """\b
Examples:
  r50 watch runs                         add what is new in runs, and tell what changed
  r50 watch --history lab.duckdb         tell it again, adding nothing
  r50 run && r50 watch runs || mail ...  for cron and CI
  r50 watch runs --accept                today's speeds are the normal ones from here on
\b
Exit codes: 0 nothing is slower, or too few runs tell; 1 something is, by --smallest or
more; 2 wrong request; 3 the history cannot be written."""


@click.command(epilog=_EPILOG)
@click.argument("paths", nargs=-1, metavar="[RUNS...]", type=click.Path(path_type=Path))
@click.option(
    "--history",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("r50-history.duckdb"),
    show_default=True,
    metavar="FILE",
    help="Where the runs are kept; made when it is not there.",
)
@click.option(
    "--smallest",
    callback=lambda _, __, text: read_share(text),
    default="3%",
    show_default=True,
    metavar="PERCENT",
    help="The smallest slowdown that ends in exit code 1.",
)
@click.option(
    "--host",
    metavar="NAME",
    help="Keep these runs under this name, where each has another host name, as in containers.",
)
@click.option("--accept", is_flag=True, help="Take the speeds of now for the normal ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def watch(  # noqa: PLR0913 - one for each option
    paths: tuple[Path, ...],
    *,
    history: Path,
    smallest: float,
    host: str | None,
    accept: bool,
    as_json: bool,
) -> None:
    """Keep a history of runs, and tell since when a machine is slower.

    The valid runs of a host that asked for the same make a series. A series tells its steps and
    drifts, each with its size, its interval, and what changed in the host or in versions then.
    """
    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.files.paths import is_there
    from resnet50_bench.history.rendering import render_states, summarize_states
    from resnet50_bench.history.series import Level, find_states
    from resnet50_bench.history.store import open_history

    rows = _read_rows(paths, host)
    if paths and not rows and not is_there(history):
        raise RequestError(
            f"none of the runs in {' '.join(map(str, paths))} can be kept",
            "a history is made of valid runs of throughput or latency: r50 list says which are",
        )
    with open_history(history, writes=bool(paths) or accept) as opened:
        if paths:
            added = opened.add(rows)
            print_line(f"{history}: {added} runs added, {len(rows) - added} known", err=True)
        if accept:
            print_line(f"accepted the speeds of {opened.accept()} series", err=True)
        states = find_states(opened.read(), opened.read_accepted(), smallest)
    _require_runs(states, history)
    if as_json:
        print_json(summarize_states(states))
    else:
        print_text(render_states(states))
    slower = any(state.level is Level.SLOWER for state in states)
    sys.exit(ExitCode.INVALID_RESULT if slower else ExitCode.VALID)


def _require_runs(states: list[State], history: Path) -> None:
    if not states:
        raise RequestError(
            f"{history} holds no run", "name folders with valid runs: r50 watch runs"
        )


def _read_rows(paths: tuple[Path, ...], host: str | None) -> list[Row]:
    """Those that can be kept; the others are told."""
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.history.row import make_row
    from resnet50_bench.results.files import read_record

    rows: list[Row] = []
    told = time.monotonic()
    with TerminalObserver() as observer:
        for place in _find(paths):
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                observer.waiting(f"reading records: {len(rows)} so far", None)
            try:
                row = make_row(read_record(place), place, host)
            except RecordError as error:
                if place in paths:
                    raise
                row = error.message
            if isinstance(row, str):
                observer.clear()
                print_line(f"left out: {place}: {row}", err=True)
            else:
                rows.append(row)
    return rows


def _find(paths: tuple[Path, ...]) -> Iterator[Path]:
    from resnet50_bench.files.paths import is_folder
    from resnet50_bench.results.files import find_runs

    for path in paths:
        if is_folder(path):
            yield from find_runs(path)
        else:
            yield path
