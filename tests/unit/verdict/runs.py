"""Runs of one instance, and of lost ones, and what their verdict says."""

from __future__ import annotations

from tests.records import make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.results.record import Record
from resnet50_bench.verdict.judge import judge


def failures(record: Record) -> list[str]:
    return [finding.message for finding in judge(record).failures]


def warnings(record: Record) -> list[str]:
    return [finding.message for finding in judge(record).warnings]


def one_instance(instance, **changes) -> Record:
    """A run of one instance on two of the four cores."""
    config = changes.pop("config", RunConfig(cores_per_instance=2, instances=1))
    return make_record(config, instances=[instance], **changes)


def lost_run(*instances, **changes) -> Record:
    return make_record(instances=instances, status="lost instances", **changes)
