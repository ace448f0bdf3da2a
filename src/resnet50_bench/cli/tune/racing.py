"""Runs what `r50 tune` planned: a race on this machine, shown as it goes, kept come what may."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.cli.lines import print_line, print_text
from resnet50_bench.cli.measuring import hold_plans, list_command
from resnet50_bench.cli.terminal import TerminalObserver, print_json
from resnet50_bench.errors import ExitCode, Interrupted, OutputError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.report.tune import (
    Story,
    describe_trial,
    is_unanswered,
    list_close,
    render_csv,
    render_markdown,
    render_text,
    summarize,
)
from resnet50_bench.search.race.costs import plan_costs
from resnet50_bench.search.race.decision import (
    Finish,
    Measure,
    Place,
    Race,
    Reason,
    find_standing,
    plan_budget_s,
)
from resnet50_bench.search.race.loop import Outcome, run_race
from resnet50_bench.search.race.space import describe_plan
from resnet50_bench.search.tuned.answers import (
    Tuned,
    describe_basis,
    plan_folder,
    render_flags,
    write_tuned,
)
from resnet50_bench.search.tuned.settings import list_settings
from resnet50_bench.session.preparation import prepare_model
from resnet50_bench.session.race import HostTrack, Stadium, Watcher
from resnet50_bench.session.run_folder import check_output, make_folder
from resnet50_bench.session.stages import Stages
from resnet50_bench.signals import signals_raise

if TYPE_CHECKING:
    from resnet50_bench.cli.tune.request import Search, TuneOptions
    from resnet50_bench.config import RunConfig
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record
    from resnet50_bench.search.race.costs import Trial

RACE_FILE = "tune.json"


def show_plan(search: Search, options: TuneOptions) -> None:
    """Print what would be tried, what would not and why, and how long it takes."""
    check_output(options.output)
    costs = plan_costs(search.entrants, ())
    race = Race(search.entrants, (), 0.0)
    facts: dict[str, Any] = {
        "question": search.question.describe(),
        "configurations": len(search.plans),
        "starts": len({entrant.start for entrant in search.entrants}),
        "expected_grid_s": costs.expect_grid_s(search.entrants),
        "budget_s": plan_budget_s(race, search.rules),
        "entrants": [describe_plan(plan) for plan in search.plans],
        "left_out": [
            {"set": {item.name: item.value for item in left.settings}, "reason": left.reason}
            for left in search.left_out
        ],
    }
    if options.form == "json":
        print_json(facts)
        return
    for line in _describe_search(search, facts):
        print_line(line)


def _describe_search(search: Search, facts: dict[str, Any]) -> list[str]:
    starts, left_out = facts["starts"], search.left_out
    lines = [
        f"search for {facts['question']} over {len(search.plans)} configurations, which need "
        f"{starts} kind{'s' * (starts != 1)} of instances",
        *(f"  {text}" for text in facts["entrants"]),
    ]
    budget = f"this search takes {facts['budget_s']:.0f} s at most"
    if search.rules.budget_s is None:
        budget += ", corrected as soon as the speed is known"
    lines.append(
        f"a run of each would take about {facts['expected_grid_s']:.0f} s (by a guess of the "
        f"speed); {budget}"
    )
    if left_out:
        lines.append(f"left out, as they do not fit: {len(left_out)}")
        lines += [f"  {reason}" for reason in dict.fromkeys(item.reason for item in left_out)]
    return lines


def run_tune(search: Search, options: TuneOptions) -> int:
    """Search, print the answer, store it; return the exit code."""
    check_output(options.output)
    with TerminalObserver() as terminal:
        search = replace(search, plans=_prepare(search.plans, terminal))
    with hold_plans(search.plans, wait=options.wait) as lock, TerminalObserver() as terminal:
        name = f"tune-{search.plans[0].config.precision.value}"
        folder = make_folder(options.output, name)
        show = _Show(search, terminal, folder)
        stadium = Stadium(
            plans=search.plans,
            question=search.question,
            folder=folder,
            command=list_command(),
            lock=lock,
            confirm_s=search.rules.confirm_s,
            watcher=Watcher(before=show.before, after=show.after, observer=show),
        )
        with HostTrack(stadium) as track:
            try:
                with signals_raise():
                    outcome = run_race(search.entrants, search.rules, track)
            except Interrupted as interruption:
                interruption.folder = folder
                _tell_interrupted(show.stop(), options)
                raise
        run = track.confirmed.get(outcome.winner) if outcome.winner is not None else None
        terminal.clear()
        story = show.tell(outcome, run.record if run is not None else None)
    return _conclude(story, search, options)


def _conclude(story: Story, search: Search, options: TuneOptions) -> int:
    """Store the answer, keep the story and print it."""
    outcome = story.outcome
    if outcome.winner is not None:
        config = search.plans[outcome.winner].config
        tuned = _make_tuned(story, search)
        path = write_tuned(plan_folder(os.environ), tuned)
        story = replace(story, kept=str(path), command=render_command(config, options))
    keep_story(story)
    _print(story, options.form)
    if outcome.winner is not None:
        return ExitCode.VALID
    return ExitCode.FAILURE if is_unanswered(outcome) else ExitCode.INVALID_RESULT


def _print(story: Story, form: str) -> None:
    if form == "json":
        print_json(summarize(story))
        return
    render = {"text": render_text, "csv": render_csv, "markdown": render_markdown}[form]
    print_text(render(story))


def _tell_interrupted(story: Story, options: TuneOptions) -> None:
    """The best so far; it was confirmed by nothing, and is not stored."""
    keep_story(story)
    leader = story.outcome.standing.leader
    if leader is not None:
        text = describe_plan(story.plans[leader])
        print_line(f"best so far, by trials alone: {text}", err=True)
        print_line(f"  -> {render_command(story.plans[leader].config, options)}", err=True)
    print_line(f"interrupted; what was measured is in {story.folder}", err=True)


def keep_story(story: Story) -> None:
    """Write all there is to tell into the race's folder.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(story.folder) / RACE_FILE
    content = msgspec.json.format(msgspec.json.encode(summarize(story)), indent=2)
    try:
        write_atomically(path, content + b"\n")
    except OSError as error:
        raise OutputError(path, error, "name a folder on another disk with --output") from error


