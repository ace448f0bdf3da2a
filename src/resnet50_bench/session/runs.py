"""The runs of a folder, one by one or as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.results.files import find_runs, read_record
from resnet50_bench.session.finished import Run

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

OnSkipped = Callable[[Path, RecordError], None]


class Runs(Iterator[Run]):
    """The runs in and below a folder: an iterator, which reads one record at a time.

    As a table they do not depend on how many were taken from the iterator. Records are read once
    for it and kept as `r50 query` keeps them; its columns are those of docs/query.md.
    """

    def __init__(self, folder: Path, on_skipped: OnSkipped | None = None) -> None:
        self._folder = folder
        self._on_skipped = on_skipped
        self._found = self._read()

    def __next__(self) -> Run:
        return next(self._found)

    def to_polars(self, table: str = "runs") -> pl.DataFrame:
        """Return a table as a data frame of Polars.

        Args:
            table: `runs`, one row a run, or `queries`, one row a query of a run.

        Raises:
            RequestError: DuckDB or Polars is not installed; or there is no such table.
            RecordError: as `read_runs` does.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise _refuse_frame("polars", error) from error
        from resnet50_bench.query.cache import Watch
        from resnet50_bench.query.tables import open_tables

        with open_tables(self._folder, Watch(skipped=self._on_skipped)) as tables:
            return pl.DataFrame(tables.read_table(table))

    def to_pandas(self, table: str = "runs") -> pd.DataFrame:
        """Return a table as a data frame of pandas; arguments and errors as of `to_polars`."""
        try:
            import pandas as pd  # noqa: F401 - DuckDB makes the frame
        except ImportError as error:
            raise _refuse_frame("pandas", error) from error
        from resnet50_bench.query.cache import Watch
        from resnet50_bench.query.tables import open_tables

        with open_tables(self._folder, Watch(skipped=self._on_skipped)) as tables:
            return tables.read_table(table).df()

    def _read(self) -> Iterator[Run]:
        for place in find_runs(self._folder):
            try:
                record = read_record(place)
            except RecordError as error:
                if self._on_skipped is None:
                    raise
                self._on_skipped(place, error)
                continue
            yield Run(place, record)


def _refuse_frame(name: str, error: ImportError) -> RequestError:
    return RequestError(
        f"a data frame of {name} needs {name} ({error})",
        f"pip install 'resnet50-bench[query]' {name}",
    )
