"""Records as rows of the tables that are kept, many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resnet50_bench.query.columns import RUNS, gather_facts

if TYPE_CHECKING:
    import duckdb

    from resnet50_bench.query.columns import Facts
    from resnet50_bench.results.kpi import Window
    from resnet50_bench.results.record import InstanceRecord, Lane, Record

KEPT_FILE = {"number": "BIGINT", "folder": "VARCHAR", "size": "BIGINT", "mtime_ns": "BIGINT"}
"""The records that were read: the run's number, which joins the tables, its folder below that of
all, and its file as it was then."""

KEPT_RUN = {"number": "BIGINT", **{column.name: column.type for column in RUNS}}
"""The columns of `runs` as they are kept; `number` is that of the run."""

KEPT_QUERY = {
    "number": "BIGINT",
    "host": "VARCHAR",
    "instance": "BIGINT",
    "stream": "BIGINT",
    "query": "BIGINT",
    "start_ns": "BIGINT",
    "duration_ns": "BIGINT",
    "prepare_ns": "BIGINT",
    "in_window": "BOOLEAN",
}
"""The columns of `queries` as they are kept; `number` is that of the run."""

_INT64 = 1 << 63
_NO_HOST = ""
_NO_TIME = -1
"""Stand for NULL in arrays on their way into the table: no host has that name, no time is less."""


@dataclass(slots=True)
class Rows:
    """Rows that are on their way into the tables.

    Attributes:
        files: in the order of `KEPT_FILE`.
        runs: in the order of `KEPT_RUN`.
        blocks: the queries of one lane each: an array by column.
        queries: how many rows the blocks have.
    """

    files: list[tuple[Any, ...]] = field(default_factory=list)
    runs: list[tuple[Any, ...]] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    queries: int = 0

    def add(self, file: tuple[int, str, int, int], record: Record) -> None:
        """Take the rows of a run, given that of its file."""
        facts = gather_facts(record)
        self.blocks += _list_blocks(file[0], facts)
        self.queries += sum(item.queries for item in record.instances)
        self.runs.append((file[0], *(make_value(column.read(facts)) for column in RUNS)))
        self.files.append(file)

    def insert(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Put all of them into the tables, or none."""
        connection.begin()
        try:
            _insert_rows(connection, "files", KEPT_FILE, self.files)
            _insert_rows(connection, "runs", KEPT_RUN, self.runs)
            _insert_blocks(connection, self.blocks)
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def _insert_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """One list of values a column: a hundred times as fast as one row at a time."""
    if rows:
        listed = ", ".join(f"unnest(?::{kind}[])" for kind in columns.values())
        values = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(f"insert into {table} select {listed}", values)


def _insert_blocks(
    connection: duckdb.DuckDBPyConnection, blocks: Sequence[Mapping[str, Any]]
) -> None:
    import numpy as np

    if not blocks:
        return
    batch = {name: np.concatenate([block[name] for block in blocks]) for name in KEPT_QUERY}
    connection.register("batch", batch)
    connection.execute(
        "insert into queries select * replace (nullif(host, ?) as host, "
        "nullif(prepare_ns, ?) as prepare_ns) from batch",
        [_NO_HOST, _NO_TIME],
    )
    connection.unregister("batch")


def make_value(value: Any) -> Any:
    """Return a value as the tables can hold it.

    A whole number beyond 64 bit, which only a made-up record has, is none; in a text, what UTF-8
    cannot say is written as an escape.
    """
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _list_blocks(number: int, facts: Facts) -> Iterator[dict[str, Any]]:
    """Yield the queries of each lane that made any, as an array by column."""
    lanes = [
        (item, stream, lane)
        for item in facts.record.instances
        for stream, lane in enumerate(item.lanes)
        if lane.end_ns
    ]
    first_ns: dict[str | None, int] = {}
    for _, _, lane in lanes:
        first_ns[lane.host] = min(lane.start_ns[0], first_ns.get(lane.host, lane.start_ns[0]))
    windows = facts.kpis.windows if facts.kpis is not None else {}
    for item, stream, lane in lanes:
        yield {
            **_make_names(number, item, stream, lane),
            **_make_times(item, lane, first_ns[lane.host]),
            "in_window": _find_inside(lane, windows.get(lane.host)),
        }


def _make_names(number: int, item: InstanceRecord, stream: int, lane: Lane) -> dict[str, Any]:
    """What says which query it is."""
    import numpy as np

    count = len(lane.end_ns)
    host = make_value(lane.host) if lane.host is not None else _NO_HOST
    return {
        "number": np.full(count, number),
        "host": np.full(count, host, dtype=object),
        "instance": np.full(count, item.slot.instance),
        "stream": np.full(count, stream),
        "query": np.arange(count),
    }


def _make_times(item: InstanceRecord, lane: Lane, first_ns: int) -> dict[str, Any]:
    import numpy as np

    starts = np.array(lane.start_ns, dtype=np.int64)
    prepared = item.prepare_ns or (_NO_TIME,) * len(starts)
    return {
        "start_ns": starts - first_ns,
        "duration_ns": np.array(lane.end_ns, dtype=np.int64) - starts,
        "prepare_ns": np.array(prepared, dtype=np.int64),
    }


def _find_inside(lane: Lane, window: Window | None) -> Any:
    """Whether each query lies whole in the window: what the latencies are of."""
    import numpy as np

    if window is None:
        return np.zeros(len(lane.end_ns), dtype=bool)
    begins, ends = np.array(lane.start_ns), np.array(lane.end_ns)
    return (begins >= window.begin_ns) & (ends <= window.end_ns)
