"""The tables of a folder of runs, kept as a DuckDB file beside the runs, and brought up to date.

A run's rows are good as long as its record has the size and the time of change they were read at,
and as long as the code that computed them is the same: a newer r50 may judge otherwise. A new file
is written and put in the old one's place in one step, so that nobody has to wait for anybody who
reads it; where that is interrupted, what was read so far is kept.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import resnet50_bench
from resnet50_bench.errors import Interrupted, OutputError, RecordError
from resnet50_bench.files.atomic import check_folder
from resnet50_bench.query.database import import_duckdb, quote
from resnet50_bench.query.rows import KEPT_FILE, KEPT_QUERY, KEPT_RUN, Rows, make_value
from resnet50_bench.results.files import RECORD_FILE, find_runs, read_record

if TYPE_CHECKING:
    import duckdb

    from resnet50_bench.results.record import Record

CACHE_FILE = ".r50-query.duckdb"
_BATCH_QUERIES = 200_000
_BATCH_RUNS = 500
_TABLES = {"files": KEPT_FILE, "runs": KEPT_RUN, "queries": KEPT_QUERY}


def _ignore_progress(done: int, total: int) -> None:
    """Nobody watches."""


def _ignore_note(text: str) -> None:
    """Nobody reads."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what while records are read.

    Attributes:
        skipped: of a record that cannot be read, and why; None to raise that.
        reading: how many runs were read, and how many are to be.
        note: what a user should know, in a line.
    """

    skipped: Callable[[Path, RecordError], None] | None = None
    reading: Callable[[int, int], None] = _ignore_progress
    note: Callable[[str], None] = _ignore_note


class _Stamp(NamedTuple):
    """A record's file as it was seen: bytes, and ns since 1970."""

    size: int
    mtime_ns: int


class _Known(NamedTuple):
    """A run whose rows are there: the number they carry, and its file when they were read."""

    number: int
    stamp: _Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What there is and what is to be done.

    Attributes:
        path: of the file beside the runs.
        is_good: there is one, and this code wrote it.
        places: each run's folder, by its name below the folder of all.
        kept: the runs whose rows are good.
        stale: those to be read, with their files as they are now.
        gone: how many runs have rows that are not good any more.
    """

    path: Path
    is_good: bool
    places: dict[str, Path]
    kept: dict[str, _Known]
    stale: dict[str, _Stamp]
    gone: int


@contextmanager
def attached_cache(
    connection: duckdb.DuckDBPyConnection, top: Path, watch: Watch
) -> Iterator[None]:
    """Bring the tables of a folder up to date and attach them as `cache`, to be read only.

    Raises:
        RecordError: there is no such folder; or a record cannot be read and nobody is told.
        OutputError: no disk has room for the tables.
    """
    task = _plan(top)
    with tempfile.TemporaryDirectory(prefix="r50-query-") as spare:
        target = _choose_target(task, top, Path(spare), watch)
        try:
            path = _update(task, target, watch)
            connection.execute(f"attach {quote(str(path))} as cache (read_only)")
        finally:
            for left in (target, Path(f"{target}.wal")):
                with suppress(FileNotFoundError):
                    left.unlink()
        yield


def _plan(top: Path) -> _Task:
    """Compare the runs that are there with those whose rows are kept."""
    path = top / CACHE_FILE
    known = _read_known(path)
    places = {make_value(str(place.relative_to(top))): place for place in find_runs(top)}
    stamps = {name: _read_stamp(place) for name, place in places.items()}
    kept = {name: item for name, item in (known or {}).items() if stamps.get(name) == item.stamp}
    return _Task(
        path=path,
        is_good=known is not None,
        places=places,
        kept=kept,
        stale={name: stamp for name, stamp in stamps.items() if name not in kept},
        gone=len(known or {}) - len(kept),
    )


def _read_known(path: Path) -> dict[str, _Known] | None:
    """Return the runs whose rows this code has put into a file; None where there is no such."""
    engine = import_duckdb()
    if not _is_utf8(path):
        return None
    try:
        with engine.connect(str(path), read_only=True) as connection:
            if connection.execute("select code from code").fetchall() != [(_hash_code(),)]:
                return None
            rows = connection.execute("select folder, number, size, mtime_ns from files").fetchall()
    except engine.Error:
        return None
    return {name: _Known(number, _Stamp(size, mtime)) for name, number, size, mtime in rows}


def _is_utf8(path: Path) -> bool:
    """Whether DuckDB can be told of it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def _hash_code() -> str:
    """A hash of this package's sources."""
    root = Path(resnet50_bench.__file__).parent
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _read_stamp(place: Path) -> _Stamp:
    """What cannot be looked at is as nothing, and will not be read either."""
    try:
        seen = (place / RECORD_FILE).stat()
    except OSError:
        return _Stamp(-1, -1)
    return _Stamp(seen.st_size, seen.st_mtime_ns)


