"""Goes through a sweep: tells the time it takes, measures, shows what was found."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from resnet50_bench.cases.platforms import detect_platform
from resnet50_bench.cli.lines import print_content, print_line, print_text
from resnet50_bench.cli.measuring import hold, make_desk, plan_point
from resnet50_bench.cli.progress import describe_seconds
from resnet50_bench.cli.run.points import describe_kpi
from resnet50_bench.cli.streams import print_error
from resnet50_bench.cli.sweep.view import SweepView
from resnet50_bench.cli.terminal import print_json
from resnet50_bench.errors import (
    ExitCode,
    Interrupted,
    OutputError,
    R50Error,
    RequestError,
    join_problems,
)
from resnet50_bench.host.machine import read_host
from resnet50_bench.printable import join_lines
from resnet50_bench.report.sweep import (
    Findings,
    describe_left_out,
    render_csv,
    render_json,
    render_markdown,
    render_text,
)
from resnet50_bench.search.attempts import Attempt, describe_attempt
from resnet50_bench.search.folder import Sweep, count_valid, hold_folder, write_sweep
from resnet50_bench.search.grid import Candidate, LeftOut
from resnet50_bench.search.identity import hash_config
from resnet50_bench.search.points import Measured, Point, PointResult, run_points
from resnet50_bench.search.rounds import (
    Agenda,
    Spent,
    drop_measured,
    estimate_all_s,
    estimate_s,
    plan_rounds,
)
from resnet50_bench.search.standings import find_exit_code
from resnet50_bench.session import door
from resnet50_bench.session.contention import list_plan_cpus
from resnet50_bench.signals import signals_raise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.cli.sweep.options import SweepOptions
    from resnet50_bench.cli.sweep.request import SweepRequest
    from resnet50_bench.contention.cpu_lock import CpuLock

_RENDER = {
    "text": render_text,
    "json": render_json,
    "csv": render_csv,
    "markdown": render_markdown,
}


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What planning each candidate on this machine told.

    Attributes:
        sweep: with the candidates that can be planned; the others are left out.
        cpus: of all their runs.
        planned_s: how long a run of each takes, by a cautious guess.
        preparing_s: how long the models take that are still to be prepared.
    """

    sweep: Sweep
    cpus: frozenset[int]
    planned_s: dict[str, float]
    preparing_s: float

    def estimate_all_s(self, points: Sequence[Point], spent: Sequence[Spent] = ()) -> float:
        """How long these points will take."""
        return self.preparing_s * (not spent) + estimate_all_s(points, self.planned_s, spent)


def show_points(request: SweepRequest, options: SweepOptions) -> None:
    """Print what would be measured, and for how long; nothing is started or written."""
    if options.form not in {"text", "json"}:
        raise RequestError(
            f"--dry-run with --format {options.form}: a plan is no table of results",
            "--format text or json",
        )
    outlook = _plan_candidates(request.sweep, request.folder)
    past = request.read_past()
    points, left = _plan_points(outlook.sweep, past)
    spent = _list_spent(past)
    left_s = outlook.estimate_all_s(left, spent)
    counts = Counter(hash_config(point.config) for point in left)
    keys = outlook.sweep.keys
    each_s = {key: estimate_s(key, outlook.planned_s, spent) for key in keys}
    if options.form == "json":
        print_json(_summarize_plan(outlook.sweep, each_s, counts) | {"expected_s": left_s})
        return
    width = max(len(_describe(item)) for item in outlook.sweep.candidates)
    lines = [
        f"{number:>4}  {_describe(item):<{width}}  {counts[key]} x about "
        f"{describe_seconds(each_s[key])}"
        for number, (key, item) in enumerate(zip(keys, outlook.sweep.candidates), 1)
    ]
    lines += describe_left_out(outlook.sweep.left_out)
    lines.append(_describe_amount(outlook.sweep, points, left, left_s))
    print_text(join_lines(lines))


