"""In which order an engine computes stands in the result, once for all instances that agree."""

from __future__ import annotations

from tests.records import make_instance, make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.instance.job import EvidenceSeen
from resnet50_bench.report.terminal import run
from resnet50_bench.report.terminal.run import list_result_rows


def list_orders(*orders):
    instances = [
        make_instance(
            number,
            evidence=EvidenceSeen(runtime="onednn 3.2.0", fused_ops={}, notes=(), order=order),
        )
        for number, order in enumerate(orders)
    ]
    config = RunConfig(instances=len(orders), cores_per_instance=1)
    record = make_record(config, instances=instances)
    return dict(list_result_rows(record, verbose=False)).get("Order")


def test_instances_that_agree_are_one_line():
    assert list_orders("all layer by layer", "all layer by layer") == "all layer by layer"


def test_instances_that_do_not_agree_are_told_apart():
    assert list_orders("in bands", "all layer by layer", "in bands") == [
        "instances 0,2: in bands",
        "instance 1: all layer by layer",
    ]


def test_of_many_that_do_not_agree_some_are_shown(monkeypatch):
    monkeypatch.setattr(run, "_SHOWN_ORDERS", 2)
    assert list_orders("a", "b", "c", "b") == [
        "instance 0: a",
        "instances 1,3: b",
        "and 1 more: record.json has all",
    ]


def test_an_engine_that_chooses_no_order_has_no_line():
    assert list_orders(None) is None
