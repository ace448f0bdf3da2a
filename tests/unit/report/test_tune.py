from __future__ import annotations

import csv
import io

import pytest
from tests.records import make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.report.tune import (
    Story,
    is_unanswered,
    render_csv,
    render_markdown,
    render_text,
    summarize,
)
from resnet50_bench.search.race.costs import Trial
from resnet50_bench.search.race.decision import Finish, Race, Reason, Rules, find_standing
from resnet50_bench.search.race.estimates import Limit
from resnet50_bench.search.race.loop import Outcome
from resnet50_bench.search.race.score import Objective, Question
from resnet50_bench.search.race.space import drop_same, plan_entrants
from resnet50_bench.session import door

LIMIT = Limit(99.0, 0.02)


@pytest.fixture(scope="module")
def plans():
    configs = [RunConfig(engine="null", cores_per_instance=1, instances=1, batch_size=size)
               for size in (1, 2, 4)]  # fmt: skip
    return drop_same([door.plan(config) for config in configs])


def tell(plans, scores, *, winner=None, limit=None, objective=Objective.THROUGHPUT, over=0):
    trials = tuple(
        Trial(entrant=number, start=1, score=score, half_width=0.01, query_s=0.01, seconds=2.0,
              queries=100, over=over, disturbed=number == 1)
        for number, score in enumerate(scores)
    )  # fmt: skip
    race = Race(plan_entrants(plans), trials, 12.0)
    standing = find_standing(race, Rules(limit=limit))
    finish = Finish(Reason.DECIDED if winner is not None else Reason.NOBODY)
    return Story(
        plans=plans,
        question=Question(objective, limit),
        within=0.02,
        outcome=Outcome(race, standing, finish, winner),
        record=make_record() if winner is not None else None,
        folder="runs/x",
        command="r50 run --batch-size 2" if winner is not None else None,
        kept="tuned/x.json" if winner is not None else None,
    )


def test_the_best_comes_first_with_its_interval(plans) -> None:
    text = render_text(tell(plans, [100.0, 90.0], winner=0))
    first, second, *_ = text.splitlines()
    assert first.startswith("   1  batch 1, 1 instance x 1 core     100.00 images/s  (9")
    assert first.endswith("1 trial  best")
    assert second.startswith("   2  batch 2")
    assert "2 trials of 2 of 3 configurations in 1 start and a run, 12 s" in text
    assert "warning: other work had the cores in 1 of the trials" in text
    assert text.endswith("Run it      r50 run --batch-size 2\n")


def test_a_latency_is_shown_in_ms_and_the_lowest_is_the_best(plans) -> None:
    lines = summarize(tell(plans, [50.0, 100.0], winner=1, objective=Objective.LATENCY))
    best, second, untried = lines["standing"]
    assert (best["configuration"][:7], best["value"]) == ("batch 2", pytest.approx(10.0))
    assert best["low"] < best["value"] < best["high"]
    assert second["value"] == pytest.approx(20.0)
    assert (untried["value"], untried["place"]) == (None, "not tried yet")


def test_tables_hold_every_configuration(plans) -> None:
    story = tell(plans, [100.0, 90.0], winner=0)
    rows = list(csv.DictReader(io.StringIO(render_csv(story))))
    assert rows[0]["place"] == "best"
    assert len(rows) == 3
    table = render_markdown(story).splitlines()
    assert table[0].startswith("| rank | configuration |")
    assert table[2].startswith("| 1 | batch 1, 1 instance x 1 core | 100.00 |")


def test_where_nobody_keeps_to_the_limit_the_nearest_is_named(plans) -> None:
    story = tell(plans, [100.0, 90.0, 80.0], limit=LIMIT, over=50)
    text = render_text(story)
    assert "no configuration is shown to keep to p99 <= 20 ms; nearest: batch 1" in text
    assert "50.0% of its queries above it" in text
    assert "Run it" not in text
    assert not is_unanswered(story.outcome)


def test_where_all_failed_the_last_reason_is_told(plans) -> None:
    story = tell(plans, [])
    trials = tuple(Trial(entrant=number, start=1, problem="lost: SIGKILL") for number in range(3))
    race = Race(story.outcome.race.entrants, trials, 3.0)
    outcome = Outcome(race, find_standing(race, Rules()), Finish(Reason.NOBODY), None)
    assert is_unanswered(outcome)
    failed = Story(plans=plans, question=story.question, within=0.02, outcome=outcome, record=None,
                   folder="runs/x")  # fmt: skip
    assert "no configuration gave a valid result; the last one: lost: SIGKILL" in render_text(
        failed
    )