def conduct(request: SweepRequest, options: SweepOptions) -> int:
    """Measure what is left of a sweep and print what it found; return the exit code.

    Raises:
        CpusHeldError: another run measures on these CPUs.
        HostError: another sweep writes to the folder.
        OutputError: the folder cannot be written.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; what was measured is kept and shown.
    """
    outlook = _plan_candidates(request.sweep, request.folder)
    with hold(outlook.cpus, wait=options.wait) as lock, hold_folder(request.folder):
        conductor = _Conductor(request, outlook, lock)
        conductor.tell()
        try:
            with signals_raise():
                conductor.measure_all(options.budget)
        except Interrupted as interruption:
            interruption.advice = conductor.describe_rest()
            _show(conductor, options.form)
            raise
    _show(conductor, options.form)
    if conductor.left:
        print_line(conductor.describe_rest(), err=True)
    return find_exit_code(outlook.sweep.candidates, conductor.attempts)


class _Conductor:
    """One going through a sweep.

    Attributes:
        folder: of the sweep.
        attempts: those of earlier goings, and of this one.
        left: the points that are left.
    """

    def __init__(self, request: SweepRequest, outlook: _Outlook, lock: CpuLock) -> None:
        self.folder = request.folder
        self._outlook = outlook
        self._desk = make_desk(request.folder, lock)
        self.sweep = outlook.sweep
        self.attempts = list(request.read_past())
        self._spent = _list_spent(self.attempts)
        self._points, left = _plan_points(self.sweep, self.attempts)
        self.left: Sequence[Point] = left
        self._view = SweepView(self.sweep, len(left), self._estimate_left_s)
        self._save()

    def tell(self) -> None:
        """Say what there is to do, and how long it will take."""
        left = self.left
        for line in describe_left_out(self.sweep.left_out):
            print_line(line, err=True)
        amount = _describe_amount(self.sweep, self._points, left, self._estimate_left_s())
        print_line(f"{amount}; kept in {self.folder}", err=True)

    def measure_all(self, budget_s: float | None) -> None:
        """Measure what is left, as far as the time allows."""
        deadline_s = None if budget_s is None else time.monotonic() + budget_s
        left_s = None if deadline_s is None else lambda: deadline_s - time.monotonic()
        agenda = Agenda(self.left, self._estimate_one_s, left_s)
        self.left = agenda.left
        with self._view:
            run_points(lambda results: self._choose(agenda, results), self._measure, self._keep)

    def describe_rest(self) -> str:
        """Say what is kept and how to go on."""
        made = sum(item.figures is not None for item in self.attempts)
        return (
            f"{made} valid run{'s' * (made != 1)} kept, {len(self.left)} left: go on with "
            f"`r50 sweep --resume {self.folder}`"
        )

    def _choose(self, agenda: Agenda, results: Sequence[PointResult]) -> Point | None:
        point = agenda.choose(results)
        self.left = agenda.left
        if point is not None:
            self._view.total = self._view.done + 1 + len(agenda.left)
            self._view.begin(point, self.attempts)
        return point

    def _measure(self, point: Point) -> Measured:
        try:
            run = door.run(door.plan(point.config), observer=self._view, desk=self._desk)
        except Interrupted:
            self.left = [point, *self.left]  # it is still to be made
            raise
        for problem in run.problems:
            print_error(problem)
        attempt = describe_attempt(run.record, run.folder)
        self.attempts.append(attempt)
        if attempt.seconds:
            self._spent.append(Spent(attempt.key, attempt.seconds))
        code = max(attempt.exit_code, ExitCode.FAILURE) if run.problems else attempt.exit_code
        return Measured(run.folder, code, describe_kpi(run.record))

    def _keep(self, results: Sequence[PointResult]) -> None:
        last = results[-1]
        if last.measured is None:
            key = hash_config(last.point.config)
            self.attempts.append(Attempt(key=key, exit_code=last.exit_code, problem=last.problem))
        self._save()
        self._view.end(last, self.attempts)

    def _save(self) -> None:
        write_sweep(self.folder, self.sweep, self.attempts)

    def _estimate_one_s(self, point: Point) -> float:
        return estimate_s(hash_config(point.config), self._outlook.planned_s, self._spent)

    def _estimate_left_s(self) -> float:
        return self._outlook.estimate_all_s(self.left, self._spent)


