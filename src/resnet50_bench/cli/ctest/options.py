"""The options of `r50 ctest` that CTest does not know, as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CtestOptions:
    """The options that CTest does not know, as `r50 ctest --help` describes them."""

    assignments: tuple[str, ...]
    case_config: Path | None
    testcase: tuple[str, ...]
    testset: Path | None
    loop: int | None
    run: int
    keep_going: bool
    dry_run: bool
    nohup: bool
    stop: str | None
    describe_params: bool
    docker: bool
    arguments: tuple[str, ...]
