"""What MLPerf's rules ask of a run of this model, and whether it has it.

The rules are those of the round in `scenarios/rounds.json`, as LoadGen's own settings and the
submission checker have them (mlcommons/inference: loadgen/mlperf.conf, tools/submission).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.results.loadgen import count_disagreements, is_valid
from resnet50_bench.scenarios.request import PERFORMANCE_SAMPLES, LoadgenMode, Scenario
from resnet50_bench.scenarios.rounds import read_rounds
from resnet50_bench.verdict.judge import judge
from resnet50_bench.verdict.loadgen import BOUND_TOP1, find_top1

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.record import LoadgenRecord, Record

MIN_DURATION_MS = 600_000
OFFLINE_SAMPLES = 24_576
IMAGES = 50_000

SCENARIOS = (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.OFFLINE)
"""Of this model in the edge category; the datacenter category, which had Server, has dropped it."""

_MIN_QUERIES = {Scenario.MULTI_STREAM: 662, Scenario.SERVER: 1}
_EARLY_STOPPING = frozenset({Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM, Scenario.SERVER})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the rules ask.

    Attributes:
        name: of it, in the rules' words.
        accepted: whether the run has it.
        found: what it has.
        wanted: what is asked.
        closed_only: the closed division asks for it, the open one does not.
    """

    name: str
    accepted: bool
    found: str
    wanted: str
    closed_only: bool = False


def list_checks(record: Record) -> list[Check]:
    """Return what the rules ask of a run that LoadGen drove, and whether it has it."""
    loadgen = record.loadgen
    assert loadgen is not None
    checks = [_check_scenario(loadgen), *_check_logs(loadgen), _check_own_verdict(record)]
    if loadgen.request.mode is LoadgenMode.ACCURACY:
        return [*checks, *_check_accuracy(record)]
    return [*checks, *_check_performance(loadgen)]


def _check_scenario(loadgen: LoadgenRecord) -> Check:
    scenario = loadgen.request.scenario
    wanted = ", ".join(item.value for item in SCENARIOS)
    return Check("scenario", scenario in SCENARIOS, scenario.value, f"one of {wanted} (edge)")


def _check_logs(loadgen: LoadgenRecord) -> Iterator[Check]:
    errors = len(loadgen.log.errors)
    ended = "whole" if loadgen.ended else "cut off"
    yield Check("logs", loadgen.ended, ended, "whole")
    yield Check("errors in the detail log", not errors, str(errors), "0")


def _check_own_verdict(record: Record) -> Check:
    verdict = judge(record)
    found = "VALID" if verdict.valid else f"INVALID: {verdict.failures[0].message}"
    return Check("r50's own verdict", verdict.valid, found, "VALID")


def _check_performance(loadgen: LoadgenRecord) -> Iterator[Check]:
    log, scenario = loadgen.log, loadgen.request.scenario
    valid = is_valid(log)
    yield Check("LoadGen's verdict", bool(valid), "VALID" if valid else "not VALID", "VALID")
    yield _check_least("min duration (ms)", log.find_number("effective_min_duration_ms"),
                       MIN_DURATION_MS)  # fmt: skip
    yield _check_least("performance sample count",
                       log.find_number("effective_performance_sample_count"),
                       PERFORMANCE_SAMPLES)  # fmt: skip
    if scenario is Scenario.OFFLINE:
        samples = log.find_number("effective_min_sample_count")
        yield _check_least("samples of the Offline query", samples, OFFLINE_SAMPLES)
    elif scenario in _MIN_QUERIES:
        yield _check_least("min query count", log.find_number("effective_min_query_count"),
                           _MIN_QUERIES[scenario])  # fmt: skip
    if scenario in _EARLY_STOPPING:
        met = log.values.get("early_stopping_met") is True
        yield Check("early stopping", met, "met" if met else "not met", "met")
    if scenario is Scenario.MULTI_STREAM:
        found = log.find_number("effective_samples_per_query")
        yield Check("samples per query", found == 8, _show(found), "8")
    yield from _check_seeds(loadgen)


def _check_least(name: str, found: float | None, least: int) -> Check:
    return Check(name, (found or 0) >= least, _show(found), f"{least:,} or more")


def _show(number: float | None) -> str:
    return "not logged" if number is None else f"{number:,.0f}"


def _check_seeds(loadgen: LoadgenRecord) -> Iterator[Check]:
    """Whole numbers of 64 bits: compared as text, never as floats."""
    current = read_rounds()[-1]
    wrong = [
        name
        for name, seed in current.seeds.items()
        if str(loadgen.log.values.get(f"effective_{name}")) != str(seed)
    ]
    found = f"others: {', '.join(wrong)}" if wrong else f"those of {current.name}"
    yield Check("seeds of the round", not wrong, found, f"those of {current.name}, "
                f"read {current.read}")  # fmt: skip


def _check_accuracy(record: Record) -> Iterator[Check]:
    evaluation = record.evaluation
    images = len(evaluation.images) if evaluation is not None else 0
    yield Check("images", images == IMAGES, f"{images:,}", f"all {IMAGES:,}")
    differing = count_disagreements(record)
    yield Check("answers logged as given", differing == 0, f"{differing} differ", "all")
    top1 = find_top1(record)
    found = f"{top1:.3f} %" if top1 is not None else "none"
    reached = top1 is not None and top1 >= BOUND_TOP1
    yield Check("accuracy", reached, found, f"{BOUND_TOP1:.3f} % or more", closed_only=True)
