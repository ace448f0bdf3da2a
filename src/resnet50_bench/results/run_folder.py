"""The folder of a run: named, made, and removed again when the run never began."""

from __future__ import annotations

import itertools
import shutil
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.config import RunConfig


def make_run_folder(output: Path, config: RunConfig) -> Path:
    """Make a folder no other run has, named by time, mode and precision."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    name = f"{stamp}-{config.mode.value}-{config.precision.value}"
    try:
        output.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = output / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise HostError(
            f"cannot write results to {output}: {error.strerror}",
            "name a folder you may write to with --output DIR",
        ) from error
    raise AssertionError("unreachable")


@contextmanager
def removed_on_failure(folder: Path) -> Iterator[None]:
    """Keep no folder of a run that started no worker."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
