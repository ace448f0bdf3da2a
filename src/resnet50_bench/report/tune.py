"""How a race went: text, tables and JSON of its standing and its winner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.printable import join_lines
from resnet50_bench.report.tables import join_markdown, render_rows
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.search.race.costs import plan_costs
from resnet50_bench.search.race.decision import Place, Reason, Row, count_trials
from resnet50_bench.search.race.estimates import Feasibility
from resnet50_bench.search.race.loop import Outcome
from resnet50_bench.search.race.score import Objective, Question, describe_limit
from resnet50_bench.search.race.space import describe_plan

if TYPE_CHECKING:
    from resnet50_bench.planning.plan import RunPlan
    from resnet50_bench.results.record import Record

SHOWN_ROWS = 10
_HEAD = ("rank", "configuration", "value", "low", "high", "unit", "trials", "place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All there is to tell of a race.

    Attributes:
        plans: of the entrants, in their order.
        question: that was asked.
        within: the difference nobody asks for, as a share.
        outcome: how it ended, or stands.
        record: of the run that confirmed the winner; None where there is none.
        folder: of the race.
        command: that runs the best; None where nothing is.
        kept: the file of the stored answer; None where none was stored.
    """

    plans: Sequence[RunPlan]
    question: Question
    within: float
    outcome: Outcome
    record: Record | None
    folder: str
    command: str | None = None
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One entrant, for people and tables.

    Attributes:
        rank: from 1, by the estimate; None of one without.
        configuration: it.
        value, low, high: images/s or ms, and its 95 % interval; None where not measured.
        unit: of them.
        trials: how many.
        place: where it stands.
    """

    rank: int | None
    configuration: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    trials: int
    place: str


def list_lines(story: Story) -> list[Line]:
    """Return the entrants, the best first; those that were not measured come last."""
    trials = count_trials(story.outcome.race.trials)
    rows = sorted(story.outcome.standing.rows, key=lambda row: _rank(row, story.outcome))
    return [_make_line(place, row, story, trials) for place, row in enumerate(rows, 1)]


def _rank(row: Row, outcome: Outcome) -> tuple[bool, bool, float, int]:
    is_out = row.place in {Place.LIMIT, Place.FAILED}
    mean = row.estimate.mean if row.estimate is not None else -math.inf
    return row.number != outcome.winner, is_out, -mean, row.number


def _make_line(rank: int, row: Row, story: Story, trials: dict[int, int]) -> Line:
    objective, estimate = story.question.objective, row.estimate
    text = describe_plan(story.plans[row.number])
    place = row.place.value
    if row.place is Place.CONTENDER and row.feasibility is Feasibility.OPEN:
        place = "limit not shown to be kept"
    if row.number == story.outcome.winner:
        place = "best"
    count = trials.get(row.number, 0)
    if estimate is None:
        return Line(None, text, None, None, None, objective.unit, count, place)
    low, high = sorted(map(objective.to_value, estimate.interval))
    return Line(
        rank, text, objective.to_value(estimate.score), low, high, objective.unit, count, place
    )


def render_text(story: Story) -> str:
    """Return the result for people."""
    lines = list_lines(story)
    shown = [line for line in lines if line.value is not None][:SHOWN_ROWS]
    table = _render_columns(shown)
    more = len([line for line in lines if line.value is not None]) - len(shown)
    if more > 0:
        table.append(f"and {more} more: --format csv lists all")
    return join_lines([*table, "", *_tell(story, lines)])


def _render_columns(lines: Sequence[Line]) -> list[str]:
    width = max((len(line.configuration) for line in lines), default=0)
    return [
        f"{line.rank:>4}  {line.configuration:<{width}}  {line.value:9.2f} {line.unit}  "
        f"({line.low:.2f} .. {line.high:.2f})  {line.trials} trial{'s' * (line.trials != 1)}  "
        f"{line.place}"
        for line in lines
    ]


def _tell(story: Story, lines: Sequence[Line]) -> list[str]:
    told = [*_tell_best(story, lines), *_tell_search(story), f"Records     {story.folder}"]
    if story.kept is not None:
        told.append(f"Stored      {story.kept}: `r50 run --tuned` uses it")
    if story.command is not None:
        told.append(f"Run it      {story.command}")
    return told


def _tell_best(story: Story, lines: Sequence[Line]) -> list[str]:
    if story.outcome.winner is None:
        return [f"No answer   {explain_no_winner(story)}"]
    best = lines[0]
    told = [f"Best        {best.configuration}"]
    if story.record is not None:
        told.append(f"Confirmed   {_describe_record(story.record)}")
    told.append(
        f"Trials      {best.value:.2f} {best.unit} ({best.low:.2f} .. {best.high:.2f} with 95 %) "
        f"in {best.trials} trial{'s' * (best.trials != 1)}"
    )
    return told


def _describe_record(record: Record) -> str:
    kpis = run_kpis(record)
    if kpis is None or kpis.latency is None:
        return record.run_id
    shown = ", ".join(
        f"p{percent:g} {value / 1e6:.2f}" for percent, value in kpis.latency.percentiles.items()
    )
    return (
        f"{kpis.images_per_s:.2f} images/s, {shown} ms in a run of {kpis.window.seconds:.1f} s: "
        f"VALID, {record.run_id}"
    )


def _tell_search(story: Story) -> list[str]:
    outcome = story.outcome
    race, rows = outcome.race, outcome.standing.rows
    tried = sum(row.place not in {Place.WAITING, Place.BASE} for row in rows)
    starts = len({trial.start for trial in race.trials})
    grid_s = plan_costs(race.entrants, race.trials).expect_grid_s(race.entrants)
    told = [
        f"Search      {len(race.trials)} trials of {tried} of {len(rows)} configurations in "
        f"{starts} start{'s' * (starts != 1)} and a run, {race.spent_s:.0f} s; a run of each would "
        f"take about {grid_s:.0f} s",
        f"Ended       {outcome.finish.reason.value}",
    ]
    close = list_close(story)
    if close:
        told.append(
            f"Not told apart from the best by {story.within:.0%}: {len(close)} more, such as "
            f"{'; '.join(close[:3])}"
        )
    disturbed = sum(trial.disturbed for trial in race.trials)
    if disturbed:
        told.append(
            f"warning: other work had the cores in {disturbed} of the trials, which say little "
            "for it"
        )
    return told


def list_close(story: Story) -> list[str]:
    """Return the entrants that could not be told from the winner."""
    rows = story.outcome.standing.select(Place.CONTENDER)
    return [
        describe_plan(story.plans[row.number]) for row in rows if row.number != story.outcome.winner
    ]


def explain_no_winner(story: Story) -> str:
    """Say why there is no answer, and what came nearest."""
    outcome, question = story.outcome, story.question
    failed = [trial for trial in outcome.race.trials if trial.problem is not None]
    if question.limit is None or not any(t.queries for t in outcome.race.trials):
        problem = failed[-1].problem if failed else outcome.finish.reason.value
        return f"no configuration gave a valid result; the last one: {problem}"
    shares = {
        trial.entrant: sum(t.over for t in outcome.race.trials if t.entrant == trial.entrant)
        / sum(t.queries for t in outcome.race.trials if t.entrant == trial.entrant)
        for trial in outcome.race.trials if trial.queries
    }  # fmt: skip
    nearest = min(shares, key=lambda number: shares[number])
    return (
        f"no configuration is shown to keep to {describe_limit(question.limit)}; nearest: "
        f"{describe_plan(story.plans[nearest])}, {shares[nearest]:.1%} of its queries above it"
    )


def render_csv(story: Story) -> str:
    """Return all entrants as CSV."""
    return render_rows([_HEAD, *map(_list_cells, list_lines(story))])


def render_markdown(story: Story) -> str:
    """Return the standing as a table, and the best below it."""
    lines = list_lines(story)
    rows = join_markdown([_HEAD, *([_show_cell(c) for c in _list_cells(line)] for line in lines)])
    return join_lines([*rows, "", *(f"    {told}" for told in _tell(story, lines))])


def _list_cells(line: Line) -> tuple[str | float | int | None, ...]:
    return (line.rank, line.configuration, line.value, line.low, line.high, line.unit,
            line.trials, line.place)  # fmt: skip


def _show_cell(cell: str | float | None) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return "" if cell is None else str(cell)


def summarize(story: Story) -> dict[str, Any]:
    """Return the race as plain JSON types."""
    outcome = story.outcome
    race = outcome.race
    limit = story.question.limit
    return {
        "question": story.question.describe(),
        "objective": story.question.objective.value,
        "limit": asdict(limit) if limit is not None else None,
        "within": story.within,
        "winner": outcome.winner,
        "reason": outcome.finish.reason.name.lower(),
        "explanation": outcome.finish.reason.value
        if outcome.winner is not None
        else explain_no_winner(story),
        "spent_s": race.spent_s,
        "expected_grid_s": plan_costs(race.entrants, race.trials).expect_grid_s(race.entrants),
        "confirmed_by": story.record.run_id if story.record is not None else None,
        "command": story.command,
        "stored": story.kept,
        "folder": story.folder,
        "standing": [asdict(line) for line in list_lines(story)],
        "entrants": [_summarize_plan(plan) for plan in story.plans],
        "trials": [asdict(trial) for trial in race.trials],
    }


def _summarize_plan(plan: RunPlan) -> dict[str, Any]:
    config = plan.config
    return {
        "configuration": describe_plan(plan),
        "batch_size": config.batch_size,
        "cores_per_instance": plan.placement.cores_per_instance,
        "instances": config.instances,
        "weight_sharing": config.weight_sharing,
        "engine": config.engine,
        "engine_options": config.engine_options,
        "allocator": config.allocator.value,
    }


def describe_trial(plan: RunPlan, value: float, half_width: float, objective: Objective) -> str:
    """Return one trial in a line."""
    return f"{describe_plan(plan)}: {value:.2f} {objective.unit} +-{half_width:.1%}"


def is_unanswered(outcome: Outcome) -> bool:
    """Whether a race ended without an answer because instances failed, not by the limit."""
    return outcome.finish.reason is Reason.NOBODY and all(
        row.place is Place.FAILED for row in outcome.standing.rows
    )
