"""`r50 host`: this machine, or another, as r50 sees it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import click

from resnet50_bench.cli.lines import print_content, print_line

_EPILOG = """\b
Examples:
  r50 host show
  r50 host capture big.json              on the machine that is not here
  r50 plan --host big.json               anywhere else
  r50 host show "2x96x2 nps4\""""

_CAPTURE_EPILOG = """\b
Examples:
  r50 host capture big.json
  ssh big r50 host capture - > big.json"""

_SHOW_EPILOG = """\b
Examples:
  r50 host show
  r50 host show big.json
  r50 host show 2x8x2"""


@click.group(epilog=_EPILOG)
def host() -> None:
    """Show a machine, or save this one for plans made elsewhere."""


@host.command(
    epilog="\b\nExamples:\n  r50 host capture big.json\n  ssh big r50 host capture - > big.json"
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
def capture(file: Path) -> None:
    """Save this machine, as this process may use it, to FILE; - is the standard output.

    It holds the hostname, the kernel's version, the CPU's model and features, the topology, the
    memory sizes and the limits of this process; `r50 plan --host FILE` plans for it.
    """
    from resnet50_bench import __version__
    from resnet50_bench.errors import NO_ROOM, HostError, OutputError
    from resnet50_bench.files.atomic import write_atomically
    from resnet50_bench.host.files import HostFile, encode_host_file
    from resnet50_bench.host.machine import read_host

    captured = datetime.now(timezone.utc).isoformat(timespec="seconds")
    content = encode_host_file(
        HostFile(tool_version=__version__, captured=captured, host=read_host())
    )
    if str(file) == "-":
        print_content(content)
        return
    try:
        write_atomically(file, content)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise OutputError(file, error) from error
        raise HostError(
            f"cannot write {file}: {error.strerror}", "name a FILE in a folder you may write to"
        ) from error
    print_line(f"wrote {file}")


@host.command(
    epilog="\b\nExamples:\n  r50 host show\n  r50 host show big.json\n  r50 host show 2x8x2"
)
@click.argument("file", required=False, metavar="[FILE|SPEC]")
@click.option("--json", "as_json", is_flag=True, help="Print the host as JSON.")
def show(file: str | None, *, as_json: bool) -> None:
    """Print this machine, or that of FILE or SPEC: cores, memory nodes, limits, settings."""
    import msgspec

    from resnet50_bench.cli.terminal import make_console, print_json
    from resnet50_bench.host.files import open_host
    from resnet50_bench.report.terminal.host import list_host_rows, render_nodes
    from resnet50_bench.report.terminal.run import print_rows

    found = open_host(file)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    rows = [*list_host_rows(found), ("Nodes", render_nodes(found))]
    print_rows(make_console(), rows)
