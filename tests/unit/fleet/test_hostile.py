"""A script in what hosts send back: from where it comes in to the pages that are made of it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from tests.hostile import SCRIPT, TAKEN, take_in_fleet

from resnet50_bench.cli.fleet.report import report as report_fleet
from resnet50_bench.cli.report import report
from resnet50_bench.fleet.state import read_state
from resnet50_bench.report.html import library


class Elements(HTMLParser):
    """What a browser would make of a page: each element, and the texts between."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def list_active(self) -> list[str]:
        """Whatever runs something: scripts, handlers of events, links that are scripts."""
        active = [tag for tag, _ in self.found if tag in {"script", "svg", "iframe", "object"}]
        for _, attributes in self.found:
            active += [name for name in attributes if name.startswith("on")]
            active += [
                text for text in attributes.values() if (text or "").startswith("javascript:")
            ]
        return active


@pytest.fixture(scope="module")
def fleets(tmp_path_factory) -> tuple[Path, Path]:
    """A fleet with scripts in all that it sent, and one with harmless texts there."""
    folder = tmp_path_factory.mktemp("fleets")
    return take_in_fleet(folder / "hostile", SCRIPT), take_in_fleet(folder / "plain", "x")


def test_records_with_scripts_are_taken_in_and_stay_in_their_folders(fleets):
    hostile, _ = fleets
    rows = read_state(hostile).rows
    assert [row.outcome for row in rows] == ["measured"] * 7 + ["lost"]
    assert SCRIPT[:40] in rows[-1].reason
    records = sorted(hostile.parent.rglob("record.json"))
    assert records == sorted(hostile / row.folder / "record.json" for row in rows[:-1])
    assert all(TAKEN in path.read_text() for path in records)


def test_the_page_of_their_runs_has_no_element_more(fleets, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "require_library", lambda: None)
    monkeypatch.setattr(library, "read_library", lambda _: "const vegaEmbed = 1;")
    pages = []
    for number, folder in enumerate(fleets):
        path = tmp_path / f"{number}.html"
        told = CliRunner().invoke(report, [str(folder), "-o", str(path)], catch_exceptions=False)
        assert ": 7 runs, " in told.output
        pages.append(Elements(path.read_text()))
    hostile, plain = pages
    assert any(TAKEN in text for text in hostile.texts)  # it is shown
    assert hostile.list_active() == plain.list_active()
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]


def test_the_fleets_markdown_has_no_element_more(fleets):
    # Readers of Markdown that let everything through: HTML, and links to wherever.
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.validateLink = lambda _: True
    pages = []
    for folder in fleets:
        words = [str(folder), "--format", "markdown"]
        told = CliRunner().invoke(report_fleet, words, catch_exceptions=False)
        assert told.exit_code == 1  # a host is slow
        pages.append(Elements(reader.render(told.output)))
    hostile, plain = pages
    assert any(TAKEN in text for text in hostile.texts)
    assert hostile.list_active() == []
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]
