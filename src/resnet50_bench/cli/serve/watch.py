"""What is in a folder now: the page of it, and how far a sweep in it is."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench import __version__
from resnet50_bench.errors import RecordError
from resnet50_bench.report.html.answer import describe_answer
from resnet50_bench.report.html.configurations import group_runs
from resnet50_bench.report.html.page import Progress, Report, render_page
from resnet50_bench.report.html.shelf import Shelf
from resnet50_bench.results.files import RECORD_FILE
from resnet50_bench.search.folder import read_sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.report.html.rows import RunRow

_RUNNING = "running"


@dataclass(slots=True)
class Watch:
    """Looks at a folder whenever it is asked; what has not changed is not read again.

    Attributes:
        folder: to look at.
        library: the script that draws.
    """

    folder: Path
    library: str
    _shelf: Shelf = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _page: tuple[str, bytes] = ("", b"")

    def __post_init__(self) -> None:
        self._shelf = Shelf((self.folder,))

    def look(self) -> Progress:
        """Read what is new, and return how far it is.

        Raises:
            RecordError: the folder is not there.
        """
        with self._lock:
            self._shelf.read()
            return self._describe()

    def render(self) -> bytes:
        """Return the page as of now.

        Raises:
            RecordError: the folder is not there.
        """
        with self._lock:
            self._shelf.read()
            progress = self._describe()
            if self._page[0] != progress.revision:
                self._page = (progress.revision, self._render(progress))
            return self._page[1]

    def find_record(self, path: str) -> bytes | None:
        """Return the record at an address of the page; None where there is none.

        Only the records that were found in the folder can be asked for, whatever the path says.

        Args:
            path: relative to the folder.

        Raises:
            RecordError: the folder is not there.
        """
        with self._lock:
            self._shelf.read()
            known = {row.folder for row in self._shelf.rows}
        place = (self.folder / path).parent
        if Path(path).name != RECORD_FILE or str(place) not in known:
            return None
        try:
            return (place / RECORD_FILE).read_bytes()
        except OSError:
            return None

    def _describe(self) -> Progress:
        rows = self._shelf.rows
        ended = [row for row in rows if row.status != _RUNNING]
        running = [row for row in rows[-1:] if row.status == _RUNNING]
        now = "".join(
            f"Now: {row.precision}, batches of {row.batch_size} on {row.cores_per_instance} cores. "
            for row in running
        )
        best = f"Best so far: {describe_answer(ended, group_runs(ended))}" if ended else ""
        return Progress(
            done=len(ended),
            total=self._find_total(),
            running=now + best,
            revision=_name_revision(rows, self._shelf.skipped),
        )

    def _find_total(self) -> int | None:
        """How many runs a sweep in this folder will have; None where there is none."""
        try:
            sweep = read_sweep(self.folder)
        except RecordError:
            return None
        return len(sweep.candidates) * sweep.rounds

    def _render(self, progress: Progress) -> bytes:
        rows = [row for row in self._shelf.rows if row.status != _RUNNING]
        details, links = self._shelf.describe_chosen(rows, self.folder)
        report = Report(
            folders=[str(self.folder)],
            rows=rows,
            details=details,
            skipped=self._shelf.skipped,
            links=links,
            created=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
            tool_version=__version__,
            progress=progress,
        )
        return render_page(report, self.library).encode()


def summarize_progress(progress: Progress) -> dict[str, Any]:
    """Return what the page asks for now and then, as plain JSON types."""
    return {
        "done": progress.done,
        "total": progress.total,
        "running": progress.running,
        "revision": progress.revision,
    }


def _name_revision(rows: Sequence[RunRow], skipped: Sequence[tuple[str, str]]) -> str:
    """A name that changes when a run has ended: one that only began changes no figure."""
    ended = [(row.folder, row.status, row.verdict) for row in rows if row.status != _RUNNING]
    return hashlib.sha256(repr((ended, skipped)).encode()).hexdigest()[:16]
