"""Makes the pictures of docs/report.md: `python -m tests.browser.screenshots docs/images`.

They are of the made-up sweep of `tests.showcase`, so that they come out the same on any machine.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from tests.browser.conftest import DRAWN, GIVE_UP_MS, find_browser
from tests.browser.pages import write_page
from tests.showcase import write_showcase

_QUALITY = 80


def make_screenshots(folder: Path) -> None:
    """Write every picture into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as desk, sync_playwright() as playwright:
        os.chdir(desk)
        write_showcase(Path("sweep"))
        page_file = write_page(Path("sweep"), Path("report.html")).absolute()
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        for name, width, height, scheme, place in (
            ("report-answer", 1280, 1120, "light", "#answer"),
            ("report-detail", 1280, 1400, "dark", ".run.shown"),
            ("report-phone", 390, 844, "light", "#answer"),
        ):
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto(page_file.as_uri())
            page.wait_for_selector(DRAWN, timeout=GIVE_UP_MS)
            _choose_traced(page)
            page.locator(place).evaluate("node => node.scrollIntoView()")
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture.save(folder / f"{name}.webp", quality=_QUALITY, method=6)
            page.close()
        browser.close()


def _choose_traced(page: Page) -> None:
    """Show a run with a roofline plot."""
    plot = page.locator('[data-chart$="-roofline"]').first.get_attribute("data-chart") or ""
    page.locator("#choice").select_option(plot.removesuffix("-roofline"))
    page.wait_for_selector(f'[data-chart="{plot}"][data-state="drawn"]')


if __name__ == "__main__":
    make_screenshots(Path(sys.argv[1]).absolute())