def render_command(config: RunConfig, options: TuneOptions) -> str:
    """Return the command line that runs a configuration."""
    settings = {
        "MODE": config.mode.value,
        "PRECISION": config.precision.value,
        **list_settings(config),
    }
    asked = {name: str(value) for name, value in options.flags.items()
             if value not in (None, False) and name not in settings}  # fmt: skip
    return f"r50 run {render_flags({**settings, **asked})}"


def _make_tuned(story: Story, search: Search) -> Tuned:
    outcome = story.outcome
    assert outcome.winner is not None
    plan = search.plans[outcome.winner]
    estimate = outcome.standing.rows[outcome.winner].estimate
    assert estimate is not None
    objective = search.question.objective
    low, high = sorted(map(objective.to_value, estimate.interval))
    rows = outcome.standing.rows
    return Tuned(
        found=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        question=search.question.describe(),
        mode=plan.config.mode.value,
        precision=plan.config.precision.value,
        engine=plan.config.engine,
        basis=describe_basis(plan.config, search.host),
        settings=list_settings(plan.config),
        value=objective.to_value(estimate.score),
        low=low,
        high=high,
        unit=objective.unit,
        reason=outcome.finish.reason.value,
        entrants=len(rows),
        tried=sum(row.place not in {Place.WAITING, Place.BASE} for row in rows),
        close=tuple(list_close(story)),
        restricted=search.restricted,
        folder=str(story.folder),
    )


