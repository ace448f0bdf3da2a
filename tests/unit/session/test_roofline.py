"""When a run's limit is measured: once for its cores, and again where a result passes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from tests.records import make_record, make_roofline

from resnet50_bench.config import CaseType, RunConfig
from resnet50_bench.errors import HostError
from resnet50_bench.limits.kernels import Kind
from resnet50_bench.limits.roofline import Peak
from resnet50_bench.session import roofline as session
from resnet50_bench.session.roofline import FoundRoofline, confirm_roofline, find_roofline
from resnet50_bench.session.stages import Silence, Stages

RECORD = make_record(status="running")


def make_plan(**changes):
    fields = {
        "model": "a prepared one",
        "evaluation": None,
        "config": RunConfig(),
        "mpi": None,
        "placement": RECORD.placement,
        "host": RECORD.host,
        "engine": SimpleNamespace(traces=False),
    }
    return SimpleNamespace(**(fields | changes))


PLAN = make_plan()
STAGES = Stages(Silence(), PLAN)


def make_limit(rate: float):
    peak = Peak(kind=Kind.AVX2_FP32, operations_per_s=rate, rounds=(rate,))
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return make_roofline(peaks=(peak,), measured=now)


HIGH, LOW, LOWER = make_limit(2e12), make_limit(1e12), make_limit(5e11)
"""Of 128 images/s: 52 %, 105 % and 209 % of it."""


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The answers that a measurement gives, one after the other, and the CPUs that were asked for."""
    monkeypatch.setenv("R50_CACHE_DIR", str(tmp_path))
    answers, asked = [], []

    def measure(host, cpus, on_progress):
        asked.append(cpus)
        on_progress("avx2_fp32", 0.0)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(session, "measure_roofline", measure)
    return SimpleNamespace(answers=answers, asked=asked)


def test_it_is_measured_once_on_one_cpu_of_each_core_and_kept(measured) -> None:
    measured.answers.append(HIGH)
    assert find_roofline(PLAN, STAGES) == FoundRoofline(HIGH)
    assert find_roofline(PLAN, STAGES) == FoundRoofline(HIGH)
    assert measured.asked == [(0, 1, 2, 3)]


def test_it_is_that_of_the_cores_of_the_run_alone(measured) -> None:
    measured.answers.append(make_limit(1e12))
    config = RunConfig(cores_per_instance=2, instances=1)
    find_roofline(make_plan(placement=make_record(config).placement), STAGES)
    assert measured.asked == [(0, 1)]


@pytest.mark.parametrize(
    "plan",
    [
        make_plan(model=None),
        make_plan(evaluation="images and labels"),
        make_plan(config=RunConfig(case_type=CaseType.GATED)),
        make_plan(mpi=SimpleNamespace(hosts=("a", "b"))),
    ],
    ids=["null engine", "accuracy", "gated", "other hosts"],
)
def test_what_claims_no_speed_of_this_host_needs_none(measured, plan) -> None:
    assert find_roofline(plan, STAGES) == FoundRoofline()
    assert confirm_roofline(plan, FoundRoofline(), RECORD, STAGES) == FoundRoofline()
    assert measured.asked == []


def test_what_cannot_be_measured_is_on_record_and_ends_no_run(measured) -> None:
    measured.answers.append(HostError("it cannot be started", None))
    found = find_roofline(PLAN, STAGES)
    assert found == FoundRoofline(None, "it cannot be started")
    assert found.note(RECORD).roofline_failure == "it cannot be started"


def test_what_cannot_be_kept_is_used_all_the_same(measured, monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("R50_CACHE_DIR", str(tmp_path / "file"))
    measured.answers.append(HIGH)
    assert find_roofline(PLAN, STAGES) == FoundRoofline(HIGH)


def test_a_possible_result_is_not_measured_again(measured) -> None:
    assert confirm_roofline(PLAN, FoundRoofline(HIGH), RECORD, STAGES) == FoundRoofline(HIGH)
    assert measured.asked == []


@pytest.mark.parametrize(
    ("before", "again", "kept"),
    [(LOW, HIGH, HIGH), (LOWER, LOW, LOW), (LOW, LOWER, LOW)],
    ids=["it was too low", "still impossible", "disturbed the second time"],
)
def test_an_impossible_result_is_judged_by_the_higher_of_two(measured, before, again, kept) -> None:
    measured.answers.append(again)
    found = confirm_roofline(PLAN, FoundRoofline(before), RECORD, STAGES)
    assert found == FoundRoofline(kept)
    assert measured.asked == [(0, 1, 2, 3)]


def test_when_the_second_measurement_fails_the_first_one_stays(measured) -> None:
    measured.answers.append(HostError("no", None))
    found = confirm_roofline(PLAN, FoundRoofline(LOW), RECORD, STAGES)
    assert found == FoundRoofline(LOW)


def test_a_run_that_measured_nothing_has_no_share_to_confirm(measured) -> None:
    lost = replace(RECORD, instances=())
    assert confirm_roofline(PLAN, FoundRoofline(LOW), lost, STAGES) == FoundRoofline(LOW)
