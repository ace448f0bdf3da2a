"""`r50 serve`: the page of `r50 report`, live while runs are made."""

from __future__ import annotations

from pathlib import Path

import click

from resnet50_bench.cli.lines import print_line

_EPILOG = """\b
Examples:
  r50 serve sweeps/monday                    then open the address that it prints
  r50 serve runs --port 8080
\b
From another machine: ssh -L 8050:127.0.0.1:8050 HOST, then open the same address there."""


@click.command(epilog=_EPILOG)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8050, show_default=True, metavar="N",
    help="0 takes any that is free.",
)  # fmt: skip
def serve(folder: Path, *, port: int) -> None:
    """Show the runs in and below DIR as a page on this machine, live while a sweep goes on: how far
    it is, and the best so far.

    Nobody else can reach it: it listens on 127.0.0.1 only. It reads, and changes nothing. Ctrl-C
    ends it.
    """
    import os

    from resnet50_bench.cli.serve.server import open_server
    from resnet50_bench.cli.serve.watch import Watch
    from resnet50_bench.report.html.library import read_library, require_library

    require_library()
    watch = Watch(folder, read_library(os.environ))
    watch.look()  # a folder that is not there is told now
    with open_server(watch, port) as server:
        print_line(f"http://127.0.0.1:{server.server_port}/ shows {folder}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print_line("ended", err=True)
