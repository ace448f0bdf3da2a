"""Which combinations of parameters fit a machine, and why each of the others does not.

    --batch-size 1,8,16..128            1, 8, 16, 32, 64, 128
    --cores-per-instance 1,2,4,...      goes on up to the cores of a socket
    --precision all                     every precision there is

The lists are those of `parameters.lists`, with commas or blanks between the values; `...` without a
number goes on as far as the machine does, and `all` stands for every value of a parameter of words.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import RunConfig, plan_workload
from resnet50_bench.data.pool import plan_pool_batches
from resnet50_bench.engines import load_engine
from resnet50_bench.engines.offer import require_offered
from resnet50_bench.errors import (
    ConfigError,
    EngineError,
    PlacementError,
    PrecisionError,
    join_problems,
)
from resnet50_bench.parameters.lists import check_count, expand_values
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import find_problems, make_config
from resnet50_bench.parameters.table import find_parameter
from resnet50_bench.placement.layout import plan_layout
from resnet50_bench.planning.memory import GIB, find_memory_bytes, plan_instance_bytes
from resnet50_bench.precision.runnable import require_runnable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnet50_bench.host.amx_probe import AmxProbe
    from resnet50_bench.host.machine import Host
    from resnet50_bench.placement.slots import Placement

ALL = "all"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A combination that fits.

    Attributes:
        settings: what makes it this one: a value of each parameter that varies.
        config: everything that is asked of it.
    """

    settings: tuple[Setting, ...]
    config: RunConfig


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A combination that does not fit.

    Attributes:
        settings: as of a candidate.
        reason: what is in the way, in one line.
    """

    settings: tuple[Setting, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination, each in one of two places, both in the order in which they were given."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]


def cross(lists: Iterable[Sequence[Setting]]) -> tuple[tuple[Setting, ...], ...]:
    """Return every combination of one setting of each list; the first list varies slowest.

    Raises:
        ConfigError: there are too many.
    """
    lists = list(lists)
    try:
        check_count(math.prod(map(len, lists)))
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    return tuple(itertools.product(*lists))


def expand_setting(setting: Setting, host: Host, *, span_sockets: bool = False) -> list[Setting]:
    """Return a setting for each value of its list; a parameter whose value is whole has one.

    Args:
        setting: a list, as in the first lines of this module.
        host: how far `...` goes: the cores of the largest socket, or the instances that fit.
        span_sockets: an instance may cross sockets.

    Raises:
        ValueError: the list is not in the grammar.
    """
    parameter = find_parameter(setting.name)
    if parameter is None or parameter.whole or parameter.switch:
        return [setting]
    text = setting.value.replace("\u2026", "...").replace(",", " ")
    if text.strip().lower() == ALL and parameter.choices:
        values = [word for word in parameter.choices if not _is_idle_engine(parameter.name, word)]
    else:
        values = expand_values(text, _find_last(parameter.name, host, span_sockets=span_sockets))
    return [Setting(setting.name, value, setting.origin) for value in dict.fromkeys(values)]


def _is_idle_engine(name: str, word: str) -> bool:
    """`all` engines are those that compute something."""
    return name == "ENGINE" and not load_engine(word).needs_model


def _find_last(name: str, host: Host, *, span_sockets: bool) -> int | None:
    sockets = Counter(core.socket for core in host.cores)
    bounds = {
        "CORES_PER_INSTANCE": len(host.cores) if span_sockets else max(sockets.values()),
        "INSTANCES": len(host.cores),
    }
    return bounds.get(name)


def plan_grid(
    combinations: Sequence[tuple[Setting, ...]],
    fixed: Sequence[Setting],
    host: Host,
    amx: AmxProbe | None = None,
) -> Grid:
    """Return which combinations fit a machine: nothing is started and no file is opened.

    A combination fits where its parameters go together, the CPU runs its precision, its instances
    find their cores, and what memory they are expected to need is there.

    Args:
        combinations: what each sets, such as `cross` returns.
        fixed: settings that hold for all; a combination wins over them.
        host: the machine.
        amx: what `probe_amx` found; None where the CPU's flags alone decide.

    Raises:
        ConfigError: a name or a value is wrong, whatever it is combined with.
    """
    problems = find_problems([*fixed, *itertools.chain(*combinations)])
    if problems:
        raise ConfigError(problems)
    candidates, left_out = [], []
    for combination in combinations:
        try:
            config = make_config([*fixed, *combination])
            require_fit(config, host, amx)
        except (ConfigError, EngineError, PrecisionError, PlacementError) as error:
            left_out.append(LeftOut(combination, join_problems(error)))
        else:
            candidates.append(Candidate(combination, config))
    return Grid(tuple(candidates), tuple(left_out))


def require_fit(config: RunConfig, host: Host, amx: AmxProbe | None) -> None:
    """See that a machine can run a configuration; its memory counts as it is now.

    Raises:
        EngineError: the engine is not installed, or has not the precision.
        PrecisionError: the CPU cannot run the precision.
        PlacementError: the instances do not find their cores, or not their memory.
        ConfigError: what was asked of their placement contradicts itself.
    """
    engine = load_engine(config.engine)
    require_offered(engine, config.precision)
    if engine.needs_model:
        require_runnable(config.precision, host.cpu_flags, amx, emulated=config.emulated)
    placement = plan_layout(config, host)
    needed, available = _estimate_bytes(config, placement), find_memory_bytes(host)
    if 0 < available < needed:  # 0 of a machine that is only described
        count = len(placement.slots)
        raise PlacementError(
            f"{count} instance{'s' * (count != 1)} with batches of "
            f"{plan_workload(config).batch_size} may need {needed / GIB:.1f} GiB, and "
            f"{available / GIB:.1f} GiB is available"
        )


def _estimate_bytes(config: RunConfig, placement: Placement) -> int:
    """Of all instances. Of real images they hold as many as there is room for: none is counted."""
    batch_size = plan_workload(config).batch_size
    engine = load_engine(config.engine)
    pool = plan_pool_batches(batch_size) if config.dataset is None else 0
    each = [max(1, len(slot.streams)) * batch_size for slot in placement.slots]
    return sum(plan_instance_bytes(engine, computed, pool * computed) for computed in each)
