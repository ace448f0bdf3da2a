"""How settings become a `RunConfig`, or every problem at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from resnet50_bench.config import DataType, RunConfig
from resnet50_bench.errors import ConfigError, MissingDataError
from resnet50_bench.parameters.conflicts import find_conflicts, find_missing
from resnet50_bench.parameters.parameter import Parameter, Setting
from resnet50_bench.parameters.table import PARAMETERS, find_parameter
from resnet50_bench.parameters.values import require_plain


def make_config(settings: Iterable[Setting], *, complete: bool = True) -> RunConfig:
    """Merge settings into a config; a later setting of the same parameter wins.

    An empty value means "the default", as in the workload's own scripts.

    Args:
        settings: in their order.
        complete: whether what a run cannot do without must be there.

    Raises:
        ConfigError: with every problem found, each under the name the user gave it.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    for setting in settings:
        parameter = find_parameter(setting.name)
        if parameter is None:
            problems.append(_describe_unknown(setting))
            continue
        values.pop(parameter.field, None)
        try:
            if setting.value.strip():
                values[parameter.field] = _parse(parameter, setting)
        except ValueError as error:
            problems.append(str(error))
        origins[parameter.field] = setting.origin
    known = {item.name for item in fields(RunConfig)}
    asked = {name: value for name, value in values.items() if name in known}
    if "dataset" in asked and "data_type" not in asked:
        asked["data_type"] = DataType.REAL
    config = RunConfig(**asked)
    named = {item.field: origins.get(item.field, item.flag) for item in PARAMETERS}
    conflicts = find_conflicts(config, named)
    missing = find_missing(config, named) if complete else []
    if problems or (conflicts and not missing):
        raise ConfigError([*problems, *conflicts, *missing], config)
    if missing:
        raise MissingDataError([*conflicts, *missing], config)
    return config


def find_problems(settings: Iterable[Setting]) -> list[str]:
    """Say what is wrong with each setting alone: its name or its value, whatever the others are."""
    problems = []
    for setting in settings:
        parameter = find_parameter(setting.name)
        if parameter is None:
            problems.append(_describe_unknown(setting))
            continue
        try:
            if setting.value.strip():
                _parse(parameter, setting)
        except ValueError as error:
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def _parse(parameter: Parameter, setting: Setting) -> Any:
    try:
        return parameter.parse(require_plain(setting.value.strip()))
    except ValueError as error:
        raise ValueError(f"{setting.origin}: {setting.value!r} must be {error}") from None


def _describe_unknown(setting: Setting) -> str:
    names = [parameter.name for parameter in PARAMETERS]
    near = difflib.get_close_matches(setting.name.upper(), names, n=1)
    hint = f"did you mean {near[0]}?" if near else "the names are " + ", ".join(names)
    return f"{setting.origin}: there is no parameter {setting.name}; {hint}"
