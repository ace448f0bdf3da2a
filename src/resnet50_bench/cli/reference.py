"""`r50 reference`: published figures of this model, beside those of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.errors import RequestError

if TYPE_CHECKING:
    from resnet50_bench.report.reference import ReferenceRow

_EPILOG = """\b
Examples:
  r50 reference                              the published figures and their shares
  r50 reference runs/NAME                    a run of this machine beside them
  r50 reference runs/FP32 runs/INT8 --format markdown"""


@click.command(epilog=_EPILOG)
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv", "markdown"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def reference(runs: tuple[Path, ...], *, form: str) -> None:
    """Show published throughputs of ResNet-50 v1.5, and which share of their CPUs' limits they are.

    Each RUN adds a row: its throughput, and its share of the limit measured on its machine.
    """
    from resnet50_bench.cli.lines import print_text
    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.limits.reference import read_references
    from resnet50_bench.report import reference as report

    references = read_references()
    rows = [*report.list_published(references), *map(_read_row, runs)]
    if form == "json":
        print_json(report.summarize_references(rows, references))
    elif form == "csv":
        print_text(report.render_csv(rows))
    elif form == "markdown":
        print_text(report.render_markdown(rows, references))
    else:
        print_text(report.render_text(rows, references))


def _read_row(path: Path) -> ReferenceRow:
    from resnet50_bench.report.reference import describe_run
    from resnet50_bench.results.files import read_record

    record = read_record(path)
    row = describe_run(record)
    if row is None:
        raise RequestError(
            f"{path}: run {record.run_id} measured no throughput",
            "give the folder of a completed run in throughput or latency mode",
        )
    return row
