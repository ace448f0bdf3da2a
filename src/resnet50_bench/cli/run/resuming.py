"""Goes on with an interrupted accuracy run: as it was asked for, but started as is asked now."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.cases.grammar import plan_combinations
from resnet50_bench.cli.measuring import hold_plans, make_desk, measure_plan, tell_result
from resnet50_bench.cli.options import collect_flags
from resnet50_bench.cli.run.store import find_store, tell_store
from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.results.files import read_record
from resnet50_bench.session import door

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.cli.run.options import RunOptions
    from resnet50_bench.parameters.parameter import Setting

STARTING = ("MPI", "NUM_MPI", "HOSTFILE", "INSTANCES", "CORES_PER_INSTANCE")
"""The parameters that say how instances are started, and sway no answer."""


def resume_one(folder: Path, options: RunOptions) -> int:
    """Go on with an interrupted accuracy run; return the exit code.

    Raises:
        RecordError: there is no run to resume in the folder.
        RequestError: something is asked that the run decides itself.
        ConfigError: what is asked contradicts itself.
    """
    settings = _list_settings(options)
    _refuse_others(options, settings)
    record = read_record(folder)
    if record.config.mode is not Mode.ACCURACY:
        raise RecordError(
            f"--resume {folder}: a {record.config.mode.value} run cannot be resumed",
            "only accuracy runs can: run it again",
        )
    if record.status == "completed":
        raise RecordError(
            f"--resume {folder}: this run is complete", f"`r50 show {folder}` prints its result"
        )
    plan = door.plan(start_anew(record.config, settings))
    store = find_store(options)
    with hold_plans([plan], wait=options.wait) as lock:
        result = measure_plan(plan, replace(make_desk(folder.parent, lock), resume=folder))
    code = tell_result(result, plan, as_json=options.as_json)
    return max(code, tell_store(store, result))


def start_anew(config: RunConfig, settings: Sequence[Setting]) -> RunConfig:
    """Return the config with all that starts instances as the settings say, if they say anything.

    Raises:
        ConfigError: what they say contradicts itself.
    """
    if not settings:
        return config
    asked = make_config(settings, complete=False)
    fields = [item.field for item in PARAMETERS if item.name in STARTING]
    return replace(config, **{field: getattr(asked, field) for field in fields})


def _list_settings(options: RunOptions) -> list[Setting]:
    """What stands on the command line; a later one wins."""
    assigned = itertools.chain(*plan_combinations(options.assignments))
    return [*assigned, *collect_flags(PARAMETERS, options.flags)]


def _refuse_others(options: RunOptions, settings: Sequence[Setting]) -> None:
    """A resumed run is what it was: only how the rest of it is started can be said anew."""
    given = [item.origin for item in settings if item.name.upper() not in STARTING]
    given += ["CASE"] * bool(options.case)
    given += [f"--{name}" for name in ("from_env", "case_config", "loop", "dry_run", "keep_going",
                                       "tuned") if getattr(options, name)]  # fmt: skip
    if given:
        raise RequestError(
            f"--resume goes on with the run as it was asked for, so {', '.join(given)} cannot be "
            "given with it",
            "`r50 run --resume RUN` alone, or with what says how its instances are started: "
            f"{', '.join(STARTING)}",
        )