def _plan_candidates(sweep: Sweep, output: Path) -> _Outlook:
    """Plan a run of each candidate: what its files or its engine lack is told before any is made.

    Raises:
        R50Error: why none can run, when it is the same for all.
        RequestError: no candidate can run.
    """
    kept: list[Candidate] = []
    left_out: list[LeftOut] = []
    errors: list[R50Error] = []
    cpus: set[int] = set()
    planned_s: dict[str, float] = {}
    preparing_s: dict[Any, float] = {}
    for candidate in sweep.candidates:
        try:
            plan = plan_point(candidate.config, output)
        except R50Error as error:
            errors.append(error)
            left_out.append(LeftOut(candidate.settings, join_problems(error)))
            continue
        kept.append(candidate)
        cpus |= set(list_plan_cpus(plan))
        planned_s[hash_config(candidate.config)] = plan.expected_s - plan.preparing_s
        preparing_s[plan.config.engine, plan.config.precision] = plan.preparing_s
    if not kept:
        if len({error.message for error in errors}) == 1:
            raise errors[0]
        raise RequestError("; ".join(describe_left_out(left_out)))
    return _Outlook(
        sweep=replace(sweep, candidates=tuple(kept), left_out=(*sweep.left_out, *left_out)),
        cpus=frozenset(cpus),
        planned_s=planned_s,
        preparing_s=sum(preparing_s.values()),
    )


def _plan_points(
    sweep: Sweep, attempts: Sequence[Attempt]
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """All points, and those that are left."""
    points = plan_rounds(sweep.candidates, sweep.rounds, sweep.seed)
    return points, drop_measured(points, count_valid(attempts))


def _list_spent(attempts: Sequence[Attempt]) -> list[Spent]:
    return [Spent(item.key, item.seconds) for item in attempts if item.seconds]


def _describe(candidate: Candidate) -> str:
    return Point(number=1, settings=candidate.settings, config=candidate.config).describe()


def _describe_amount(
    sweep: Sweep, points: Sequence[Point], left: Sequence[Point], left_s: float
) -> str:
    count = len(sweep.candidates)
    rounds = f"{sweep.rounds} round{'s' * (sweep.rounds != 1)}"
    done = len(points) - len(left)
    amount = f"about {describe_seconds(left_s)}"
    if not left:
        amount = "all of them are there"
    elif done:
        amount = f"{done} are there, {amount} for the rest"
    return (
        f"{count} combination{'s' * (count != 1)} in {rounds}: {len(points)} "
        f"run{'s' * (len(points) != 1)}, {amount}"
    )


def _summarize_plan(sweep: Sweep, each_s: dict[str, float], counts: Counter[str]) -> dict[str, Any]:
    return {
        "rounds": sweep.rounds,
        "seed": sweep.seed,
        "points": [
            {
                "set": {setting.name.upper(): setting.value for setting in item.settings},
                "runs": counts[key],
                "expected_s": each_s[key],
            }
            for key, item in zip(sweep.keys, sweep.candidates)
        ],
        "left_out": [
            {"set": {setting.name.upper(): setting.value for setting in item.settings},
             "reason": item.reason}
            for item in sweep.left_out
        ],
    }  # fmt: skip


def _show(conductor: _Conductor, form: str) -> None:
    config = conductor.sweep.candidates[0].config
    host = read_host()
    platform = config.platform or detect_platform(host)
    cpu = platform.value if platform is not None else host.cpu_model
    findings = Findings(sweep=conductor.sweep, attempts=tuple(conductor.attempts), cpu=cpu)
    try:
        print_content(_RENDER[form](findings).encode())
    except OutputError as error:
        error.advice = f"the sweep is kept: `r50 sweep --resume {conductor.folder}` prints it"
        raise
