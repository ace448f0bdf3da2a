"""A `RunConfig` that a program made, held to what the command line holds its own to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from resnet50_bench.config import DataType, RunConfig
from resnet50_bench.errors import ConfigError, MissingDataError
from resnet50_bench.parameters.conflicts import find_conflicts, find_missing
from resnet50_bench.parameters.table import PARAMETERS


def check_config(config: RunConfig) -> RunConfig:
    """Return the config with each value as its parameter's own text would give it.

    So `mode="latency"` is as good as `Mode.LATENCY`, and a dataset makes the images real ones.

    Raises:
        ConfigError: with every problem found, each under the name of its field.
        MissingDataError: accuracy mode lacks its images or its model.
    """
    values: dict[str, Any] = {}
    defaults = RunConfig()
    problems = []
    for parameter in PARAMETERS:
        value = getattr(config, parameter.field, None) if parameter.field else None
        if value is None or isinstance(value, Mapping):
            continue
        try:
            values[parameter.field] = parameter.parse(_spell(value))
        except ValueError as error:
            problems.append(f"{parameter.field}: {value!r} must be {error}")
            values[parameter.field] = getattr(defaults, parameter.field)
    if config.dataset is not None:
        values["data_type"] = DataType.REAL
    checked = replace(config, **values)
    names = {parameter.field: parameter.field for parameter in PARAMETERS}
    conflicts, missing = find_conflicts(checked, names), find_missing(checked, names)
    if problems or (conflicts and not missing):
        raise ConfigError([*problems, *conflicts, *missing], checked)
    if missing:
        raise MissingDataError([*conflicts, *missing], checked)
    return checked


def _spell(value: Any) -> str:
    """The text that stands for a value on the command line."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
