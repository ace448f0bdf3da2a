"""`r50 accuracy`: what two runs in accuracy mode say about each other."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.errors import ExitCode, refuse_output

if TYPE_CHECKING:
    from resnet50_bench.verdict.comparison.answers import Comparison

_EPILOG = """\b
Examples:
  r50 accuracy compare runs/FP32 runs/INT8
  r50 accuracy compare runs/FP32 runs/INT8 --max-drop 1      a gate for CI
  r50 accuracy compare runs/FP32 runs/INT8 --csv flips.csv   every image that flipped
\b
Exit codes: 0 compared, and within --max-drop where it is given; 1 the drop may be larger
than --max-drop; 2 the runs cannot be compared."""


@click.group()
def accuracy() -> None:
    """Compare accuracies image by image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The options, by their names on the command line; `as_json` is `--json`."""

    force: bool
    flips: int
    csv: Path | None
    max_drop: float | None
    as_json: bool


def _refuse_nan(_: click.Context, __: click.Parameter, points: float | None) -> float | None:
    """No comparison with it is ever true: the gate would not be one."""
    if points is not None and math.isnan(points):
        raise click.BadParameter("a number of points, such as 1 or 0.5")
    return points


@accuracy.command("compare", epilog=_EPILOG)
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Even if the model or the preprocessing differs.")
@click.option(
    "--flips",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    metavar="N",
    help="List at most so many images whose answer changed.",
)
@click.option(
    "--csv",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all of them to a file.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    callback=_refuse_nan,
    metavar="POINTS",
    help="End with 1 unless the upper end of the drop's 95 % interval is at most this.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def compare_runs(first: Path, second: Path, **options: Any) -> None:
    """Compare the answers of run B with those of run A on the images both have seen."""
    from resnet50_bench.cli.terminal import print_json
    from resnet50_bench.report.comparison.answers import (
        describe_gate,
        name_runs,
        render_comparison,
        summarize_comparison,
    )
    from resnet50_bench.results.files import read_record
    from resnet50_bench.verdict.comparison.answers import compare, find_differences

    wanted = _Wanted(**options)
    records = read_record(first), read_record(second)
    comparison = compare(*records, force=wanted.force)
    differences, names = find_differences(*records), name_runs(*records)
    if wanted.csv is not None:
        _write_flips(comparison, wanted.csv)
    failed = wanted.max_drop is not None and comparison.exceeds(wanted.max_drop)
    if wanted.as_json:
        summary = summarize_comparison(comparison, differences, names)
        print_json({**summary, "max_drop_points": wanted.max_drop, "passed": not failed})
    else:
        print_text(render_comparison(comparison, differences, names, wanted.flips))
        if wanted.max_drop is not None:
            print_line(describe_gate(comparison, wanted.max_drop))
    sys.exit(ExitCode.INVALID_RESULT if failed else ExitCode.VALID)


def _write_flips(comparison: Comparison, path: Path) -> None:
    from resnet50_bench.files.atomic import write_atomically
    from resnet50_bench.report.comparison.answers import render_flips

    try:
        write_atomically(path, render_flips(comparison).encode())
    except OSError as error:
        raise refuse_output("--csv", path, error) from error
