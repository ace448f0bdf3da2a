"""Makes pages of folders of runs, as `r50 report` does."""

from __future__ import annotations

from pathlib import Path

import click

from resnet50_bench.cli import r50


def write_page(folder: Path, page: Path) -> Path:
    """Run `r50 report` in this process."""
    command: click.Command = r50
    command.main(["report", str(folder), "--output", str(page)], standalone_mode=False)
    return page