def _choose_target(task: _Task, top: Path, spare: Path, watch: Watch) -> Path:
    """Where a new file is written: beside the runs, or for this time only."""
    if list(task.places.values()) == [top]:  # a run's folder gets nothing into it but the run
        return spare / CACHE_FILE
    if not _is_utf8(top):
        watch.note("DuckDB opens no file below a name that is not UTF-8, so all records are read")
        return spare / CACHE_FILE
    try:
        check_folder(top)
    except OSError as error:
        watch.note(
            f"{top} cannot be written ({error.strerror}), so all its records are read each time"
        )
        return spare / CACHE_FILE
    return top / f"{CACHE_FILE}.{uuid.uuid4().hex}"


def _update(task: _Task, target: Path, watch: Watch) -> Path:
    """Return the file that holds the tables as they should be; a new one if need be."""
    engine = import_duckdb()
    if task.is_good and not task.stale and not task.gone:
        return task.path
    try:
        with engine.connect(str(target)) as connection:
            added = _fill(connection, task, watch)
        if task.is_good and not added and not task.gone:
            return task.path
        return _put_in_place(task, target)
    except (Interrupted, KeyboardInterrupt):
        _put_in_place(task, target)
        raise
    except (OSError, engine.IOException) as error:
        reason = OSError(getattr(error, "errno", None), getattr(error, "strerror", str(error)))
        raise OutputError(target, reason, "make room there, and for temporary files") from error


def _put_in_place(task: _Task, target: Path) -> Path:
    if target.parent != task.path.parent:
        return target
    target.replace(task.path)
    return task.path


def _fill(connection: duckdb.DuckDBPyConnection, task: _Task, watch: Watch) -> int:
    """Make the tables of the runs that are kept and those that are read; return how many were read.

    Interrupted, it ends with those that were read.
    """
    connection.execute("create table code as select ? as code", [_hash_code()])
    for name, columns in _TABLES.items():
        listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        connection.execute(f"create table {name} ({listed})")
    number = 1 + max((item.number for item in task.kept.values()), default=-1)
    try:
        return _read_stale(connection, task, watch, number)
    finally:
        if task.kept:
            _copy_kept(connection, task)
        connection.execute("checkpoint")


def _read_stale(
    connection: duckdb.DuckDBPyConnection, task: _Task, watch: Watch, number: int
) -> int:
    rows, first = Rows(), number
    for done, (name, stamp) in enumerate(task.stale.items()):
        watch.reading(done, len(task.stale))
        record = _read(task.places[name], watch)
        if record is None:
            continue
        rows.add((number, name, *stamp), record)
        number += 1
        if len(rows.runs) >= _BATCH_RUNS or rows.queries >= _BATCH_QUERIES:
            rows.insert(connection)
            rows = Rows()
    rows.insert(connection)
    return number - first


def _read(place: Path, watch: Watch) -> Record | None:
    try:
        return read_record(place)
    except RecordError as error:
        if watch.skipped is None:
            raise
        watch.skipped(place, error)
        return None


def _copy_kept(connection: duckdb.DuckDBPyConnection, task: _Task) -> None:
    """Copy the rows that are good from the old file."""
    connection.execute(f"attach {quote(str(task.path))} as old (read_only)")
    connection.execute(
        "create temp table kept as select unnest(?::bigint[]) as number",
        [[item.number for item in task.kept.values()]],
    )
    for name in _TABLES:
        connection.execute(
            f"insert into {name} select * from old.{name} where number in (from kept)"  # noqa: S608
        )
    connection.execute("detach old")
