"""DuckDB, as it is used here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from resnet50_bench.errors import RequestError

if TYPE_CHECKING:
    from types import ModuleType

    import duckdb

T = TypeVar("T")

EXTRA = "pip install 'resnet50-bench[query]'"


def import_duckdb() -> ModuleType:
    """Return DuckDB.

    Raises:
        RequestError: it is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise RequestError(f"questions over runs need DuckDB ({error})", EXTRA) from error
    engine: ModuleType = duckdb  # where it is not installed, it has no type
    return engine


def quote(text: str) -> str:
    """Return a text as one of SQL's."""
    return "'" + text.replace("'", "''") + "'"


def open_memory() -> duckdb.DuckDBPyConnection:
    """Return a connection to an empty database in memory."""
    connection: duckdb.DuckDBPyConnection = import_duckdb().connect(":memory:")
    return connection


def lock(connection: duckdb.DuckDBPyConnection, writable: str | None = None) -> None:
    """Let a connection reach nothing but what is attached to it, for good.

    No file, no network, no extension, no variable of this process; and no setting undoes that.

    Args:
        connection: to lock.
        writable: the one file that may be written all the same.
    """
    if writable is not None:
        connection.execute(f"set allowed_paths = [{quote(writable)}]")
    for setting in (
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "temp_directory = ''",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set {setting}")


def run_interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Return what the work on a connection brings, and end it at once on a Ctrl-C.

    DuckDB does not look for signals while it computes, so it does that in a thread of its own.
    """
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        try:
            return done.result()
        except BaseException:
            connection.interrupt()
            raise
