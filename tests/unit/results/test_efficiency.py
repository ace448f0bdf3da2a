"""Joules and money by hand: in the default run 2560 images lie in a window of 20 s."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.records import BEGIN_NS, SECOND, TWO_NODES, make_record

from resnet50_bench.config import RunConfig
from resnet50_bench.errors import RecordError
from resnet50_bench.host.energy import Energy, EnergySample, EnergyZone
from resnet50_bench.results.checks import check_record
from resnet50_bench.results.efficiency import EnergyUse, compute_cost, compute_energy
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.kpi import run_kpis

PACKAGE = EnergyZone(name="package-0", socket=0, part="package", range_uj=10**9)
MEMORY = EnergyZone(name="package-0 dram", socket=0, part="dram", range_uj=10**9)
OTHER = EnergyZone(name="package-1", socket=1, part="package", range_uj=10**9)


def make_energy(zones, watts, *, seconds=(-10, 0, 20, 30)):
    """Samples at these seconds from the begin of the window, at even power."""
    samples = [
        EnergySample(
            at_ns=BEGIN_NS + at * SECOND,
            used_uj=tuple(round(1e6 * power * (at - seconds[0])) for power in watts),
        )
        for at in seconds
    ]
    return Energy(zones=tuple(zones), samples=tuple(samples))


def compute(record):
    return compute_energy(record, run_kpis(record))


@pytest.mark.parametrize("seconds", [(-10, 0, 20, 30), (-1, 7, 21), (-3, 25)])
def test_joules_of_the_window_whenever_they_were_read(seconds):
    energy = compute(make_record(energy=make_energy([PACKAGE, MEMORY], (60, 4), seconds=seconds)))
    assert isinstance(energy, EnergyUse)
    assert energy.joules == pytest.approx(1280)
    assert energy.joules_per_image == pytest.approx(0.5)
    assert energy.watts == pytest.approx(64)
    assert [zone.joules for zone in energy.zones] == pytest.approx([1200, 80])


def test_a_socket_without_cores_of_the_run_is_shown_and_not_counted():
    energy = compute(make_record(energy=make_energy([PACKAGE, OTHER], (60, 40))))
    assert isinstance(energy, EnergyUse)
    assert energy.joules == pytest.approx(1200)
    assert [zone.counted for zone in energy.zones] == [True, False]


def test_both_sockets_of_a_run_on_both():
    host = TWO_NODES.host()
    record = make_record(RunConfig(cores_per_instance=2), host)
    assert {slot.sockets for slot in record.placement.slots} == {(0,), (1,)}
    energy = compute(replace(record, energy=make_energy([PACKAGE, OTHER], (60, 40))))
    assert isinstance(energy, EnergyUse)
    assert energy.joules == pytest.approx(2000)


def test_a_socket_of_the_run_that_nothing_counts():
    record = make_record(RunConfig(cores_per_instance=2), TWO_NODES.host())
    energy = compute(replace(record, energy=make_energy([PACKAGE], (60,))))
    assert energy == Finding("no counter belongs to socket 1")


def test_a_counter_that_stands_still_is_no_zero():
    energy = compute(make_record(energy=make_energy([PACKAGE, MEMORY], (0, 4))))
    assert energy == Finding("the counter of package-0 stood still while the instances measured")


def test_memory_that_tells_nothing_adds_nothing():
    energy = compute(make_record(energy=make_energy([PACKAGE, MEMORY], (60, 0))))
    assert isinstance(energy, EnergyUse)
    assert energy.joules == pytest.approx(1200)


def test_a_reason_in_place_of_joules():
    record = make_record(energy=Energy(absence="nobody knows", advice="ask"))
    assert compute(record) == Finding("nobody knows", "ask")


def test_nothing_is_said_of_what_was_not_read_or_not_measured():
    assert compute(make_record()) is None
    assert compute_energy(make_record(energy=make_energy([PACKAGE], (60,))), None) is None


def test_a_million_images():
    # 128 images/s are 460800 an hour.
    record = make_record(RunConfig(cores_per_instance=2, instances=2, price_per_hour=4.608))
    assert compute_cost(record, run_kpis(record)) == pytest.approx(10)
    assert compute_cost(record, None) is None
    assert compute_cost(make_record(), run_kpis(make_record())) is None


def test_each_of_several_machines_has_its_price():
    record = make_record(RunConfig(cores_per_instance=2, instances=2, price_per_hour=4.608))
    launch = replace(record.launch, hosts=("a", "b"))
    assert compute_cost(replace(record, launch=launch), run_kpis(record)) == pytest.approx(20)


def test_a_record_whose_energy_contradicts_itself_is_refused():
    good = make_energy([PACKAGE], (60,))
    samples = good.samples
    falls = replace(samples[-1], used_uj=(0,))
    for energy, field in [
        (replace(good, absence="none"), "energy.absence"),
        (replace(good, zones=()), "energy.absence"),
        (replace(good, samples=samples[:1]), "energy.samples are fewer than two"),
        (replace(good, samples=samples[::-1]), "energy.samples are not in order"),
        (replace(good, zones=(PACKAGE, OTHER)), "energy.samples.used_uj has not one count"),
        (replace(good, samples=(*samples[:-1], falls)), "energy.samples.used_uj falls"),
    ]:
        with pytest.raises(RecordError, match=field):
            check_record(make_record(energy=energy), "r")
