"""The runs of some folders, each read once: what has not changed since is not read again."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import RecordError
from resnet50_bench.report.html.detail import Detail, choose_detailed, describe_detail
from resnet50_bench.report.html.links import Links, name_places
from resnet50_bench.report.html.rows import RunRow, describe_run
from resnet50_bench.results.files import RECORD_FILE, find_runs, read_record
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Stamp = tuple[int, int]
"""When a file was changed, and its size."""

_Wanted = tuple[Path, "Stamp | None"]

_MANY = 500
"""From so many records on it pays to start processes, which import numpy each."""

_MOST_PROCESSES = 8
_CHUNK = 25


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was read of a record; either a row, or why there is none."""

    stamp: Stamp | None
    row: RunRow | None
    problem: str = ""


@dataclass(slots=True)
class Shelf:
    """Holds the rows of all runs in and below some folders.

    Attributes:
        folders: to look through.
        on_read: is told how many records have been read.
    """

    folders: Sequence[Path]
    on_read: Callable[[int], None] = lambda _: None
    _kept: dict[Path, _Kept] = field(default_factory=dict)

    def read(self) -> None:
        """Read what is new or changed, and forget what is gone.

        Raises:
            RecordError: one of the folders is not there.
        """
        places = {place.resolve(): place for top in self.folders for place in find_runs(top)}
        stamps = {place: _stamp(place) for place in places.values()}
        self._kept = {
            place: kept for place, kept in self._kept.items() if stamps.get(place) == kept.stamp
        }
        new = [place for place in stamps if place not in self._kept]
        wanted = [(place, stamps[place]) for place in new]
        for number, (place, kept) in enumerate(zip(new, _read_all(wanted), strict=True), start=1):
            self._kept[place] = kept
            self.on_read(number)

    @property
    def rows(self) -> list[RunRow]:
        """Of all runs that could be read, the newest last."""
        rows = [kept.row for kept in self._kept.values() if kept.row is not None]
        return sorted(rows, key=attrgetter("created", "folder"))

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """What could not be read, and why."""
        return [(str(place), kept.problem) for place, kept in self._kept.items() if not kept.row]

    def describe_chosen(self, rows: Sequence[RunRow], start: Path) -> tuple[list[Detail], Links]:
        """Return the runs that are shown in detail, and where all records are.

        Args:
            rows: of all runs, the newest last.
            start: the folder of the page.
        """
        chosen = choose_detailed(rows)
        links = Links(start, name_places([row.folder for row in chosen]))
        places = {str(place): place for place in self._kept}
        details = []
        for row in chosen:
            place = places[row.folder]
            try:
                record = read_record(place)
            except RecordError:  # it was there a moment ago
                continue
            details.append(describe_detail(links.detailed[row.folder], row, place, record))
        return details, links


def _stamp(place: Path) -> Stamp | None:
    try:
        status = (place / RECORD_FILE).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read_all(wanted: Sequence[_Wanted]) -> Iterator[_Kept]:
    """Read records in their order; many of them on all CPUs.

    By forked processes, which have all modules from the start; a fork of several threads could find
    a lock held that nobody will release.
    """
    processes = min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    if len(wanted) < _MANY or processes == 1 or threading.active_count() > 1:
        yield from map(_read, wanted)
        return
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(processes, get_context("fork"))
    try:
        with signals_held():  # a Ctrl-C is the parent's to tell of
            results = pool.map(_read, wanted, chunksize=_CHUNK)
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def _read(wanted: _Wanted) -> _Kept:
    place, stamp = wanted
    try:
        return _Kept(stamp, describe_run(place, read_record(place)))
    except RecordError as error:
        return _Kept(stamp, None, error.message)
