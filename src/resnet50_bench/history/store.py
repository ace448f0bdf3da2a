"""A history in its file: DuckDB's, so that adding a run rewrites nothing and two writers exclude
each other.

A Parquet file cannot be added to: each run would write all of it anew, and of two at a time one
would be lost. `copy runs to 'runs.parquet'` in DuckDB makes one of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError, OutputError, RequestError
from resnet50_bench.files.atomic import check_folder
from resnet50_bench.files.paths import is_there
from resnet50_bench.history.row import Row
from resnet50_bench.query.database import import_duckdb
from resnet50_bench.query.rows import make_value

if TYPE_CHECKING:
    import duckdb

SCHEMA = 1
_NO_DATABASE = "not a valid DuckDB database"
_PATIENCE_S = 10.0
_PAUSE_S = 0.1

_TABLES = """
create table if not exists history (schema_version bigint);
create table if not exists runs (
    host varchar, run_id varchar, created timestamp, unit varchar, speed double,
    asked varchar, found varchar, source varchar, added timestamp default current_timestamp,
    primary key (host, run_id, created)
);
create table if not exists accepted (host varchar, asked varchar, until timestamp);
"""


@dataclass(frozen=True, slots=True)
class History:
    """An open history."""

    connection: duckdb.DuckDBPyConnection

    def add(self, rows: Sequence[Row]) -> int:
        """Add those that are not there yet, all or none; return how many these were."""
        before = self._count()
        values = [
            [
                *map(make_value, (row.host, row.run_id, row.created, row.unit)),
                row.speed,
                _encode(row.asked),
                _encode(row.found),
                make_value(row.source),
            ]
            for row in rows
        ]
        self.connection.begin()
        try:
            if values:
                self.connection.executemany(
                    "insert or ignore into runs (host, run_id, created, unit, speed, asked, found,"
                    " source) values (?, ?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()
        return self._count() - before

    def read(self) -> list[Row]:
        """Return all runs, each series in order of time."""
        found = self.connection.execute(
            "select run_id, created, host, unit, speed, asked, found, source from runs "
            "order by host, asked, created, run_id"
        )
        return [
            Row(
                run_id=run_id,
                created=created,
                host=host,
                unit=unit,
                speed=speed,
                asked=json.loads(asked),
                found=json.loads(seen),
                source=source,
            )
            for run_id, created, host, unit, speed, asked, seen, source in found.fetchall()
        ]

    def accept(self) -> int:
        """Take the level each series has now for its normal one; return how many there are."""
        self.connection.execute("delete from accepted")
        self.connection.execute(
            "insert into accepted select host, asked, max(created) from runs group by host, asked"
        )
        return len(self.read_accepted())

    def read_accepted(self) -> dict[tuple[str, str], datetime]:
        """Return until when the changes of a series were accepted, by its host and key."""
        found = self.connection.execute("select host, asked, until from accepted").fetchall()
        return {(host, asked): until for host, asked, until in found}

    def _count(self) -> int:
        (found,) = self.connection.execute("select count(*) from runs").fetchall()
        return int(found[0])


def make_key(row: Row) -> tuple[str, str]:
    """What names the series of a run: the same for all runs of a host that asked for the same."""
    return row.host, _encode(row.asked)


@contextmanager
def open_history(path: Path, *, writes: bool) -> Iterator[History]:
    """Open a history; a new one where it is to be written and is not there.

    Raises:
        RequestError: DuckDB is not installed; there is no such history, or it is something else.
        OutputError: it cannot be written.
        HostError: another process keeps it open.
    """
    engine = import_duckdb()
    if not writes and not is_there(path):
        raise RequestError(
            f"no history at {path}", "name runs to begin one: r50 watch runs --history FILE"
        )
    if writes:
        _require_place(path)
    try:
        with _connect(path, writes=writes) as connection:
            _require_schema(connection, path, writes=writes)
            yield History(connection)
    except engine.Error as error:
        if isinstance(error, engine.IOException) and _NO_DATABASE not in str(error):
            raise HostError(
                f"--history {path} cannot be used: {_first_line(error)}",
                "name a FILE in a folder you may write to, on a disk with room",
            ) from error
        raise RequestError(
            f"--history {path} is not a history of r50: {_first_line(error)}",
            "name another FILE: a new history is made",
        ) from error


def _require_place(path: Path) -> None:
    try:
        check_folder(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--history {path}", error) from error


def _connect(path: Path, *, writes: bool) -> duckdb.DuckDBPyConnection:
    """Connect, and wait for a while where another process writes."""
    engine = import_duckdb()
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            made: duckdb.DuckDBPyConnection = engine.connect(str(path), read_only=not writes)
        except engine.IOException as error:
            if "lock" not in str(error):
                raise
            if time.monotonic() > until:
                raise HostError(
                    f"{path} is kept open by another process: {_first_line(error)}",
                    "wait for it, or end it",
                ) from error
            time.sleep(_PAUSE_S)
        else:
            return made


def _require_schema(connection: duckdb.DuckDBPyConnection, path: Path, *, writes: bool) -> None:
    tables = {name for (name,) in connection.execute("show tables").fetchall()}
    if not tables and writes:
        connection.execute(_TABLES)
        connection.execute("insert into history values (?)", [SCHEMA])
        return
    versions = connection.execute("from history").fetchall() if "history" in tables else []
    if versions != [(SCHEMA,)]:
        told = f"of schema version {versions[0][0]}" if versions else "not a history of r50"
        raise RequestError(
            f"{path} is {told}; this r50 reads {SCHEMA}",
            "name another --history FILE, or read it with the r50 that wrote it",
        )


def _encode(values: dict[str, str]) -> str:
    return json.dumps(values, sort_keys=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason"])[0]
