"""The hosts of a run: each is planned for by what it is itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import (
    ConfigError,
    PlacementError,
    PrecisionError,
    R50Error,
    RequestError,
)
from resnet50_bench.host.amx_probe import AmxProbe, probe_amx
from resnet50_bench.placement.layout import plan_layout
from resnet50_bench.planning.environment import plan_environment
from resnet50_bench.precision.runnable import require_loadable, require_runnable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.engines import Engine
    from resnet50_bench.host.machine import Host
    from resnet50_bench.instance.mpi.protocol import HostSeen
    from resnet50_bench.placement.slots import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHost:
    """A host that instances are to run on, as it described itself.

    Attributes:
        name: as the hostfile names it; None for this host.
        host: the machine.
        amx: what using AMX came to there; None where that was not tried.
        is_here: it is the machine that r50 itself runs on.
    """

    name: str | None
    host: Host
    amx: AmxProbe | None = None
    is_here: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One host of a run: what it is, and who gets which of its cores.

    Attributes:
        name: as the hostfile names it; None for this host.
        host: the machine.
        placement: of its instances.
        environment: the variables set for its instances.
        emulated: slower instructions stand in there for the ones its CPU lacks.
        is_here: it is the machine that r50 itself runs on.
    """

    name: str | None
    host: Host
    placement: Placement
    environment: dict[str, str]
    emulated: bool
    is_here: bool


def find_here(config: RunConfig, host: Host) -> FoundHost:
    """Return this host as one to run on."""
    is_amx = config.precision.value.startswith("amx_")
    amx = probe_amx() if is_amx and "amx_tile" in host.cpu_flags else None
    return FoundHost(name=None, host=host, amx=amx)


def require_distinct(names: Sequence[str], seen: Sequence[HostSeen]) -> None:
    """Refuse two names of one machine, whose instances would have the same cores.

    Raises:
        RequestError: names both.
    """
    owners: dict[tuple[str, str], str] = {}
    for name, item in zip(names, seen, strict=True):
        if item.boot_id is None:
            continue
        machine = item.boot_id, item.host.hostname
        if machine in owners:
            raise RequestError(
                f"--hostfile: {owners[machine]} and {name} are one machine, {item.host.hostname}",
                "name each machine once; --num-mpi or --instances gives it more processes",
            )
        owners[machine] = name


def check_precision(config: RunConfig, engine: Engine, found: FoundHost) -> bool:
    """Return whether the precision is emulated on a host, as was allowed.

    Raises:
        PrecisionError: the host cannot run it; of several hosts it is named.
    """
    flags = found.host.cpu_flags
    try:
        emulated = engine.needs_model and not require_precision(config, found)
        require_loadable("numpy", flags)
    except PrecisionError as error:
        raise _name(found, error) from error
    return emulated


def require_precision(config: RunConfig, found: FoundHost) -> bool:
    """Return whether the precision runs natively; False means emulated, as was allowed."""
    flags = found.host.cpu_flags
    runnable = require_runnable(config.precision, flags, found.amx, emulated=config.emulated)
    return runnable.runnable


def plan_site(
    config: RunConfig, engine: Engine, found: FoundHost, batches: int | None, *, emulated: bool
) -> Site:
    """Place the instances of one host.

    Args:
        config: what was asked.
        engine: the runtime.
        found: the host.
        batches: how many there are to see in accuracy mode; None where other hosts see some, too.
        emulated: see `check_precision`.

    Raises:
        PlacementError, ConfigError: they do not fit; of several hosts it is named.
    """
    try:
        placement = plan_layout(config, found.host, batches)
    except (ConfigError, PlacementError) as error:
        raise _name(found, error) from error
    threads = placement.slots[0].threads
    return Site(
        name=found.name,
        host=found.host,
        placement=placement,
        environment=plan_environment(config, found.host, engine, threads),
        emulated=emulated,
        is_here=found.is_here,
    )


def _name(found: FoundHost, error: R50Error) -> R50Error:
    """The error with the host's name before it, where there are several."""
    if found.name is None:
        return error
    if isinstance(error, ConfigError):
        return type(error)([f"{found.name}: {item}" for item in error.problems], error.config)
    return type(error)(f"{found.name}: {error.message}", error.advice)
