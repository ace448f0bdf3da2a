"""The options of `r50 loadgen`, as typed values, and the request that follows from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from resnet50_bench.config import Mode
from resnet50_bench.errors import CaseError, ConfigError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.scenarios.request import (
    LATENCY_BOUND_NS,
    MODES,
    SAMPLES_PER_QUERY,
    IssuerCore,
    LoadgenMode,
    LoadgenRequest,
    Scenario,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import Enum

    from resnet50_bench.config import RunConfig

    Word = TypeVar("Word", bound=Enum)

_MS = 1_000_000
_SERVER_WAIT_NS = _MS


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadgenOptions:
    """The options of `r50 loadgen`, named after them; `flags` are those of single parameters."""

    case: str | None
    scenario: str | None
    mode: str
    target_qps: float | None
    find_max: bool
    latency_bound: float | None
    samples_per_query: int | None
    samples: int | None
    batch_wait: float | None
    loadgen_core: str
    rules: bool
    mlperf_conf: Path | None
    user_conf: Path | None
    export_submission: Path | None
    submitter: str
    output: Path
    wait: bool
    dry_run: bool
    as_json: bool
    flags: dict[str, str | bool | None]


def parse_scenario(options: LoadgenOptions) -> tuple[Scenario, LoadgenMode]:
    """Read the two words that decide all else.

    Raises:
        ConfigError: one is missing or none.
    """
    problems: list[str] = []
    if options.scenario is None:
        words = ", ".join(item.value for item in Scenario)
        raise ConfigError([f"--scenario is missing: one of {words}"])
    scenario = _parse_word(Scenario, "--scenario", options.scenario, problems)
    mode = _parse_word(LoadgenMode, "--mode", options.mode, problems)
    if scenario is None or mode is None:
        raise ConfigError(problems)
    return scenario, mode


def plan_mode_settings(scenario: Scenario, mode: LoadgenMode, case: list[Setting]) -> list[Setting]:
    """Return the settings that a scenario stands for: the mode, which decides the placement.

    Args:
        scenario: how queries arrive.
        mode: speed or accuracy.
        case: the settings of a test case; [] when none is named.

    Raises:
        CaseError: the case cannot have this scenario.
    """
    named = {item.name: item.value for item in case}
    wanted = (Mode.ACCURACY,) if mode is LoadgenMode.ACCURACY else MODES[scenario]
    if "CASE_TYPE" in named:
        raise CaseError(
            f"a {named['CASE_TYPE']} case fixes what is measured, and here LoadGen does",
            "name the case without it",
        )
    if "GRAMINE" in named:
        raise CaseError("an enclave shares no memory with LoadGen", "name a case without sgx")
    if "MODE" in named:
        if named["MODE"] not in {item.value for item in wanted}:
            can = " or ".join(item.value for item in wanted)
            raise CaseError(
                f"--scenario {scenario.value} --mode {mode.value} is for a case that measures "
                f"{can}, and this one measures {named['MODE']}",
                f"`r50 cases` lists those of {can}",
            )
        return case
    return [*case, Setting("MODE", wanted[0].value, f"--scenario {scenario.value}")]


def plan_own_settings(
    scenario: Scenario,
    mode: LoadgenMode,
    given: Mapping[str, str],
    samples_per_query: int | None,
) -> list[Setting]:
    """Return what holds of a scenario where nothing else was said; flags win over it.

    Args:
        scenario: how queries arrive.
        mode: speed or accuracy.
        given: the parameters that were given, by name.
        samples_per_query: as asked.
    """
    if mode is LoadgenMode.ACCURACY:
        return []
    origin = f"--scenario {scenario.value}"
    own = []
    if scenario in {Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM} and "INSTANCES" not in given:
        own.append(Setting("INSTANCES", "1", origin))
    if scenario is Scenario.MULTI_STREAM:  # a query is one batch of each instance
        samples, instances = samples_per_query or SAMPLES_PER_QUERY, given.get("INSTANCES", "1")
        count = int(instances) if re.fullmatch(r"[1-9]\d{0,5}", instances.strip()) else 1
        own.append(Setting("BATCH_SIZE", str(-(-max(1, samples) // count)), origin))
    return own


def make_request(options: LoadgenOptions, config: RunConfig) -> LoadgenRequest:
    """Return what LoadGen is asked.

    Args:
        options: of the command line.
        config: of the run.

    Raises:
        ConfigError: with every problem.
    """
    scenario, mode = parse_scenario(options)
    problems: list[str] = []
    core = _parse_word(IssuerCore, "--loadgen-core", options.loadgen_core, problems)
    problems += _find_number_problems(options)
    problems += _find_scenario_problems(options, scenario, mode)
    if problems or core is None:
        raise ConfigError(problems, config)
    by_conf = options.rules or options.mlperf_conf is not None or options.user_conf is not None
    min_time_s = config.min_time_s
    return LoadgenRequest(
        scenario=scenario,
        mode=mode,
        target_qps=options.target_qps,
        latency_bound_ns=_find_bound_ns(options, scenario, by_conf=by_conf),
        samples_per_query=options.samples_per_query,
        samples=options.samples,
        min_time_ms=round(min_time_s * 1000) if min_time_s is not None else None,
        min_queries=config.steps,
        batch_wait_ns=_find_wait_ns(options, config, scenario),
        core=core,
        rules=options.rules,
        mlperf_conf=_name_file(options.mlperf_conf),
        user_conf=_name_file(options.user_conf),
    )


def _find_number_problems(options: LoadgenOptions) -> list[str]:
    numbers = {
        "--target-qps": options.target_qps,
        "--latency-bound": options.latency_bound,
        "--samples-per-query": options.samples_per_query,
        "--samples": options.samples,
    }
    problems = [
        f"{flag} {value:g}: it must be above 0"
        for flag, value in numbers.items()
        if value is not None and not 0 < value < float("inf")
    ]
    wait = options.batch_wait
    if wait is not None and not 0 <= wait < float("inf"):
        problems.append(f"--batch-wait {wait:g}: it must be 0 or more")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", options.submitter):
        problems.append(f"--submitter {options.submitter!r}: letters, digits and . _ - alone")
    files = {"--mlperf-conf": options.mlperf_conf, "--user-conf": options.user_conf}
    problems += [
        f"{flag} {path}: there is no such file"
        for flag, path in files.items()
        if path is not None and not path.is_file()
    ]
    return problems


def _find_scenario_problems(
    options: LoadgenOptions, scenario: Scenario, mode: LoadgenMode
) -> list[str]:
    """What has a meaning in other scenarios only, and what this one cannot do without."""
    server, multi = scenario is Scenario.SERVER, scenario is Scenario.MULTI_STREAM
    meant = {
        "--target-qps": (options.target_qps is not None, {Scenario.SERVER, Scenario.OFFLINE}),
        "--find-max": (options.find_max, {Scenario.SERVER, Scenario.MULTI_STREAM}),
        "--latency-bound": (options.latency_bound is not None, {Scenario.SERVER,
                                                               Scenario.MULTI_STREAM}),
        "--samples-per-query": (options.samples_per_query is not None, {Scenario.MULTI_STREAM}),
    }  # fmt: skip
    problems = [
        f"{flag} has no meaning in {scenario.value}: leave it out"
        for flag, (given, scenarios) in meant.items()
        if given and scenario not in scenarios
    ]
    if options.find_max and mode is LoadgenMode.ACCURACY:
        problems.append("--find-max finds a speed: leave out --mode accuracy")
    if options.find_max and (options.target_qps or options.samples_per_query):
        problems.append("--find-max finds --target-qps or --samples-per-query: leave that out")
    if multi and options.latency_bound is not None and not options.find_max:
        problems.append("--latency-bound of MultiStream is what --find-max holds: add that")
    needs = server and options.target_qps is None and not options.find_max
    if needs and options.user_conf is None:
        problems.append(
            "--scenario Server needs a rate: --target-qps QPS, or --find-max to find the largest"
        )
    return problems


def find_max_bound_ns(options: LoadgenOptions, scenario: Scenario) -> int:
    """Return what --find-max holds."""
    if options.latency_bound is not None:
        return round(options.latency_bound * _MS)
    return LATENCY_BOUND_NS[scenario]


def _find_bound_ns(options: LoadgenOptions, scenario: Scenario, *, by_conf: bool) -> int | None:
    if scenario is not Scenario.SERVER:
        return None
    if options.latency_bound is not None:
        return round(options.latency_bound * _MS)
    return None if by_conf else LATENCY_BOUND_NS[scenario]


def _find_wait_ns(options: LoadgenOptions, config: RunConfig, scenario: Scenario) -> int:
    if options.batch_wait is not None:
        return round(options.batch_wait * _MS)
    return _SERVER_WAIT_NS if scenario is Scenario.SERVER and (config.batch_size or 1) > 1 else 0


def _name_file(path: Path | None) -> str | None:
    return str(path.absolute()) if path is not None else None


def _parse_word(kind: type[Word], flag: str, text: str, problems: list[str]) -> Word | None:
    for item in kind:
        if item.value.lower() == text.strip().lower():
            return item
    words = ", ".join(str(item.value) for item in kind)
    problems.append(f"{flag}: {text!r} must be one of {words}")
    return None
