"""`r50 list`: the runs of a folder."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.lines import print_line

if TYPE_CHECKING:
    from resnet50_bench.errors import RecordError

_EPILOG = """\b
Examples:
  r50 list                     the runs below runs/, the newest last
  r50 list sweeps/monday       those of another folder
  r50 list --last 5
  r50 list --json              for machines"""


@click.command("list", epilog=_EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--last", metavar="N", type=click.IntRange(min=1), help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_runs(folder: Path, *, last: int | None, as_json: bool) -> None:
    """List the runs in and below FOLDER with their figures and verdicts, the newest last.

    What cannot be read is passed over with a line on stderr.
    """
    from resnet50_bench.cli.terminal import print_json, print_table
    from resnet50_bench.report.listing import list_run, make_listing, summarize_listing
    from resnet50_bench.session.door import read_runs

    listed = [list_run(run.folder, run.record) for run in read_runs(folder, _tell_skipped)]
    listed.sort(key=attrgetter("created"))
    shown = listed[-last:] if last is not None else listed
    if as_json:
        print_json(summarize_listing(shown))
    elif shown:
        print_table(make_listing(shown))
    else:
        print_line(f"no run in or below {folder}", err=True)


def _tell_skipped(place: Path, error: RecordError) -> None:
    print_line(f"skipped: {place}: {error.message}", err=True)
