from __future__ import annotations

import msgspec
from tests.records import make_instance, make_lost, make_record
from tests.unit.verdict.runs import lost_run

from resnet50_bench.results.record import Record
from resnet50_bench.verdict.judge import judge


def test_a_good_run_is_valid_without_warnings():
    verdict = judge(make_record())
    assert (verdict.failures, verdict.warnings, verdict.exit_code) == ((), (), 0)
    assert verdict.valid


def test_the_verdict_is_the_same_on_a_record_from_a_file():
    record = lost_run(make_lost(0, "out of memory", "x"), make_instance(1))
    copy = msgspec.json.decode(msgspec.json.encode(record), type=Record)
    assert judge(copy) == judge(record)
