"""`r50 collect`: many nodes' records as one result."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_EPILOG = """\b
Examples:
  r50 collect results                     every run in and below a folder, a node each
  r50 collect node1/runs/NAME node2/runs/NAME
  for pod in $(kubectl get pods -l app.kubernetes.io/instance=NAME -o name); do
    kubectl logs $pod > ${pod#pod/}.log; done; r50 collect *.log --nodes 4
\b
Exit code: the worst of the nodes'; 2 when the records contradict each other, 3 when a node
is missing."""


@click.command(epilog=_EPILOG)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--nodes", type=click.IntRange(1), metavar="N", help="How many were to report.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def collect(paths: tuple[Path, ...], *, nodes: int | None, as_json: bool) -> None:
    """Put the runs of many nodes together: their sum, or how they contradict each other.

    PATHS are folders with runs, record files, or logs of pods that printed their records.
    """
    from resnet50_bench.cli.lines import print_text
    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.fleet import collect as fleet
    from resnet50_bench.report.terminal.fleet import render_collection, summarize_collection

    found = fleet.read_nodes(paths)
    fleet.require_agreement(found)
    collection = fleet.collect(found, nodes)
    if as_json:
        print_json(summarize_collection(collection))
    else:
        print_text(render_collection(collection))
    sys.exit(collection.exit_code)
