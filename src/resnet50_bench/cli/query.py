"""`r50 query`: questions over many runs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from resnet50_bench.cli.lines import print_content, print_line, print_text
from resnet50_bench.errors import RequestError, refuse_output

if TYPE_CHECKING:
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.errors import RecordError
    from resnet50_bench.query.cache import Watch
    from resnet50_bench.query.tables import Answer

_FORMATS = ("table", "csv", "json", "parquet")
_EPILOG = """\b
Examples:
  r50 query --columns                        the columns of both tables, with their units
  r50 query "select folder, images_per_s from runs where valid order by 2 desc limit 5"
  r50 query "select precision, max(images_per_s) from runs where valid group by 1" sweeps
  r50 query "select folder, quantile_cont(duration_ms, 0.999) from queries
             where in_window group by 1" runs
  r50 query "from runs" --output runs.parquet
\b
The first question over a folder reads every record, which takes half a minute for
ten thousand; what was read is kept in FOLDER/.r50-query.duckdb, and only what changed is read
again. The file may be removed at any time."""


@click.command(epilog=_EPILOG)
@click.argument("sql", required=False)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--columns", is_flag=True, help="Print the columns of the tables and stop.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="[default: as the name of --output ends; else table]",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to a file; parquet needs it.",
)
def query(
    sql: str | None, folder: Path, *, columns: bool, form: str | None, output: Path | None
) -> None:
    """Ask a question in SQL over the runs in and below FOLDER.

    There are two tables: `runs`, one row a run, and `queries`, one row a query of a run; they are
    joined by `folder`. The SQL is DuckDB's, one statement that only reads, and it reaches nothing
    but these tables. Records that cannot be read are passed over with a line on stderr.
    """
    if columns:
        from resnet50_bench.printable import join_lines
        from resnet50_bench.query.columns import render_columns

        print_text(join_lines(render_columns()))
        return
    _ask(_require_sql(sql), folder, _choose_format(form, output), output)


def _require_sql(sql: str | None) -> str:
    from resnet50_bench.files.paths import is_folder

    if sql is None:
        raise RequestError(
            "there is no question",
            'r50 query "from runs" asks for all; --columns lists the columns',
        )
    if is_folder(Path(sql)):
        raise RequestError(
            f"{sql} is a folder, and the question comes first", f'r50 query "from runs" {sql}'
        )
    return sql


def _choose_format(form: str | None, output: Path | None) -> str:
    """A file called .csv, .json or .parquet gets that, unless another one is asked for."""
    suffix = output.suffix[1:] if output is not None else ""
    chosen = form or (suffix if suffix in _FORMATS else "table")
    if chosen == "parquet" and output is None:
        raise RequestError("--format parquet is no text to print", "add --output FILE.parquet")
    if chosen == "table" and output is not None:
        raise RequestError(
            f"--output {output}: its name does not say what to write",
            "add --format csv, json or parquet",
        )
    return chosen


def _ask(sql: str, folder: Path, form: str, output: Path | None) -> None:
    from resnet50_bench.cli.terminal import TerminalObserver
    from resnet50_bench.query.tables import open_tables

    if output is not None:
        _check_output(output)
    with tempfile.TemporaryDirectory(prefix="r50-query-") as spare, TerminalObserver() as observer:
        file = Path(spare, "answer") if form == "parquet" else None
        with open_tables(folder, _watch(observer), file) as tables:
            observer.clear()
            if file is not None:
                tables.write_parquet(sql, file)
                _write(file.read_bytes(), output)
            elif form == "table":
                _print_table(tables.ask(sql))
            else:
                from resnet50_bench.query.answers import render_csv, render_json

                render = {"csv": render_csv, "json": render_json}[form]
                _write(render(tables.ask(sql)).encode(), output)


def _check_output(output: Path) -> None:
    """Refuse what cannot be written before thousands of records are read."""
    from resnet50_bench.files.atomic import check_folder

    try:
        check_folder(output.parent)
    except OSError as error:
        raise refuse_output("--output", output, error) from error


def _write(content: bytes, output: Path | None) -> None:
    from resnet50_bench.files.atomic import write_atomically

    if output is None:
        print_content(content)
        return
    try:
        write_atomically(output, content)
    except OSError as error:
        raise refuse_output("--output", output, error) from error


def _print_table(answer: Answer) -> None:
    from resnet50_bench.cli.terminal import print_table
    from resnet50_bench.query.answers import SHOWN_ROWS, make_table

    if answer.rows:
        print_table(make_table(answer))
    left_out = len(answer.rows) - SHOWN_ROWS
    if not answer.rows:
        print_line("no row answers that", err=True)
    elif left_out > 0:
        print_line(f"and {left_out} more rows: --format csv prints all of them", err=True)


def _watch(observer: TerminalObserver) -> Watch:
    """Tell what is passed over, and how far the reading is, once a second."""
    from resnet50_bench.query.cache import Watch

    told = time.monotonic()

    def skipped(place: Path, error: RecordError) -> None:
        observer.clear()
        print_line(f"skipped: {place}: {error.message}", err=True)

    def reading(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            observer.waiting(f"reading records: {done} of {total}", done / total)

    return Watch(skipped=skipped, reading=reading, note=observer.note)
