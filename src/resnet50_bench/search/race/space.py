"""What a race is run over: the axes of a space, its combinations, and which share a start."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.config import Allocator, Mode
from resnet50_bench.engines import ENGINES, load_engine
from resnet50_bench.engines.callers import CALLERS_OPTION
from resnet50_bench.errors import RequestError
from resnet50_bench.host.allocators import find_library
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.placement.layout import describe_size
from resnet50_bench.planning.plan import IMAGES_PER_CORE_S
from resnet50_bench.search.grid import cross, expand_setting
from resnet50_bench.search.race.costs import START_S, Entrant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.host.machine import Host
    from resnet50_bench.planning.plan import RunPlan

AXES = ("ENGINE", "ALLOCATOR", "WEIGHT_SHARING", "INSTANCES", "CORES_PER_INSTANCE", "BATCH_SIZE")
"""The parameters that are searched, the one that changes fastest last."""

BATCH_SIZES = "1..128"
_MOST_DIGITS = 9
"""Of a number of cores or images; Python itself refuses to read one of some thousand digits."""
_NULL_START_S = 0.5
"""Of an engine that imports no framework."""


def plan_axes(given: Mapping[str, Setting], mode: Mode, host: Host) -> list[list[Setting]]:
    """Return the values of each axis.

    Args:
        given: lists the user gave, by the parameter's name.
        mode: of the runs: a latency is that of one image, and of one copy of the weights each.
        host: this machine.

    Raises:
        ValueError: a list is not in the grammar of `grid`.
    """
    usual = _list_usual(mode, host)
    return [expand_setting(given.get(name, usual[name]), host) if name != "WEIGHT_SHARING"
            else _expand_switch(given.get(name, usual[name]))
            for name in AXES]  # fmt: skip


def _list_usual(mode: Mode, host: Host) -> dict[str, Setting]:
    latency = mode is Mode.LATENCY
    texts = {
        "ENGINE": "tensorflow",
        "ALLOCATOR": ",".join(item.value for item in find_allocators()),
        "WEIGHT_SHARING": "False" if latency else "False,True",
        "INSTANCES": "",
        "CORES_PER_INSTANCE": ",".join(map(str, list_core_counts(host))),
        "BATCH_SIZE": "1" if latency else BATCH_SIZES,
    }
    return {name: Setting(name, text, find_flag(name)) for name, text in texts.items()}


def find_flag(name: str) -> str:
    """Return the flag of a parameter."""
    return "--" + name.lower().replace("_", "-")


def _expand_switch(setting: Setting) -> list[Setting]:
    return [replace(setting, value=word.strip()) for word in setting.value.split(",")]


def plan_combinations(
    axes: Sequence[Sequence[Setting]], options: str
) -> tuple[tuple[Setting, ...], ...]:
    """Return every combination, with each way an engine has to use the cores of an instance.

    TensorFlow has two: threads inside the operations, or as many callers, each with a part of the
    batch (docs/precisions.md).

    Args:
        axes: of `plan_axes`.
        options: of the engine, as the user gave them; they are in every combination.

    Raises:
        ConfigError: there are too many.
    """
    combinations = []
    for combination in cross(axes):
        combinations += [(*combination, setting) for setting in _list_options(combination, options)]
    return tuple(combinations)


def _list_options(combination: Sequence[Setting], options: str) -> list[Setting]:
    value = {item.name: item.value for item in combination}
    own = [Setting("ENGINE_OPTION", options, "--engine-option")]
    cores, batch_size = _read_count(value["CORES_PER_INSTANCE"]), _read_count(value["BATCH_SIZE"])
    is_open = _takes_callers(value["ENGINE"]) and CALLERS_OPTION not in options
    if not is_open or value["WEIGHT_SHARING"] == "True" or not 1 < cores <= batch_size:
        return own
    text = f"{options} {CALLERS_OPTION}={cores}".strip()
    return [*own, Setting("ENGINE_OPTION", text, find_flag("ENGINE_OPTION"))]


def _takes_callers(engine: str) -> bool:
    """Whether the engine has callers; one that there is not is refused where it is planned."""
    return engine in ENGINES and not load_engine(engine).option_problems({CALLERS_OPTION: "2"})


def _read_count(text: str) -> int:
    """A number that fits a machine; 0 for what is none, which is refused where it is planned."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def list_core_counts(host: Host) -> tuple[int, ...]:
    """Return the sizes of an instance that fill a socket without a rest; of the smallest socket."""
    cores = min(Counter(core.socket for core in host.cores).values())
    return tuple(size for size in range(1, cores + 1) if cores % size == 0)


def find_allocators() -> tuple[Allocator, ...]:
    """Return the C library's, and those whose library is on this machine."""
    found = [Allocator.SYSTEM]
    for allocator in Allocator:
        if allocator is not Allocator.SYSTEM:
            with suppress(RequestError):
                find_library(allocator)
                found.append(allocator)
    return tuple(found)


def drop_same(plans: Sequence[RunPlan]) -> tuple[RunPlan, ...]:
    """Return the plans with their instances counted, and each only once.

    Those of as many instances as fit are the same as those of that number.
    """
    fixed = [replace(plan, config=_fix(plan)) for plan in plans]
    return tuple({repr(plan.config): plan for plan in fixed}.values())


def _fix(plan: RunPlan) -> RunConfig:
    lanes = count_lanes(plan)
    return replace(plan.config, instances=lanes, batch_size=plan.workload.batch_size)


def count_lanes(plan: RunPlan) -> int:
    """Return how many queries are made at once: by instances, or by their streams."""
    return sum(max(1, len(slot.streams)) for slot in plan.placement.slots)


def plan_entrants(plans: Sequence[RunPlan]) -> tuple[Entrant, ...]:
    """Return an entrant for each plan, in their order.

    Runs share a start when only the batch size tells them apart, and the prepared model is the
    same. One with an allocator of its own is a variant of the same run with the C library's.
    """
    numbers = {repr(plan.config): number for number, plan in enumerate(plans)}
    return tuple(_plan_entrant(number, plan, numbers) for number, plan in enumerate(plans))


def _plan_entrant(number: int, plan: RunPlan, numbers: Mapping[str, int]) -> Entrant:
    config = plan.config
    base = None
    if config.allocator is not Allocator.SYSTEM:
        base = numbers.get(repr(replace(config, allocator=Allocator.SYSTEM)))
    rate = IMAGES_PER_CORE_S * plan.placement.cores_per_instance
    return Entrant(
        number=number,
        start=repr((replace(config, batch_size=None), plan.model_source)),
        lanes=count_lanes(plan),
        query_s=plan.workload.batch_size / rate,
        start_s=START_S if plan.engine.needs_model else _NULL_START_S,
        base=base,
    )


def describe_plan(plan: RunPlan) -> str:
    """Say what makes a run, e.g. `batch 16, 1 instance x 2 cores, callers=2`."""
    config = plan.config
    parts = [f"batch {plan.workload.batch_size}", describe_size(plan.placement)]
    parts += [f"{name}={text}" for name, text in sorted(config.engine_options.items())]
    if config.allocator is not Allocator.SYSTEM:
        parts.append(config.allocator.value)
    return ", ".join(parts)
