"""Energy counters read from a /sys made here."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import pytest
from tests.records import FOUR_CORES

from resnet50_bench.host.energy import MAX_SAMPLES, Energy, EnergyMeter

HOST = FOUR_CORES.host()
RANGE_UJ = 262_143_328_850
"""Of a Xeon: 2^32 units of 61 uJ."""


def write_zone(root, zone, name, uj, range_uj=RANGE_UJ):
    folder = root / "sys/class/powercap" / zone
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{uj}\n")
    if range_uj is not None:
        (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return folder / "energy_uj"


def measure(root, steps, host=HOST) -> Energy:
    """Change the counters step by step, a sample behind each but the last, which ends it."""
    meter = EnergyMeter(host, root, itertools.count(1).__next__)
    for number, change in enumerate(steps, 1):
        change()
        if number < len(steps):
            meter.sample()
    return meter.finish()


def test_two_sockets_with_their_memory(tmp_path):
    counters = [
        write_zone(tmp_path, "intel-rapl:0", "package-0", 100),
        write_zone(tmp_path, "intel-rapl:0:0", "dram", 10),
        write_zone(tmp_path, "intel-rapl:1", "package-1", 7),
    ]
    write_zone(tmp_path, "intel-rapl:0:1", "core", 1)
    write_zone(tmp_path, "intel-rapl:2", "psys", 1)
    write_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100)

    def grow():
        for step, counter in enumerate(counters, 1):
            counter.write_text(str(int(counter.read_text()) + step))

    energy = measure(tmp_path, [grow, grow])
    assert [(zone.name, zone.socket, zone.part) for zone in energy.zones] == [
        ("package-0", 0, "package"),
        ("package-0 dram", 0, "dram"),
        ("package-1", 1, "package"),
    ]
    assert [sample.used_uj for sample in energy.samples] == [(0, 0, 0), (1, 2, 3), (2, 4, 6)]
    assert [sample.at_ns for sample in energy.samples] == [1, 2, 3]
    assert energy.absence is None


def test_a_counter_that_begins_again_twice(tmp_path):
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0", 990, range_uj=999)
    steps = [lambda to=to: counter.write_text(str(to)) for to in (5, 999, 0)]
    energy = measure(tmp_path, steps)
    # 990 .. 999 and one further to 0: 10, then 5; 994; 1.
    assert [sample.used_uj for sample in energy.samples] == [(0,), (15,), (1009,), (1010,)]


@pytest.mark.parametrize("range_uj", [None, 500])
def test_a_counter_that_goes_back_and_cannot_have_begun_again(tmp_path, range_uj):
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0", 990, range_uj=range_uj)
    energy = measure(tmp_path, [lambda: counter.write_text("980")])
    assert energy == Energy(absence="the counter of package-0 went back from 990 to 980 uJ")


def test_dies_of_an_intel_package_are_counted_apart(tmp_path):
    write_zone(tmp_path, "intel-rapl:0", "package-0-die-0", 1)
    write_zone(tmp_path, "intel-rapl:1", "package-0-die-1", 1)
    energy = EnergyMeter(HOST, tmp_path).finish()
    assert [zone.name for zone in energy.zones] == ["package-0-die-0", "package-0-die-1"]


def test_dies_of_an_amd_package_show_one_counter(tmp_path):
    for number in range(4):
        name = f"package-{number // 2}-die-{number % 2}"
        write_zone(tmp_path, f"intel-rapl:{number}", name, 1)
    energy = EnergyMeter(replace(HOST, cpu_model="AMD EPYC 9755"), tmp_path).finish()
    assert [zone.name for zone in energy.zones] == ["package-0-die-0", "package-1-die-0"]


def test_amds_own_driver(tmp_path):
    chip = tmp_path / "sys/class/hwmon/hwmon3"
    chip.mkdir(parents=True)
    (chip / "name").write_text("amd_energy\n")
    for number, label in enumerate(("Ecore000", "Esocket0", "Esocket1"), 1):
        (chip / f"energy{number}_label").write_text(f"{label}\n")
        (chip / f"energy{number}_input").write_text(f"{number}00\n")
    socket = chip / "energy3_input"
    energy = measure(tmp_path, [lambda: socket.write_text("350")])
    assert [(zone.name, zone.socket) for zone in energy.zones] == [("socket-0", 0), ("socket-1", 1)]
    assert energy.samples[-1].used_uj == (0, 50)


def refuse(counter, monkeypatch):
    """Make a file that root could read all the same as unreadable as for another user."""
    from pathlib import Path

    whole = Path.read_text

    def read_text(path, *args, **kwargs):
        if path == counter:
            raise PermissionError(13, os.strerror(13))
        return whole(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", read_text)


def test_only_root_may_read(tmp_path, monkeypatch):
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    refuse(counter, monkeypatch)
    energy = measure(tmp_path, [lambda: None])
    assert energy.absence == f"{counter}: Permission denied"
    assert energy.advice is not None
    assert "chmod a+r /sys/class/powercap/*/energy*" in energy.advice
    assert (energy.zones, energy.samples) == ((), ())


def test_memory_that_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    refuse(write_zone(tmp_path, "intel-rapl:0:0", "dram", 1), monkeypatch)
    assert [zone.name for zone in EnergyMeter(HOST, tmp_path).finish().zones] == ["package-0"]


def test_a_counter_that_goes_away_while_it_is_read(tmp_path):
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0", 1)
    energy = measure(tmp_path, [counter.unlink, lambda: None])
    assert energy == Energy(absence=f"{counter}: No such file or directory")


def test_a_counter_that_is_no_number(tmp_path):
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0", "-1")
    assert (
        EnergyMeter(HOST, tmp_path).finish().absence == f"{counter} holds '-1', which is no number"
    )


def test_no_counters_on_a_machine(tmp_path):
    energy = EnergyMeter(HOST, tmp_path).finish()
    assert energy.absence == "the kernel shows no energy counters: nothing in /sys/class/powercap"
    assert energy.advice is not None
    assert "modprobe intel_rapl_msr" in energy.advice


def test_no_counters_in_a_virtual_machine(tmp_path):
    energy = EnergyMeter(replace(HOST, virtualization="KVM"), tmp_path).finish()
    assert energy.absence is not None
    assert energy.absence.startswith("this is a virtual machine, and")
    assert energy.advice is None


def test_counters_hidden_from_a_container(tmp_path):
    (tmp_path / "sys/class/powercap").mkdir(parents=True)
    (tmp_path / "sys/class/powercap/intel-rapl:0").symlink_to("../../devices/virtual/powercap/gone")
    energy = EnergyMeter(HOST, tmp_path).finish()
    assert energy.absence is not None
    assert energy.absence.startswith("/sys/class/powercap/intel-rapl:0 names no CPU package")


def test_a_long_run_keeps_few_samples_and_every_joule(tmp_path):
    counter = write_zone(tmp_path, "intel-rapl:0", "package-0", 0, range_uj=99)
    meter = EnergyMeter(HOST, tmp_path, itertools.count().__next__)
    count = 3 * MAX_SAMPLES
    for step in range(1, count + 1):
        counter.write_text(str(step * 60 % 100))
        meter.sample()
    energy = meter.finish()
    assert len(energy.samples) <= MAX_SAMPLES
    assert energy.samples[-1].used_uj == (60 * count,)
