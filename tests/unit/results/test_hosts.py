"""A run of hosts of different kinds: each has its own machine and placement on record."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.hosts.synthetic import Machine
from tests.records import make_record

from resnet50_bench.errors import RecordError
from resnet50_bench.placement.plan import plan_placement
from resnet50_bench.placement.request import PlacementRequest
from resnet50_bench.report.terminal.run import list_result_rows
from resnet50_bench.results.checks import check_record
from resnet50_bench.results.record import OtherHost, Record
from resnet50_bench.verdict.comparison.differences import find_speed_differences


@pytest.fixture(scope="module")
def mixed() -> Record:
    """Two instances of two cores on host a, and one on b, which has two cores of another CPU."""
    record = make_record()
    small = replace(Machine(nodes=(2,)).host(), cpu_model="Abacus 9000")
    placement = plan_placement(small, PlacementRequest(record.config.mode, 2, 1))
    first = tuple(replace(item, host="a") for item in record.instances)
    third = replace(first[0], host="b", slot=replace(placement.slots[0], instance=2))
    return replace(
        record,
        launch=replace(record.launch, hosts=("a", "b")),
        others=(OtherHost(name="b", host=small, placement=placement),),
        instances=(*first, third),
    )


def test_instances_and_cores_are_those_of_all_hosts(mixed):
    check_record(mixed, "record.json")
    assert (mixed.planned_instances, mixed.used_cores) == (3, 6)
    assert mixed.find_host("b").cpu_model == "Abacus 9000"
    assert mixed.find_host("a") is mixed.find_host(None) is mixed.host


def test_hosts_of_before_are_all_like_the_first(mixed):
    alike = replace(mixed, others=())
    assert alike.planned_instances == 4
    assert alike.find_host("b") is alike.host


def swap_host(record: Record) -> Record:
    return replace(record, others=(replace(record.others[0], name="c"),))


def move_instance(record: Record) -> Record:
    last = record.instances[-1]
    moved = replace(last, slot=replace(last.slot, cpus=(0, 2)))
    return replace(record, instances=(*record.instances[:-1], moved))


def empty_host(record: Record) -> Record:
    other = record.others[0]
    return replace(record, others=(replace(other, host=replace(other.host, cores=())),))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (swap_host, "others are not the hosts of launch.hosts behind the first"),
        (move_instance, r"instances\[2\].slot is not in the placement"),
        (empty_host, r"others\[0\].host.cores is empty"),
    ],
)
def test_what_contradicts_is_refused(mixed, damage, problem):
    with pytest.raises(RecordError, match=problem):
        check_record(damage(mixed), "record.json")


def test_each_kind_is_told_with_the_numbers_of_its_instances(mixed):
    rows = dict(list_result_rows(mixed, verbose=False))
    assert rows["CPU"] == [f"a: {mixed.host.cpu_model}", "b: Abacus 9000"]
    headings = [line for line in rows["Placement"] if line.startswith("on ")]
    assert headings == ["on a (instances 0-1):", "on b (instances 2):"]


def test_such_a_run_is_not_compared_with_one_of_a_single_kind(mixed):
    alike = replace(mixed.others[0], host=mixed.host)
    found = find_speed_differences([[mixed], [replace(mixed, others=(alike,))]])
    assert "CPUs of further hosts" in {item.what for item in found}