def _prepare(plans: tuple[RunPlan, ...], terminal: TerminalObserver) -> tuple[RunPlan, ...]:
    """Return the plans with their models, prepared now if that was never done."""
    models = {}
    for plan in plans:
        if plan.model_source is not None and plan.model_source not in models:
            quiet = _Quiet(terminal) if plan.model is not None else terminal
            models[plan.model_source] = prepare_model(plan, Stages(quiet, plan)).model
    return tuple(
        replace(plan, model=models[plan.model_source]) if plan.model_source is not None else plan
        for plan in plans
    )


class _Quiet:
    """An observer that passes on notes and waiting, and no numbered stages."""

    def __init__(self, terminal: TerminalObserver) -> None:
        self._terminal = terminal

    def stage(self, number: int, total: int, text: str) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show it."""
        self._terminal.note(text)

    def waiting(self, text: str, share: float | None) -> None:
        """Show it."""
        self._terminal.waiting(text, share)


class _Show(_Quiet):
    """Shows a race as it goes, and keeps what was measured after each trial."""

    def __init__(self, search: Search, terminal: TerminalObserver, folder: Path) -> None:
        super().__init__(terminal)
        self._search = search
        self._folder = folder
        self._race = Race(search.entrants, (), 0.0)
        self._where = ""
        self._is_confirming = False

    def stage(self, number: int, total: int, text: str) -> None:
        """Of the run that confirms."""
        if self._is_confirming:
            self._terminal.stage(number, total, text)

    def waiting(self, text: str, share: float | None) -> None:
        """What the instances do, behind where the race is."""
        self._terminal.waiting(f"{self._where}{text}", share)

    def before(self, race: Race, step: Measure | Finish) -> None:
        """Say what is next, who leads, and how much time is left."""
        self._race = race
        if isinstance(step, Finish):
            self._is_confirming = True
            self._where = ""
            self._terminal.note(f"the race ends: {step.reason.value}")
            leader = find_standing(race, self._search.rules).leader
            if leader is not None:
                text = describe_plan(self._search.plans[leader])
                self._terminal.note(f"confirm the best by a whole run: {text}")
            return
        self._is_confirming = False
        left_s = max(0.0, plan_budget_s(race, self._search.rules) - race.spent_s)
        self._where = f"{self._describe_leader()}{left_s:.0f} s left at most; "

    def _describe_leader(self) -> str:
        standing = find_standing(self._race, self._search.rules)
        if standing.leader is None:
            return ""
        estimate = standing.rows[standing.leader].estimate
        assert estimate is not None
        objective = self._search.question.objective
        text = describe_plan(self._search.plans[standing.leader])
        return f"best so far {objective.to_value(estimate.score):.2f} {objective.unit} ({text}), "

    def after(self, trial: Trial) -> None:
        """Print a trial and the standing after it, and keep all."""
        race = replace(self._race, trials=(*self._race.trials, trial))
        self._race = race
        plan, number = self._search.plans[trial.entrant], len(race.trials)
        if trial.problem is not None:
            self._terminal.note(f"trial {number}: {describe_plan(plan)}: {trial.problem}")
        else:
            objective = self._search.question.objective
            text = describe_trial(
                plan, objective.to_value(trial.score), trial.half_width, objective
            )
            noise = ", other work had the cores" if trial.disturbed else ""
            left = self._count_left()
            self._terminal.note(f"trial {number}: {text}{noise}; {left}")
        keep_story(self.stop())

    def _count_left(self) -> str:
        standing = find_standing(self._race, self._search.rules)
        waiting = len(standing.select(Place.WAITING))
        contenders = len(standing.select(Place.CONTENDER))
        untried = f", {waiting} not tried yet" if waiting else ""
        return f"{contenders} in contention{untried}"

    def stop(self) -> Story:
        """Return the story as far as it has come."""
        standing = find_standing(self._race, self._search.rules)
        return self.tell(Outcome(self._race, standing, Finish(Reason.STOPPED), None), None)

    def tell(self, outcome: Outcome, record: Record | None) -> Story:
        """Return the story of an outcome."""
        return Story(
            plans=self._search.plans,
            question=self._search.question,
            within=self._search.rules.within,
            outcome=outcome,
            record=record,
            folder=str(self._folder),
        )
