"""What `r50 tune` was asked, as typed values, and the search that follows from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import ConfigError, RequestError
from resnet50_bench.parameters.parameter import Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.host.amx_probe import AmxProbe
    from resnet50_bench.host.machine import Host
    from resnet50_bench.parameters.parameter import Parameter
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.search.grid import LeftOut
    from resnet50_bench.search.race.costs import Entrant
    from resnet50_bench.search.race.decision import Rules
    from resnet50_bench.search.race.estimates import Limit
    from resnet50_bench.search.race.score import Question

FORMATS = ("text", "json", "csv", "markdown")
_SWITCHES = {"on": "True", "off": "False", "both": "False,True"}
_UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LIMIT = re.compile(
    r"p(?P<percent>\d{1,2}(\.\d{1,2})?)\s*=\s*(?P<number>\d+(\.\d+)?)(?P<unit>us|ms|s)"
)
_BUDGET = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>s|m|h)?")
_PERCENT = re.compile(r"(\d+(\.\d+)?)%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """The options of `r50 tune`, named after them; `flags` are those of single parameters."""

    objective: str
    sla: str | None
    budget: str | None
    within: str
    batch_size: str | None
    cores_per_instance: str | None
    instances: str | None
    weight_sharing: str | None
    allocator: str | None
    engine: str | None
    output: Path
    form: str
    wait: bool
    show: bool
    dry_run: bool
    flags: dict[str, str | bool | None]

    def list_axes(self) -> dict[str, Setting]:
        """Return the lists that were given, by the parameter's name."""
        texts = {
            "BATCH_SIZE": self.batch_size,
            "CORES_PER_INSTANCE": self.cores_per_instance,
            "INSTANCES": self.instances,
            "WEIGHT_SHARING": _SWITCHES.get(self.weight_sharing or ""),
            "ALLOCATOR": self.allocator,
            "ENGINE": self.engine,
        }
        return {
            name: Setting(name, text, "--" + name.lower().replace("_", "-"))
            for name, text in texts.items()
            if text is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What will be searched.

    Attributes:
        question: what is asked of each configuration.
        rules: of the race.
        host: this machine.
        plans: of the configurations that fit.
        entrants: the same, for the race.
        left_out: those that do not fit.
        restricted: the lists that were given, for people.
    """

    question: Question
    rules: Rules
    host: Host
    plans: tuple[RunPlan, ...]
    entrants: tuple[Entrant, ...]
    left_out: tuple[LeftOut, ...]
    restricted: tuple[str, ...]


def parse_limit(text: str) -> Limit:
    """Read e.g. `p99=20ms`.

    Raises:
        ConfigError: it is none.
    """
    from resnet50_bench.search.race.estimates import Limit

    found = _LIMIT.fullmatch(text.strip())
    percent = float(found["percent"]) if found else 0.0
    seconds = float(found["number"]) * _UNIT_S[found["unit"]] if found else 0.0
    if not 0 < percent < 100 or seconds <= 0:
        raise ConfigError(
            [f"--sla {text!r} must be a percentile and a time in us, ms or s, such as p99=20ms"]
        )
    return Limit(percent, seconds)


def parse_budget(text: str) -> float:
    """Read e.g. `10m`, in seconds; a number alone is seconds.

    Raises:
        ConfigError: it is none.
    """
    found = _BUDGET.fullmatch(text.strip())
    seconds = float(found["number"]) * _UNIT_S[found["unit"] or "s"] if found else 0.0
    if seconds <= 0:
        raise ConfigError([f"--budget {text!r} must be a time such as 90s, 10m or 1h"])
    return seconds


def parse_within(text: str) -> float:
    """Read e.g. `2%`, as a share.

    Raises:
        ConfigError: it is none between 0 and 50 %.
    """
    found = _PERCENT.fullmatch(text.strip())
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 0.5:
        raise ConfigError([f"--within {text!r} must be above 0 and at most 50%, such as 2%"])
    return share


def plan_search(options: TuneOptions, parameters: Sequence[Parameter]) -> Search:
    """Return what will be searched; nothing is started.

    Raises:
        ConfigError: options are wrong, all of them listed.
        RequestError: no configuration fits this machine, or none fits the budget.
    """
    from resnet50_bench.cli.options import collect_flags
    from resnet50_bench.config import Mode
    from resnet50_bench.host.machine import read_host
    from resnet50_bench.search.grid import plan_grid
    from resnet50_bench.search.race.space import (
        drop_same,
        plan_axes,
        plan_combinations,
        plan_entrants,
    )
    from resnet50_bench.session import door

    question, rules = _read_numbers(options)
    mode = Setting("MODE", options.objective, "--objective")
    fixed = [mode, *collect_flags(parameters, options.flags)]
    host, given = read_host(), options.list_axes()
    try:
        axes = plan_axes(given, Mode(options.objective), host)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    engine_options = str(options.flags["ENGINE_OPTION"] or "")
    combinations = plan_combinations(axes, engine_options)
    grid = plan_grid(combinations, fixed, host, _probe(options))
    if not grid.candidates:
        reasons = dict.fromkeys(item.reason for item in grid.left_out)
        raise RequestError(
            f"no configuration fits this machine: {'; '.join(list(reasons)[:3])}",
            "`r50 doctor` says what it can run",
        )
    plans = drop_same([door.plan(item.config) for item in grid.candidates])
    restricted = tuple(f"{item.origin} {item.value}" for item in given.values())
    search = Search(question=question, rules=rules, host=host, plans=plans,
                    entrants=plan_entrants(plans), left_out=grid.left_out,
                    restricted=restricted)  # fmt: skip
    _require_time(search)
    return search


def _read_numbers(options: TuneOptions) -> tuple[Question, Rules]:
    """What stands in single flags; all that is wrong with them at once."""
    from resnet50_bench.search.race.costs import CONFIRM_S
    from resnet50_bench.search.race.decision import Rules
    from resnet50_bench.search.race.score import Objective, Question

    problems: list[str] = []
    limit, budget_s, within = None, None, 0.02
    try:
        limit = parse_limit(options.sla) if options.sla is not None else None
    except ConfigError as error:
        problems += error.problems
    try:
        budget_s = parse_budget(options.budget) if options.budget is not None else None
    except ConfigError as error:
        problems += error.problems
    try:
        within = parse_within(options.within)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    seed = str(options.flags["SEED"] or "0")
    confirm_s = CONFIRM_S if budget_s is None else min(CONFIRM_S, budget_s / 5)
    rules = Rules(confirm_s=confirm_s, limit=limit, within=within, budget_s=budget_s,
                  seed=int(seed) if seed.isdecimal() else 0)  # fmt: skip
    return Question(Objective(options.objective), limit), rules


def _probe(options: TuneOptions) -> AmxProbe | None:
    from resnet50_bench.host.amx_probe import probe_amx

    return probe_amx() if str(options.flags["PRECISION"] or "").startswith("amx_") else None


def _require_time(search: Search) -> None:
    """One trial, and the run that confirms it, must fit the budget."""
    from resnet50_bench.search.race.costs import Amounts, plan_costs

    budget_s = search.rules.budget_s
    if budget_s is None:
        return
    costs = plan_costs(search.entrants, ())
    amounts = Amounts(search.rules.trial_s, 2)
    least_s = min(
        costs.expect_trial_s(entrant, amounts, fresh=True)
        + costs.expect_confirmation_s(entrant, search.rules.confirm_s)
        for entrant in search.entrants
    )
    if least_s > budget_s:
        raise RequestError(
            f"--budget {budget_s:.0f}s: one trial, and the run that confirms it, take about "
            f"{least_s:.0f} s",
            "give it longer",
        )
