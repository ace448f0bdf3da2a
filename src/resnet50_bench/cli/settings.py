"""The settings that stand elsewhere than on the command line: in the environment, or in a case."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resnet50_bench.errors import RequestError
from resnet50_bench.parameters.table import find_environment_settings

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.parameters.parameter import Setting


def collect_environment(*, from_env: bool, strict: bool) -> list[Setting]:
    """What the environment sets, where it is to be asked; see `--from-env` and `--strict-env`."""
    if strict:
        from resnet50_bench.packaging.variables import find_strict_settings

        return find_strict_settings(os.environ)
    return find_environment_settings(os.environ) if from_env else []


def collect_case_settings(command: str, case: str | None, file: Path | None) -> list[Setting]:
    """What a case's name says, and the test-config file of it.

    Args:
        command: `run` or another that takes a case, for advice.
        case: its name, or enough of it; None for none.
        file: of `--config`; None for none.

    Raises:
        RequestError: a file without a case.
        CaseError: no case, or more than one, is meant.
    """
    if case is None:
        if file is not None:
            raise RequestError(
                "--config holds parameters by test case, and none is named",
                f"`r50 {command} CASE --config FILE`; `r50 cases` lists the names",
            )
        return []
    from resnet50_bench.cases.catalog import design_cases, find_case
    from resnet50_bench.cases.files import read_case_config
    from resnet50_bench.cases.platforms import detect_platform
    from resnet50_bench.host.machine import read_host

    platform = detect_platform(read_host())
    found = find_case(case, design_cases(platform) if platform else ())
    settings = found.settings()
    if file is not None:
        settings += read_case_config(file).select(found.name)
    return settings
