"""A real browser, with the pages that it opens; skipped, with the reason, where there is none."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.browser.pages import write_page
from tests.showcase import write_showcase

ASKED_VARIABLE = "R50_TEST_BROWSER"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRAWN = "html[data-drawn=yes]"
GIVE_UP_MS = 120_000


def find_obstacle() -> str | None:
    """What is missing; None where all is there."""
    missing = [
        name
        for name in ("playwright", "axe_playwright_python", "vl_convert")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        return f"{', '.join(missing)} not installed: `make test-browser` installs them"
    if find_browser() is None:
        return f"no {BROWSERS[0]} here (Debian: apt-get install {BROWSERS[0]})"
    return None


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@dataclass(slots=True)
class Heard:
    """What a page said and asked for."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser():
    if not os.environ.get(ASKED_VARIABLE):
        pytest.skip("opens a browser for a minute: `make test-browser` runs it")
    obstacle = find_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, and in containers, the browser's own sandbox cannot be set up.
        made = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def open_page(browser) -> Iterator:
    """Open a file in a page of its own; nothing may go wrong in it, and nothing be asked for."""
    contexts, heard = [], Heard()

    def start(address: Path | str, *, width: int = 1280, scheme: str = "light", wait: str = DRAWN):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(GIVE_UP_MS)
        page.on("console", lambda said: heard.errors.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: heard.errors.append(str(error)))
        page.on("request", lambda request: heard.requests.append(request.url))
        page.goto(address.as_uri() if isinstance(address, Path) else address)
        page.wait_for_selector(wait)
        return page

    yield start
    for context in contexts:
        context.close()
    assert heard.errors == []
    outside = ("file:", "data:", "blob:", "http://127.0.0.1:")
    assert [url for url in heard.requests if not url.startswith(outside)] == []


@pytest.fixture(scope="session")
def showcase(browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a sweep with everything in it, beside its folder `sweep`."""
    folder = tmp_path_factory.mktemp("showcase")
    write_showcase(folder / "sweep")
    return write_page(folder / "sweep", folder / "report.html")
