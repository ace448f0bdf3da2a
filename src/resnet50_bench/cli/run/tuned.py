"""`r50 run --tuned`: the stored answer as settings, and what is said of it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_line
from resnet50_bench.cli.tune.request import parse_limit
from resnet50_bench.config import Mode
from resnet50_bench.errors import RequestError
from resnet50_bench.host.machine import read_host
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.search.race.score import Objective, Question
from resnet50_bench.search.tuned.answers import (
    Asked,
    describe_basis,
    plan_folder,
    read_all,
    render_flags,
    select_tuned,
)
from resnet50_bench.search.tuned.settings import select_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.parameters.parameter import Setting
    from resnet50_bench.search.tuned.answers import Basis, Tuned


def find_tuned(
    combinations: Sequence[tuple[Setting, ...]],
    before: Sequence[Setting],
    flags: Sequence[Setting],
    sla: str | None,
) -> list[Setting]:
    """Return the settings of the stored answer to what the runs ask, and say where it is from.

    Raises:
        RequestError: there is no such answer, it is stale, or the runs ask for several.
        ConfigError: a setting is wrong.
    """
    given = [*before, *(item for combination in combinations for item in combination), *flags]
    configs = [make_config([*before, *combination, *flags]) for combination in combinations]
    if len({(item.mode, item.precision, item.model) for item in configs}) > 1:
        raise RequestError(
            "--tuned takes the answer for one mode, precision and model, and these runs have "
            "several",
            "make a run for each",
        )
    config = configs[0]
    if config.mode is Mode.ACCURACY:
        raise RequestError("--tuned: speeds are tuned, and accuracy mode asks for none",
                           "leave it out")  # fmt: skip
    tuned = _select(config, sla, given)
    used, left_out = select_settings(tuned.settings, given)
    _tell(tuned, used, left_out)
    return used


def _select(config: RunConfig, sla: str | None, given: Sequence[Setting]) -> Tuned:
    limit = parse_limit(sla) if sla is not None else None
    question = Question(Objective(config.mode.value), limit).describe()
    is_named = any(item.name.upper() == "ENGINE" for item in given)
    asked = Asked(question, config.mode.value, config.precision.value,
                  config.engine if is_named else None)  # fmt: skip
    answers = read_all(plan_folder(os.environ))
    host = read_host()

    def describe(tuned: Tuned) -> Basis:
        return describe_basis(replace(config, engine=tuned.engine), host)

    return select_tuned(answers, asked, describe)


def _tell(tuned: Tuned, used: Sequence[Setting], left_out: dict[str, str]) -> None:
    settings = {item.name: item.value for item in used}
    print_line(
        f"tuned {tuned.found} for {tuned.question} on {tuned.basis.host['name']} "
        f"({tuned.basis.host['CPU']}): {render_flags(settings) or 'nothing of it is used'}",
        err=True,
    )
    for name, origin in left_out.items():
        print_line(f"{origin} wins over the tuned {name}={tuned.settings[name]}", err=True)
