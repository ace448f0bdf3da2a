"""How long `r50 report` takes for 2,000 records, and a browser for its page.

    python benchmarks/report.py

Records of two kinds: of two instances on four cores, and those of the made-up sweep in
`tests/showcase.py`, of 1 to 16 instances on 16 cores. `--rounds` sets how often each is rendered.
The page is timed where Chromium and playwright are (`make test-browser` installs the latter): until
its first paint, until the answer is there with the table of all runs, and until every chart is
drawn.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.browser.conftest import DRAWN, GIVE_UP_MS, find_browser
from tests.records import make_record, make_roofline
from tests.showcase import write_many

RECORDS = 2000


def write_small(folder: Path, count: int) -> None:
    record = make_record(roofline=make_roofline())
    for number in range(count):
        name = f"20260103T000000Z-{number:05}"
        (folder / name).mkdir(parents=True)
        content = msgspec.json.encode(replace(record, run_id=name))
        (folder / name / "record.json").write_bytes(content)


def time_rendering(folder: Path, page: Path) -> tuple[float, float]:
    """Seconds on the clock, and of processor time, which others on the machine change less."""
    words = [sys.executable, "-m", "resnet50_bench", "report", str(folder), "-o", str(page)]
    begin, before = time.perf_counter(), _read_cpu_s()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - begin, _read_cpu_s() - before


def _read_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def time_page(page_file: Path) -> dict[str, float]:
    """Seconds since the page was asked for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = browser.new_page()
        begin = time.perf_counter()
        page.goto(page_file.as_uri(), wait_until="commit")
        page.wait_for_selector("#all tbody tr", timeout=GIVE_UP_MS)
        ready = time.perf_counter() - begin
        page.wait_for_selector(DRAWN, timeout=GIVE_UP_MS)
        drawn = time.perf_counter() - begin
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        browser.close()
    return {"first paint": paint / 1e3, "answer and table": ready, "all charts": drawn}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    kinds: dict[str, Callable[[Path, int], None]] = {
        "2 instances": write_small,
        "1 to 16 instances": write_many,
    }
    with tempfile.TemporaryDirectory() as desk:
        for name, write in kinds.items():
            folder, page = Path(desk) / name, Path(desk) / f"{name}.html"
            write(folder, RECORDS)
            times = [time_rendering(folder, page) for _ in range(rounds)]
            seconds = [clock for clock, _ in times]
            print(
                f"{RECORDS} records of {name}: {statistics.median(seconds):.2f} s "
                f"({min(seconds):.2f} .. {max(seconds):.2f}), "
                f"{statistics.median(cpu for _, cpu in times):.2f} s of processor time, "
                f"{page.stat().st_size / 1e6:.2f} MB"
            )
            if find_browser() is not None:
                shown = [f"{what} {value:.2f} s" for what, value in time_page(page).items()]
                print(f"  its page: {', '.join(shown)}")


if __name__ == "__main__":
    main()
