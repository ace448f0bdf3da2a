"""`r50 compare`: which of several things is faster, and whether that is certain."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from resnet50_bench.cli.lines import print_content, print_line
from resnet50_bench.errors import ExitCode, RequestError, refuse_output

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record
    from resnet50_bench.verdict.comparison.speed import SpeedComparison, Speeds

FORMATS = ("text", "json", "csv", "markdown")

_EPILOG = """\b
Examples:
  r50 compare runs/BEFORE runs/AFTER           two runs
  r50 compare before after                     two folders of repeated runs
  r50 compare fp32 bf16 int8 --force           three precisions, against the first
  r50 compare main branch --fail-if slower=2%  for CI: 1 if a slowdown of 2 % or more is shown
  r50 compare main branch --fail-if maybe-slower=2%   1 unless that is ruled out
  r50 compare main branch --format markdown --report comparison.md
\b
Exit codes: 0 compared; 1 a --fail-if was met; 2 they cannot be compared."""


@dataclass(frozen=True, slots=True)
class Limit:
    """When a comparison ends in 1.

    Attributes:
        kind: `slower`, shown to be; or `maybe-slower`, not ruled out.
        share: by so much or more.
    """

    kind: str
    share: float

    def is_met(self, item: SpeedComparison) -> bool:
        """Whether a comparison is one that has to fail."""
        from resnet50_bench.verdict.comparison.speed import Outcome

        if self.kind == "slower":
            return item.outcome is Outcome.SLOWER and item.effect.change <= -self.share
        return item.effect.low <= -self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of `comparison_options`.

    Attributes:
        smallest: the smallest difference that matters, as a part.
        limits: of `--fail-if`.
        form: of `--format`.
        file: to write to; None for standard output.
    """

    smallest: float
    limits: tuple[Limit, ...]
    form: str
    file: Path | None


def read_share(text: str) -> float:
    """Return `2%` or `2` as a part of 1: above 0 and below 100 %."""
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise click.BadParameter(f"{text!r} is no percentage between 0 and 100, such as 2%")
    return share


def read_limit(text: str) -> Limit:
    """Return the limit that `slower=2%` or `maybe-slower=2%` stands for."""
    kind, equals, share = text.partition("=")
    if kind not in {"slower", "maybe-slower"} or not equals:
        raise click.BadParameter(f"{text!r} is neither slower=PERCENT nor maybe-slower=PERCENT")
    return Limit(kind, read_share(share))


def comparison_options(command: Any) -> Any:
    """The options of every command that ends in a comparison."""
    options = (
        click.option(
            "--smallest",
            callback=lambda _, __, text: read_share(text),
            default="3%",
            show_default=True,
            metavar="PERCENT",
            help="The smallest difference that matters: what is planned for, and ruled out.",
        ),
        click.option(
            "--fail-if",
            "limits",
            callback=lambda _, __, texts: tuple(map(read_limit, texts)),
            multiple=True,
            metavar="slower=PERCENT",
            help="End with 1 if a slowdown of so much or more is shown; maybe-slower=PERCENT: "
            "unless it is ruled out.",
        ),
        click.option(
            "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True
        ),
        click.option(
            "--report",
            "file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Write the comparison to a file.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(epilog=_EPILOG)
@click.argument("sides", nargs=-1, metavar="A B [C...]", type=click.Path(path_type=Path))
@comparison_options
@click.option(
    "--force",
    is_flag=True,
    help="Even if host, model or precision differ, or a result is invalid.",
)
def compare(sides: tuple[Path, ...], *, force: bool, **options: Any) -> None:
    """Compare the speeds of B (and C, ...) with that of A.

    Each is a run, or a folder of runs of one configuration. First stands what differs between them
    and how much it matters; then by how much each is faster, with its interval; then what that
    shows: faster, slower, no difference, or how many more runs would tell.
    """
    from resnet50_bench.verdict.comparison.speed import compare_speeds, read_side

    if len(sides) < 2:
        raise RequestError(
            f"a comparison needs two sides, and {len(sides)} is given",
            "`r50 compare A B`: runs, or folders of runs",
        )
    read = [read_side(str(side), read_records(side), force=force) for side in sides]
    wanted = Wanted(**options)
    sys.exit(tell_comparison(compare_speeds(read, wanted.smallest, force=force), wanted))


def read_records(side: Path) -> list[Record]:
    """Read the runs of one side; those that cannot be read are told and passed over.

    Raises:
        RecordError: there is none, or the one that is named cannot be read.
    """
    from resnet50_bench.errors import RecordError
    from resnet50_bench.files.paths import is_file, is_folder
    from resnet50_bench.results.files import RECORD_FILE, read_record
    from resnet50_bench.session.door import read_runs

    if not is_folder(side) or is_file(side / RECORD_FILE):
        return [read_record(side)]

    def tell(place: Path, error: RecordError) -> None:
        print_line(f"skipped: {place}: {error.message}", err=True)

    records = [run.record for run in read_runs(side, tell)]
    if not records:
        raise RecordError(
            f"no run in or below {side}", "name a run's folder, or one that has runs below it"
        )
    return records


def tell_comparison(speeds: Speeds, wanted: Wanted) -> ExitCode:
    """Print a comparison, or write it; return the exit code by the limits."""
    failed = [
        (limit, item)
        for limit in wanted.limits
        for item in speeds.comparisons
        if limit.is_met(item)
    ]
    content = _render(speeds, wanted.form, passed=not failed if wanted.limits else None)
    if wanted.file is None:
        print_content(content.encode())
    else:
        from resnet50_bench.files.atomic import write_atomically

        try:
            write_atomically(wanted.file, content.encode())
        except OSError as error:
            raise refuse_output("--report", wanted.file, error) from error
    for limit, item in failed:
        print_line(
            f"--fail-if {limit.kind}={limit.share * 100:g}%: {item.side.name} against "
            f"{item.base.name}",
            label="failed: ",
            colour="red",
            err=True,
        )
    return ExitCode.INVALID_RESULT if failed else ExitCode.VALID


def _render(speeds: Speeds, form: str, *, passed: bool | None) -> str:
    import json

    from resnet50_bench.report.comparison.speed import (
        render_speeds,
        render_speeds_csv,
        render_speeds_markdown,
        summarize_speeds,
    )

    if form == "json":
        return json.dumps({**summarize_speeds(speeds), "passed": passed}, indent=2) + "\n"
    return {"text": render_speeds, "csv": render_speeds_csv, "markdown": render_speeds_markdown}[
        form
    ](speeds)
