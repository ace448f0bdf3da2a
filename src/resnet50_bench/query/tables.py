"""The tables of a folder of runs, ready to be asked in SQL that only reads."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import RequestError
from resnet50_bench.query.cache import Watch, attached_cache
from resnet50_bench.query.columns import FOLDER, QUERIES, RUNS, list_columns
from resnet50_bench.query.database import (
    import_duckdb,
    lock,
    open_memory,
    quote,
    run_interruptibly,
)
from resnet50_bench.query.rows import make_value

if TYPE_CHECKING:
    import duckdb

_SYNTAX_ADVICE = "`r50 query --columns` says what each column is; DuckDB's SQL is understood"
_WIDTH = 96
_HARMLESS = ("SELECT", "EXPLAIN")
"""Kinds of statements, by DuckDB's names: `with`, `from`, `describe` and `summarize` are of the
first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question brought.

    Attributes:
        columns: names, as the question or the table has them; two may have the same.
        numeric: whether each column holds numbers.
        rows: the values.
    """

    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Tables:
    """`runs` and `queries` of a folder."""

    connection: duckdb.DuckDBPyConnection

    def ask(self, sql: str) -> Answer:
        """Return the answer to one question.

        Raises:
            RequestError: it is no SQL, it is more than a question, or it reaches for what is no
                table.
        """
        with _explained():
            question = _require_question(self.connection, sql)
            return run_interruptibly(self.connection, lambda: self._answer(question))

    def _answer(self, question: str) -> Answer:
        found = self.connection.execute(question)
        described = found.description or []
        return Answer(
            columns=tuple(str(item[0]) for item in described),
            numeric=tuple(_is_numeric(str(item[1])) for item in described),
            rows=found.fetchall(),
        )

    def write_parquet(self, sql: str, path: Path) -> None:
        """Write the answer into the one file that `open_tables` was told of; raises as `ask`."""
        with _explained():
            found = self.connection.sql(_require_question(self.connection, sql))
            run_interruptibly(self.connection, lambda: found.write_parquet(str(path)))

    def read_table(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return all of a table, for data frames.

        Raises:
            RequestError: there is no such table.
        """
        if name not in list_columns():
            raise RequestError(
                f"there is no table {name!r}", f"there are {' and '.join(list_columns())}"
            )
        return self.connection.table(name)


@contextmanager
def open_tables(top: Path, watch: Watch, writable: Path | None = None) -> Iterator[Tables]:
    """Bring the tables of a folder of runs up to date, and open them to be read.

    Args:
        top: of one run, or above those of many.
        watch: who is told what while records are read.
        writable: the one file that an answer may be written to.

    Raises:
        RequestError: DuckDB is not installed.
        RecordError: there is no such folder; or a record cannot be read and nobody is told.
        OutputError: no disk has room for the tables.
    """
    with open_memory() as connection, attached_cache(connection, top, watch):
        connection.execute(_define_runs(top))
        connection.execute(_define_queries(top))
        lock(connection, str(writable) if writable is not None else None)
        yield Tables(connection)


def _define_runs(top: Path) -> str:
    columns = ", ".join(column.name for column in RUNS)
    return (
        f"create view runs as select {_define_folder(top)}, {columns} "  # noqa: S608 - ours
        "from cache.runs join cache.files using (number) order by files.folder"
    )


def _define_queries(top: Path) -> str:
    columns = ", ".join(f"{column.sql} as {column.name}" for column in QUERIES)
    return (
        f"create view queries as select {_define_folder(top)}, {columns} "  # noqa: S608 - ours
        "from cache.queries join cache.files using (number)"
    )


def _define_folder(top: Path) -> str:
    """The folder as a command takes it: below the one that was named."""
    above = make_value(str(top))
    return (
        f"case files.folder when '.' then {quote(above)} "
        f"else {quote(above if above.endswith('/') else above + '/')} || files.folder end "
        f"as {FOLDER[0]}"
    )


def _require_question(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the text of the one statement that there is, if it only reads."""
    statements = connection.extract_statements(make_value(sql))
    if len(statements) != 1:
        raise RequestError(f"one question is asked at a time, and there are {len(statements)}")
    kind = statements[0].type.name
    if kind not in _HARMLESS:
        raise RequestError(
            f"a question begins with select, with or from, and this is {kind}",
            "nothing that runs measured is changed: leave it out",
        )
    return str(statements[0].query)


@contextmanager
def _explained() -> Iterator[None]:
    """Tell what DuckDB found wrong, with the columns that there are."""
    try:
        yield
    except import_duckdb().Error as error:
        first, *rest = [line for line in str(error).splitlines() if line.strip()] or ["no reason"]
        tables = [
            line
            for table, columns in list_columns().items()
            for line in textwrap.wrap(
                f"{table}: {', '.join(name for name, _, _ in columns)}",
                _WIDTH,
                subsequent_indent="  ",
            )
        ]
        raise RequestError(first, _SYNTAX_ADVICE, output=(*rest, *tables)) from error


def _is_numeric(kind: str) -> bool:
    """By the name of DuckDB's type, which may have parameters."""
    kind = kind.partition("(")[0]
    return kind.endswith("INT") or kind in {"INTEGER", "DOUBLE", "FLOAT", "DECIMAL", "NUMBER"}
