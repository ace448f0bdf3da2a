"""A configuration that was found -> its parameters, and those that a user's flags win over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import Allocator
from resnet50_bench.parameters.parameter import Setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resnet50_bench.config import RunConfig

LAYOUT = frozenset({"CORES_PER_INSTANCE", "INSTANCES", "WEIGHT_SHARING", "ENGINE_OPTION", "MPI"})
"""Parameters that fit together or not at all: where a user gives one, the found others would
describe another layout than the one that was found."""

ORIGIN = "--tuned"


def list_settings(config: RunConfig) -> dict[str, str]:
    """Return what makes a configuration, by the framework's names; the instances are counted."""
    options = " ".join(f"{name}={text}" for name, text in sorted(config.engine_options.items()))
    settings = {
        "BATCH_SIZE": str(config.batch_size),
        "CORES_PER_INSTANCE": str(config.cores_per_instance),
        "INSTANCES": str(config.instances),
    }
    if config.weight_sharing:
        settings["WEIGHT_SHARING"] = "True"
    if config.engine != "tensorflow":
        settings["ENGINE"] = config.engine
    if options:
        settings["ENGINE_OPTION"] = options
    if config.allocator is not Allocator.SYSTEM:
        settings["ALLOCATOR"] = config.allocator.value
    return settings


def select_settings(
    found: Mapping[str, str], given: Iterable[Setting]
) -> tuple[list[Setting], dict[str, str]]:
    """Return the settings to use, and those left out with what was given instead.

    Args:
        found: of the stored answer.
        given: everything that the user set himself, which wins.
    """
    named = {item.name.upper(): item.origin for item in given if item.value.strip()}
    layout = next((origin for name, origin in named.items() if name in LAYOUT), None)
    used, left_out = [], {}
    for name, value in found.items():
        origin = named.get(name) or (layout if name in LAYOUT else None)
        if origin is None:
            used.append(Setting(name, value, ORIGIN))
        else:
            left_out[name] = origin
    return used, left_out
