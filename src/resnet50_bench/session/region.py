"""Two phrases around what is measured, for tools that trace that and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from resnet50_bench.config import CaseType
from resnet50_bench.errors import OutputError

if TYPE_CHECKING:
    from resnet50_bench.session.setting import Setting

REGION_BEGIN = "r50: measured region begins"
REGION_END = "r50: measured region ends"
"""The phrases that outside tools wait for. They stand on stderr and in `region.log` of a `pkm` run,
as it happens."""

REGION_FILE = "region.log"


def mark_region(setting: Setting, phrase: str) -> None:
    """Say the phrase, in a case that asks for it."""
    if setting.plan.config.case_type is not CaseType.PKM:
        return
    path = setting.folder / REGION_FILE
    try:
        with path.open("a") as log:
            log.write(f"{phrase} at {time.monotonic_ns()} ns\n")
    except OSError as error:  # the phrase stands on stderr too
        setting.stages.note(OutputError(path, error).message)
    setting.stages.note(phrase)
