"""Where a record is found from the page: beside it in its folder, or behind the server."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from resnet50_bench.results.files import RECORD_FILE

if TYPE_CHECKING:
    from resnet50_bench.report.html.rows import RunRow


@dataclass(frozen=True, slots=True)
class Links:
    """What a click on a figure leads to.

    Attributes:
        start: the folder of the page.
        detailed: places of the runs that the page itself shows in detail, by their folders.
    """

    start: Path
    detailed: dict[str, str] = field(default_factory=dict)

    def of(self, row: RunRow) -> str:
        """The run in the page where it is shown in detail, else its record."""
        place = self.detailed.get(row.folder)
        return f"#{place}" if place is not None else self.record(row)

    def record(self, row: RunRow) -> str:
        """The file of the record, as an address relative to the page."""
        # As bytes: the name of a folder need not be text.
        return quote(os.fsencode(os.path.relpath(Path(row.folder, RECORD_FILE), self.start)))


def name_places(folders: Collection[str]) -> dict[str, str]:
    """Return a place in the page for each run that is shown in detail."""
    return {folder: f"run-{number}" for number, folder in enumerate(folders, start=1)}
