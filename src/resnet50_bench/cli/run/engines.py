"""`r50 run --engine all`: several engines in shuffled rounds, and one table of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.measuring import hold_plans, make_desk, plan_point
from resnet50_bench.cli.run.points import describe_kpi
from resnet50_bench.cli.streams import print_error
from resnet50_bench.cli.terminal import TerminalObserver, print_json
from resnet50_bench.errors import (
    ConfigError,
    EngineError,
    ExitCode,
    Interrupted,
    PrecisionError,
    R50Error,
    RequestError,
    join_problems,
)
from resnet50_bench.report.engines import render_engines, summarize_engines
from resnet50_bench.search.engines import (
    ROUNDS,
    EngineRow,
    list_engines,
    plan_candidates,
    summarize_engine,
)
from resnet50_bench.search.grid import ALL
from resnet50_bench.session import door
from resnet50_bench.session.run_folder import check_output
from resnet50_bench.signals import signals_raise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from resnet50_bench.cli.run.options import RunOptions
    from resnet50_bench.config import RunConfig
    from resnet50_bench.contention.cpu_lock import CpuLock
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record
    from resnet50_bench.search.grid import Candidate


@dataclass(slots=True)
class _Entrant:
    """An engine.

    Attributes:
        name: of it.
        candidates: its runs of each round; () where it cannot run.
        records: of the runs so far.
        reason: why it cannot, or no longer.
        exit_code: the worst of its runs'.
    """

    name: str
    candidates: tuple[Candidate, ...] = ()
    records: list[Record] = field(default_factory=list)
    reason: str | None = None
    exit_code: int = ExitCode.VALID

    def summarize(self) -> EngineRow:
        """Its row of the table."""
        return summarize_engine(self.name, self.records, self.reason)


def plan_engines(
    text: str, options: RunOptions, plan_config: Callable[[str], RunConfig]
) -> dict[str, RunConfig]:
    """Return what is asked of each engine, by its name.

    Args:
        text: `all`, or names with commas between them.
        options: of the command.
        plan_config: returns what is asked of an engine.

    Raises:
        RequestError: it is wrong, or something else than several engines.
    """
    _refuse_others(options)
    return {name: plan_config(name) for name in list_engines(text)}


def run_engines(configs: Mapping[str, RunConfig], options: RunOptions) -> int:
    """Measure several engines in turns and print one table of them; return the worst exit code.

    An engine that cannot run is a row with its reason where all were asked for, or with
    --skip-unrunnable.

    Args:
        configs: what is asked of each engine.
        options: of the command.

    Raises:
        EngineError: none can run on this machine, or in the precision.
        R50Error: why none can run, or one that was named cannot.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; what was measured is kept, and shown.
    """
    entrants, plans = _plan_entrants(configs, options)
    if options.dry_run:
        _show_plans(entrants, plans, options)
        return ExitCode.VALID
    config = plans[0].config
    rounds = options.repeat or ROUNDS
    folder = options.output / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}-engines"
    with hold_plans(plans, wait=options.wait) as lock:
        course = _Course(entrants, folder, lock)
        try:
            with signals_raise():
                course.measure_all(rounds, config.seed)
        except Interrupted as interruption:
            interruption.advice = f"what was measured is kept in {folder}"
            _tell(entrants, folder, config, options)
            raise
    _tell(entrants, folder, config, options)
    return max(item.exit_code for item in entrants)


def _refuse_others(options: RunOptions) -> None:
    """Several engines are measured by this command alone."""
    given = [f"--{name.replace('_', '-')}" for name in ("docker", "compare_unshared",
             "compare_native", "mlflow", "tuned", "loop") if getattr(options, name)]  # fmt: skip
    if given:
        raise RequestError(
            f"{given[0]} cannot be had with several engines", "name one engine, or leave it out"
        )


def _plan_entrants(
    configs: Mapping[str, RunConfig], options: RunOptions
) -> tuple[list[_Entrant], list[RunPlan]]:
    """Plan every run of each engine: what is wrong is told before anything is measured."""
    must_run = not options.skip_unrunnable and (options.engines or "").strip().lower() != ALL
    entrants: list[_Entrant] = []
    plans: list[RunPlan] = []
    errors: list[RequestError] = []
    for name, config in configs.items():
        entrant = _Entrant(name)
        entrants.append(entrant)
        try:
            plan = plan_point(config, options.output)
            candidates = plan_candidates(plan.config, plan.placement.cores_per_instance)
            own = [plan_point(item.config, options.output) for item in candidates]
        except RequestError as error:
            if must_run:
                raise
            entrant.reason = _explain(error)
            errors.append(error)
            continue
        entrant.candidates = candidates
        plans += own
    if not plans:
        raise _join(entrants, errors)
    return entrants, plans


def _join(entrants: Sequence[_Entrant], errors: Sequence[RequestError]) -> RequestError:
    """Why none can run: what keeps those from it that are installed, where there are any."""
    others = [item for item in errors if not isinstance(item, (EngineError, PrecisionError))]
    telling = others or errors
    if len({error.message for error in telling}) == 1:
        return telling[0]
    reasons = [f"{item.name}: {item.reason}" for item in entrants]
    return ConfigError(reasons) if others else EngineError("; ".join(reasons))


def _explain(error: R50Error) -> str:
    advice = f" -> {error.advice}" if error.advice else ""
    return f"{join_problems(error)}{advice}"


def _show_plans(
    entrants: Sequence[_Entrant], plans: Sequence[RunPlan], options: RunOptions
) -> None:
    rounds = options.repeat or ROUNDS
    expected_s = rounds * sum(plan.expected_s - plan.preparing_s for plan in plans)
    expected_s += sum(plan.preparing_s for plan in plans)
    if options.as_json:
        print_json({
            "rounds": rounds,
            "expected_s": expected_s,
            "engines": [{"engine": item.name, "runs": len(item.candidates), "reason": item.reason}
                        for item in entrants],
        })  # fmt: skip
        return
    for item in entrants:
        modes = " and ".join(candidate.config.mode.value for candidate in item.candidates)
        print_line(f"{item.name}: {modes or item.reason}")
    print_line(f"{rounds} rounds, about {expected_s:.0f} s by a cautious guess")


def _tell(
    entrants: Sequence[_Entrant], folder: Path, config: RunConfig, options: RunOptions
) -> None:
    rows = [item.summarize() for item in entrants]
    if options.as_json:
        print_json(summarize_engines(rows, precision=config.precision.value, seed=config.seed,
                                     folder=str(folder)))  # fmt: skip
        return
    print_text(render_engines(rows, config.precision.value))
    print_line(f"the runs are in {folder}")


class _Course:
    """Goes through the rounds."""

    def __init__(self, entrants: Sequence[_Entrant], folder: Path, lock: CpuLock) -> None:
        self._entrants = entrants
        self._folder = folder
        self._desk = make_desk(folder, lock)

    def measure_all(self, rounds: int, seed: int) -> None:
        """Measure each engine once a round, in an order of its own."""
        order = random.Random(seed)  # noqa: S311 - an order, no secret
        able = [item for item in self._entrants if item.candidates]
        check_output(self._folder)
        for number in range(1, rounds + 1):
            for entrant in order.sample(able, len(able)):
                if entrant.exit_code > ExitCode.INVALID_RESULT:
                    continue  # it gave no result once
                for candidate in entrant.candidates:
                    self._measure(entrant, candidate, f"round {number} of {rounds}")

    def _measure(self, entrant: _Entrant, candidate: Candidate, where: str) -> None:
        name = f"{where}: {entrant.name}, {candidate.config.mode.value}"
        with TerminalObserver() as observer:
            try:
                run = door.run(
                    door.plan(candidate.config), observer=_Caption(observer, name), desk=self._desk
                )
            except Interrupted:
                raise
            except R50Error as error:
                entrant.reason = _explain(error)
                entrant.exit_code = max(entrant.exit_code, error.exit_code)
                observer.note(f"{name}: {entrant.reason}")
                return
            entrant.records.append(run.record)
            code = run.verdict.exit_code
            entrant.exit_code = max(entrant.exit_code, code)
            invalid = "" if code == ExitCode.VALID else ", INVALID: it does not count"
            observer.note(f"{name}: {describe_kpi(run.record) or 'no KPI'}{invalid}")
        for problem in run.problems:
            print_error(problem)
            entrant.exit_code = max(entrant.exit_code, ExitCode.FAILURE)


class _Caption:
    """An `Observer` that shows the stages of a run in the waiting line, behind its name."""

    def __init__(self, observer: TerminalObserver, name: str) -> None:
        self._observer = observer
        self._name = name
        self._stage = ""

    def stage(self, number: int, total: int, text: str) -> None:
        """A stage of the run begins."""
        self._stage = f"{self._name}: [{number}/{total}]"
        self._observer.waiting(f"{self._stage} {text}", None)

    def note(self, text: str) -> None:
        """What a run notes stands in its record, too."""

    def waiting(self, text: str, share: float | None) -> None:
        """About once a second."""
        self._observer.waiting(f"{self._stage} {text}", share)
