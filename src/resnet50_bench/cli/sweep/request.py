"""What a sweep is asked: settings to candidates, and the folder that they are measured in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench import __version__
from resnet50_bench.cases.grammar import plan_combinations
from resnet50_bench.cli.measuring import list_command
from resnet50_bench.cli.options import collect_flags
from resnet50_bench.cli.settings import collect_case_settings, collect_environment
from resnet50_bench.config import CaseType, Mode
from resnet50_bench.errors import ConfigError, RequestError
from resnet50_bench.files.paths import is_there
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.machine import Host, read_host
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.report.sweep import describe_left_out
from resnet50_bench.search.assignments import find_overridden
from resnet50_bench.search.attempts import Attempt
from resnet50_bench.search.folder import (
    Sweep,
    continue_sweep,
    read_past,
    read_sweep,
    require_usable,
)
from resnet50_bench.search.grid import Candidate, Grid, cross, expand_setting, plan_grid
from resnet50_bench.search.identity import hash_config, identify_machine

if TYPE_CHECKING:
    from resnet50_bench.cli.sweep.options import SweepOptions

ROUNDS = 3
"""The fewest from which a spread can be told from an accident."""

_NAMED_ALWAYS = {"PRECISION", "BATCH_SIZE", "CORES_PER_INSTANCE"}
_PLACES = {parameter.name: place for place, parameter in enumerate(PARAMETERS)}

_SHORT = {
    Mode.THROUGHPUT: {"STEPS": "5", "MIN_TIME": "5", "WARMUP_STEPS": "3"},
    Mode.LATENCY: {"STEPS": "50", "MIN_TIME": "5", "WARMUP_STEPS": "10"},
}
"""A run of a sweep is short: rounds make up for it, each of them with instances started anew."""

_BATCH_SIZES = {Mode.THROUGHPUT: "1,8,16..128", Mode.LATENCY: "1"}
"""Those of the workload's own table of results, and what is between them."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep to begin or to go on with.

    Attributes:
        folder: its own.
        sweep: what is asked.
        begun: the folder holds a part of it already.
    """

    folder: Path
    sweep: Sweep
    begun: bool

    def read_past(self) -> tuple[Attempt, ...]:
        """What came of it so far."""
        return read_past(self.folder, self.sweep) if self.begun else ()


def plan_request(options: SweepOptions, environ: Mapping[str, str]) -> SweepRequest:
    """Return the sweep that is asked for; nothing is written.

    Raises:
        ConfigError: a name or a value is wrong, or nothing that is asked fits this machine.
        RecordError: the folder holds something else, or a sweep of something else.
        RequestError: options that exclude each other.
    """
    if options.resume is not None:
        return _resume(options, options.resume)
    host = read_host()
    sweep = _plan_sweep(options, host)
    if options.output is None:
        return SweepRequest(_name_folder(Path(environ.get("R50_OUTPUT", "runs"))), sweep, False)
    begun = require_usable(options.output)
    if begun:
        sweep = continue_sweep(options.output, read_sweep(options.output), sweep)
    return SweepRequest(options.output, sweep, begun)


def _resume(options: SweepOptions, folder: Path) -> SweepRequest:
    """A sweep that is gone on with is what it was; more rounds can be asked of it."""
    given = [item.origin for item in collect_flags(PARAMETERS, options.flags)]
    given += ["CASE"] * bool(options.case) + ["--set"] * bool(options.assignments)
    given += ["--config"] * bool(options.case_config) + ["--from-env"] * options.from_env
    given += ["--output"] * (options.output is not None)
    if given:
        raise RequestError(
            f"--resume goes on with the sweep as it was asked for, so {', '.join(given)} cannot be "
            "given with it",
            f"`r50 sweep --resume {folder}` alone; or the whole request again with --output "
            f"{folder}, which extends it",
        )
    past = read_sweep(folder)
    asked = replace(
        past, machine=identify_machine(read_host()), rounds=options.rounds or past.rounds
    )
    return SweepRequest(folder, continue_sweep(folder, past, asked), True)


def _plan_sweep(options: SweepOptions, host: Host) -> Sweep:
    grid = _plan_grid(options, host)
    if not grid.candidates:
        raise ConfigError(describe_left_out(grid.left_out))
    candidates = {hash_config(item.config): item for item in reversed(grid.candidates)}
    kept = tuple(reversed(candidates.values()))
    _require_one_mode(kept)
    return Sweep(
        tool_version=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=tuple(list_command()),
        machine=identify_machine(host),
        rounds=options.rounds or ROUNDS,
        seed=kept[0].config.seed,
        candidates=kept,
        left_out=grid.left_out,
    )


def _plan_grid(options: SweepOptions, host: Host) -> Grid:
    """The strongest setting comes last: environment, case, file, defaults, --set, flags."""
    before = [
        *collect_environment(from_env=options.from_env, strict=False),
        *collect_case_settings("sweep", options.case, options.case_config),
    ]
    flags = collect_flags(PARAMETERS, options.flags)
    assigned = plan_combinations(options.assignments)
    problems = find_overridden(assigned, flags)
    if problems:
        raise ConfigError(problems)
    named = [*before, *itertools.chain(*assigned), *flags]
    fixed, lists = _split([*flags, *_plan_lists(named, host)], host)
    fixed = [*before, *_plan_lengths(named), *fixed]
    combinations = [
        (*combination, *setting) for combination in assigned for setting in cross(lists)
    ]
    wants_amx = any("amx" in item.value.lower() for item in itertools.chain(fixed, *combinations))
    amx = probe_amx() if wants_amx and "amx_tile" in host.cpu_flags else None
    return plan_grid(combinations, fixed, host, amx)


def _split(settings: Sequence[Setting], host: Host) -> tuple[list[Setting], list[list[Setting]]]:
    """Return what holds for all, and the lists of what varies, in the order of the parameters."""
    span_sockets = any(item.name == "SPAN_SOCKETS" for item in settings)
    fixed, lists, problems = [], [], []
    for setting in sorted(settings, key=lambda item: _PLACES[item.name]):
        try:
            values = expand_setting(setting, host, span_sockets=span_sockets)
        except ValueError as error:
            problems.append(f"{setting.origin} {setting.value}: {error}")
            continue
        if len(values) > 1 or setting.name in _NAMED_ALWAYS:
            lists.append(values)
        else:
            fixed += values
    if problems:
        raise ConfigError(problems)
    return fixed, lists


def _plan_lists(named: Sequence[Setting], host: Host) -> list[Setting]:
    """The lists that are swept where none is named; a gated case has its own values."""
    names = {item.name.upper() for item in named}
    if _find_value(named, "CASE_TYPE") == CaseType.GATED.value:
        return []
    sizes = _BATCH_SIZES.get(_find_mode(named), "1")
    whole = max(sum(core.socket == socket for core in host.cores) for socket in host.sockets)
    doubling = ",".join(str(1 << power) for power in range(whole.bit_length()))
    defaults = {"BATCH_SIZE": sizes, "CORES_PER_INSTANCE": f"{doubling},{whole}"}
    return [
        Setting(name, text, f"the sweep's own {name}")
        for name, text in defaults.items()
        if name not in names
    ]


def _plan_lengths(named: Sequence[Setting]) -> list[Setting]:
    """How long a run is where that is not named."""
    names = {item.name.upper() for item in named}
    if _find_value(named, "CASE_TYPE") == CaseType.GATED.value:
        return []
    lengths = _SHORT.get(_find_mode(named), {})
    return [
        Setting(name, value, f"the sweep's own {name}")
        for name, value in lengths.items()
        if name not in names and not (name == "MIN_TIME" and "STEPS" in names)
    ]


def _find_value(named: Sequence[Setting], name: str) -> str | None:
    values = [item.value.strip().lower() for item in named if item.name.upper() == name]
    return values[-1] if values else None


def _find_mode(named: Sequence[Setting]) -> Mode:
    word = _find_value(named, "MODE") or Mode.THROUGHPUT.value
    return next((mode for mode in Mode if mode.value == word), Mode.THROUGHPUT)


def _require_one_mode(candidates: Sequence[Candidate]) -> None:
    modes = list(dict.fromkeys(item.config.mode for item in candidates))
    if Mode.ACCURACY in modes:
        raise RequestError(
            "a sweep compares speeds, and accuracy mode measures none",
            "--mode throughput or latency; `r50 run --set` makes several accuracy runs",
        )
    if len(modes) > 1:
        raise RequestError(
            "a sweep has one mode: images per second and times per query cannot be compared",
            "--mode throughput, which tells the latencies, too, or --mode latency",
        )


def _name_folder(output: Path) -> Path:
    """A new folder below that of the runs."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    suffixes = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    folders = (output / f"{stamp}-sweep{suffix}" for suffix in suffixes)
    return next(folder for folder in folders if not is_there(folder))
