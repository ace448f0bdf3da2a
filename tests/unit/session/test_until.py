"""How long the next attempt measures, and when there is none."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
from tests.records import BEGIN_NS, SECOND, make_instance, make_record

from resnet50_bench.config import RunConfig, Workload, plan_workload
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.session.until import measure_until, plan_next_s
from resnet50_bench.verdict.judge import judge


def make_run(config: RunConfig, seconds: float, scatter: float = 0.05, instances: int = 2):
    """Queries of 100 ms that vary by 5 %, for so long."""
    made = []
    for number in range(instances):
        luck = random.Random(number)
        moment, queries = BEGIN_NS, []
        while moment < BEGIN_NS + seconds * SECOND:
            end = moment + round(SECOND / 10 * luck.gauss(1, scatter))
            queries.append((moment, end))
            moment = end
        made.append(make_instance(number, queries))
    workload = replace(plan_workload(config), min_time_ns=round(seconds * 1e9), steps=1)
    return make_record(config, instances=made, workload=workload)


def ask(until: float | None = 1.0, **changes) -> RunConfig:
    fields = {"cores_per_instance": 2, "instances": 2, "min_time_s": 5.0, "until": until} | changes
    return RunConfig(**fields)


def relative(record) -> float:
    return 100 * run_kpis(record).throughput_interval.relative


def test_the_time_grows_with_the_square_of_what_is_missing():
    record = make_run(ask(), 5)
    half = replace(record, config=ask(until=relative(record) / 2))
    next_s, why = plan_next_s(half, 5.0)
    assert next_s == pytest.approx(5 * 4 * 1.3, rel=0.02)
    assert "% is asked; again, for 26 s" in why


def test_what_is_tight_enough_is_the_end():
    record = make_run(ask(), 5)
    assert plan_next_s(replace(record, config=ask(until=relative(record) * 1.01)), 5.0) == (
        None,
        "",
    )


def test_an_attempt_is_never_hardly_longer():
    record = make_run(ask(), 5)
    next_s, _ = plan_next_s(replace(record, config=ask(until=relative(record) * 0.999)), 5.0)
    assert next_s == pytest.approx(1.5 * 5, rel=0.02)


@pytest.mark.parametrize("limit", [{"max_time_s": 30.0}, {"timeout_s": 31.25}])
def test_no_attempt_is_longer_than_what_is_left(limit):
    record = make_run(ask(), 5)
    config = ask(until=relative(record) / 3, **limit)
    next_s, _ = plan_next_s(replace(record, config=config), 5.0)
    assert next_s == pytest.approx(25)


def test_what_is_hopeless_is_not_tried():
    record = make_run(ask(), 5)
    next_s, why = plan_next_s(replace(record, config=ask(until=0.01)), 5.0)
    assert next_s is None
    assert "+-0.01 % will not be reached: it would take about" in why
    assert "595 s are left" in why


def test_with_too_few_queries_twice_the_time_comes_next():
    next_s, why = plan_next_s(make_run(ask(), 0.5), 0.5)
    assert next_s == pytest.approx(1.0, rel=0.2)
    assert why.startswith("too few queries for an interval")


def test_what_else_is_wrong_is_not_repeated():
    record = make_run(ask(until=0.1), 5)
    short = replace(record, workload=replace(record.workload, steps=10_000))
    assert not judge(short).valid
    assert plan_next_s(short, 5.0) == (None, "")


@dataclass(frozen=True)
class Plan:
    """As much of a plan as `measure_until` looks at."""

    workload: Workload
    config: RunConfig


@dataclass(frozen=True)
class Made:
    record: object


def repeat(config: RunConfig):
    asked, notes = [], []

    def execute(plan):
        asked.append(plan.workload.min_time_ns / 1e9)
        return Made(make_run(plan.config, asked[-1]))

    plan = Plan(plan_workload(config), config)
    return measure_until(plan, execute, notes.append).record, asked, notes


def test_it_is_repeated_until_it_is_tight():
    record, asked, notes = repeat(ask(until=0.4))
    assert relative(record) <= 0.4
    assert judge(record).valid
    assert len(asked) == len(notes) + 1
    assert asked[0] == 5 < asked[1] < 200


def test_it_ends_within_its_bound_and_says_so():
    record, asked, notes = repeat(ask(until=0.2, max_time_s=60.0))
    assert sum(asked) <= 62
    assert "will not be reached" in notes[-1]
    [failure] = judge(record).failures
    assert failure.message.startswith("--until 0.2%: the throughput is known to +-")
    assert failure.advice == "raise --max-time, or ask for less"
