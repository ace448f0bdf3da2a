"""`r50 report`: runs as one page that opens in a browser, wherever it is taken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.lines import print_line

if TYPE_CHECKING:
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.report.html.page import Report

_SHOWN = 10
_EPILOG = """\b
Examples:
  r50 report runs                            all runs below runs/, in report.html
  r50 report runs/NAME -o run.html           one run in every detail
  r50 report sweeps/monday sweeps/tuesday    several sweeps on one page
\b
`pip install 'resnet50-bench[report]'` brings what draws the charts."""


@click.command(epilog=_EPILOG)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True,
                type=click.Path(path_type=Path))  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), default=Path("report.html"),
    show_default=True, help="The page to write.",
)  # fmt: skip
def report(folders: tuple[Path, ...], *, output: Path) -> None:
    """Show the runs in and below each DIR as one page: the answer with its verdict, maps of sweeps,
    latencies, limits, placement, and everything on record.

    The page is one file that needs no network. What cannot be read is passed over, and named in it.
    """
    import os

    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.report.html.library import read_library, require_library
    from resnet50_bench.report.html.page import render_page

    require_library()
    _require_place(output)
    with TerminalObserver() as observer:
        found = _read(folders, output.parent, observer)
        observer.waiting("draw", None)
        page = render_page(found, read_library(os.environ))
    _write(output, page.encode())
    for _, why in found.skipped[:_SHOWN]:
        print_line(f"skipped: {why}", err=True)
    if len(found.skipped) > _SHOWN:
        print_line(f"skipped: {len(found.skipped) - _SHOWN} more, named in the page", err=True)
    if not found.rows:
        print_line(f"no run in or below {', '.join(found.folders)}", err=True)
    count = len(found.rows)
    print_line(f"{output}: {count} run{'s' * (count != 1)}, {len(page.encode()) / 1e6:.1f} MB")


def _require_place(output: Path) -> None:
    """See that the page can be written, before a thousand records are read."""
    from contextlib import suppress

    from resnet50_bench.errors import RequestError, refuse_output
    from resnet50_bench.files.atomic import check_folder
    from resnet50_bench.files.paths import is_file, is_there

    if is_there(output) and not is_file(output):
        raise RequestError(f"--output {output}: it is no regular file", "name a file in a folder")
    try:
        if not output.parent.is_dir():
            raise FileNotFoundError(2, "there is no such folder", str(output.parent))
        check_folder(output.parent)
        with suppress(FileNotFoundError):
            output.stat()  # a name that is none says so here
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else OSError(22, str(error))
        raise refuse_output("--output", output, cause) from error


def _read(folders: tuple[Path, ...], start: Path, observer: TerminalObserver) -> Report:
    from datetime import datetime, timezone

    from resnet50_bench import __version__
    from resnet50_bench.report.html.page import Report
    from resnet50_bench.report.html.shelf import Shelf

    shelf = Shelf(folders, lambda count: observer.waiting(f"{count:,} runs read", None))
    shelf.read()
    rows = shelf.rows
    details, links = shelf.describe_chosen(rows, start)
    return Report(
        folders=list(map(str, folders)),
        rows=rows,
        details=details,
        skipped=shelf.skipped,
        links=links,
        created=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        tool_version=__version__,
    )


def _write(output: Path, content: bytes) -> None:
    from resnet50_bench.errors import refuse_output
    from resnet50_bench.files.atomic import write_atomically

    try:
        write_atomically(output, content)
    except OSError as error:
        raise refuse_output("--output", output, error) from error
