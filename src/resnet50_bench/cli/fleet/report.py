"""`r50 fleet report`: the machines of a fleet beside each other."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.compare import FORMATS, read_share
from resnet50_bench.cli.lines import print_content
from resnet50_bench.errors import ExitCode, RecordError, RequestError, refuse_output

if TYPE_CHECKING:
    from resnet50_bench.fleet.peers import Fleet, HostRun

_EPILOG = """\b
Examples:
  r50 fleet report fleet                    the folder that `r50 fleet run` filled
  r50 fleet report node1 node2 node3        folders of runs, from wherever they come
  r50 fleet report fleet --price EPYC=2.50 --price Xeon=3.10
  r50 fleet report fleet --format markdown --output fleet.md
\b
Exit codes: 0 no host is slow, or too few peers tell; 1 a host is slow; 2 wrong request."""


def _read_price(text: str) -> tuple[str, float]:
    """Return the words and the price of `EPYC=2.50`."""
    words, equals, price = text.rpartition("=")
    try:
        value = float(price)
    except ValueError:
        value = math.nan
    if not words or not equals or not 0 < value < math.inf:
        raise click.BadParameter(
            f"{text!r} is not TEXT=PRICE, such as EPYC=2.50: of an hour, for CPU models with TEXT"
        )
    return words, value


@click.command(epilog=_EPILOG)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--smallest",
    callback=lambda _, __, text: read_share(text),
    default="3%",
    show_default=True,
    metavar="PERCENT",
    help="The smallest slowness that matters.",
)
@click.option(
    "--price",
    "prices",
    callback=lambda _, __, texts: dict(map(_read_price, texts)),
    multiple=True,
    metavar="TEXT=PRICE",
    help="Price of an hour of machines whose CPU model contains TEXT.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report to a file.",
)
def report(
    paths: tuple[Path, ...],
    *,
    smallest: float,
    prices: dict[str, float],
    form: str,
    output: Path | None,
) -> None:
    """Compare machines of one model: which are slow, in what, and what is set otherwise there.

    Hosts stand beside each other where `r50 compare` would let their runs be compared and the same
    was asked of them; the others are kept apart, with what differs. A host is slow when its robust
    z-score (median and median absolute deviation) among five peers or more is below -3.5 and it is
    slower than their median by --smallest or more.
    """
    from resnet50_bench.fleet.peers import compare_hosts

    runs: list[HostRun] = []
    left_out: list[tuple[str, str]] = []
    for source, found in _read(paths, prices):
        if isinstance(found, str):
            left_out.append((source, found))
        else:
            runs.append(found)
    if not runs:
        reasons = "; ".join(f"{source}: {why}" for source, why in left_out[:3])
        raise RequestError(
            f"no run in {' '.join(map(str, paths))} can be compared: {reasons or 'there is none'}",
            "name folders with valid runs of throughput or latency",
        )
    answer = compare_hosts(runs, left_out, smallest)
    _tell(_render(answer, form), output)
    sys.exit(ExitCode.INVALID_RESULT if answer.slow else ExitCode.VALID)


def _render(answer: Fleet, form: str) -> str:
    from resnet50_bench.report.peers import (
        render_fleet,
        render_fleet_csv,
        render_fleet_markdown,
        summarize_fleet,
    )

    if form == "json":
        return json.dumps(summarize_fleet(answer), indent=2) + "\n"
    return {"text": render_fleet, "csv": render_fleet_csv, "markdown": render_fleet_markdown}[form](
        answer
    )


def _tell(content: str, output: Path | None) -> None:
    from resnet50_bench.files.atomic import write_atomically

    if output is None:
        print_content(content.encode())
        return
    try:
        write_atomically(output, content.encode())
    except OSError as error:
        raise refuse_output("--output", output, error) from error


def _read(paths: tuple[Path, ...], prices: dict[str, float]) -> Iterator[tuple[str, HostRun | str]]:
    """Read the runs one at a time, each kept small, with the hosts that were lost."""
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.fleet.peers import read_host_run
    from resnet50_bench.results.files import read_record

    told = time.monotonic()
    with TerminalObserver() as observer:
        for number, (place, host) in enumerate(_find(paths)):
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                observer.waiting(f"reading records: {number} so far", None)
            if isinstance(place, str):
                yield place, host or "lost"
                continue
            try:
                yield str(place), read_host_run(read_record(place), host, prices)
            except RecordError as error:
                if place in paths:
                    raise
                yield str(place), error.message


def _find(paths: tuple[Path, ...]) -> Iterator[tuple[Path | str, str | None]]:
    """Yield each run's folder and its host's name, None for its own; of what was lost, what and
    why.
    """
    from resnet50_bench.files.paths import is_folder
    from resnet50_bench.fleet.state import read_state
    from resnet50_bench.results.files import find_runs

    for path in paths:
        if not is_folder(path):
            yield path, None
            continue
        state = read_state(path)
        if state is None:
            yield from ((place, None) for place in find_runs(path))
            continue
        for row in state.rows:
            if row.folder is not None and row.outcome == "measured":
                yield path / row.folder, row.host
            else:
                yield f"{row.host}, {row.case}", f"lost: {row.reason}"
