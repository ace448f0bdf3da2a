"""What kind of figure a result is."""

from __future__ import annotations

from dataclasses import replace

from tests.records import make_instance, make_record
from tests.unit.verdict.runs import one_instance, warnings

from resnet50_bench.config import CaseType, RunConfig
from resnet50_bench.verdict.judge import judge


def test_a_gated_case():
    # One instance of 4 cores, the whole socket, and 10 queries or more.
    config = RunConfig(case_type=CaseType.GATED)
    assert warnings(make_record(config)) == [
        "only 10 queries were measured: too few to tell a difference by",
        "a gated case: a short check, not a performance figure",
    ]
    assert warnings(make_record(replace(config, case_type=CaseType.PKM))) == []


def test_the_null_engine_computes_nothing_and_may_idle():
    config = RunConfig(cores_per_instance=2, instances=1, engine="null")
    record = one_instance(make_instance(0, cpu_ns=0), config=config)
    assert judge(record).valid
    assert warnings(record) == ["the null engine computes nothing: this measures r50, not the CPU"]
