"""The served page in a real browser: it follows what happens in the folder."""

from __future__ import annotations

import os
import threading

import pytest
from tests.records import make_record
from tests.showcase import make_run, plan_configs, write_run

from resnet50_bench.cli.serve.server import open_server
from resnet50_bench.cli.serve.watch import Watch
from resnet50_bench.report.html.library import read_library

pytestmark = pytest.mark.browser


def test_the_page_follows_the_runs(tmp_path, open_page):
    first, second, third = (make_run(config, n) for n, config in zip(range(3), plan_configs()))
    write_run(tmp_path / "runs", first)
    with open_server(Watch(tmp_path / "runs", read_library(os.environ)), 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            page = open_page(f"http://127.0.0.1:{server.server_port}/")
            told = page.locator("#live-text")
            told.filter(has_text="have ended: 1.").wait_for()
            begun = make_record(third.config, third.host, [], status="running", run_id="now",
                                created="2026-01-02T09:00:00+00:00")  # fmt: skip
            write_run(tmp_path / "runs", begun)
            told.filter(has_text="Now: avx_fp32, batches of 1 on 4 cores").wait_for()
            assert page.locator("#all tbody tr").count() == 1
            write_run(tmp_path / "runs", second)
            told.filter(has_text="have ended: 2.").wait_for()
            page.locator("#found").filter(has_text="2 of 2 runs").wait_for()
            link = page.locator(".run.shown .downloads a")
            with page.expect_navigation():
                link.click()
            assert first.run_id in page.content() or second.run_id in page.content()
        finally:
            server.shutdown()
