"""Reads the energy that CPU packages used, from the counters the kernel shows (RAPL).

Sources: the kernel's Documentation/power/powercap/powercap.rst and
drivers/powercap/intel_rapl_common.c (zones `package-N`, of several dies `package-N-die-M`, each
with `dram` below it; N is the physical package id; the driver serves AMD's CPUs too, since 5.8);
Documentation/hwmon/amd_energy.rst (`EsocketN`, on kernels 5.8 to 5.12 and as a module beside it).

A counter goes on from 0 behind `max_energy_range_uj`: at 350 W after about twelve minutes. It is
read far more often than that, and what goes on record has these jumps undone.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from resnet50_bench.host.kernel_files import LIVE_ROOT, read_int, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resnet50_bench.host.machine import Host

MAX_SAMPLES = 400
"""When there are so many, every other one is dropped, and the next ones are kept half as often."""

_POWERCAP = "sys/class/powercap"
_HWMON = "sys/class/hwmon"
_ROOT_ONLY = (
    "run as root, or let everybody read it: chmod a+r /{folder}/*/energy*; until the next start of "
    "the machine"
)

Part = Literal["package", "dram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyZone:
    """One counter.

    Attributes:
        name: as the kernel names it, e.g. `package-0`; of memory with its package's in front.
        socket: the physical package id.
        part: what it counts: the CPU package, or the memory behind it, which the package's own
            counter leaves out.
        range_uj: the counter goes on from 0 behind it; None for one that never does.
    """

    name: str
    socket: int
    part: Part
    range_uj: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySample:
    """The counters at one moment.

    Attributes:
        at_ns: when, on the host's monotonic clock.
        used_uj: of each zone, since the first sample.
    """

    at_ns: int
    used_uj: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What was read of the counters between the word to measure and the last result.

    Attributes:
        zones: () where nothing could be read.
        samples: by time; two or more where there are zones.
        absence: why nothing could be read; None where something was.
        advice: what would help, if anything does.
    """

    zones: tuple[EnergyZone, ...] = ()
    samples: tuple[EnergySample, ...] = ()
    absence: str | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class _Counter:
    zone: EnergyZone
    path: Path


class _Unreadable(Exception):
    """Why there is no energy to tell of, and what would help."""

    def __init__(self, absence: str, advice: str | None = None) -> None:
        super().__init__(absence)
        self.absence = absence
        self.advice = advice


class EnergyMeter:
    """Takes samples from its making until `finish`.

    Args:
        host: whose counters they are.
        root: where /sys lies.
        clock_ns: of the samples.
    """

    def __init__(
        self,
        host: Host,
        root: Path = LIVE_ROOT,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self._failure: Energy | None = None
        self._samples: list[EnergySample] = []
        self._stride = 1
        self._skipped = 0
        try:
            self._counters = _find_counters(root, host)
            self._last_uj = [_read_counter(counter) for counter in self._counters]
            self._used_uj = [0] * len(self._counters)
            self._keep()
        except _Unreadable as problem:
            self._failure = Energy(absence=problem.absence, advice=problem.advice)

    def sample(self) -> None:
        """Read the counters, so that no jump is missed, and keep what they say now and then."""
        if self._failure is not None:
            return
        try:
            self._read()
        except _Unreadable as problem:
            self._failure = Energy(absence=problem.absence, advice=problem.advice)
            return
        self._skipped += 1
        if self._skipped >= self._stride:
            self._keep()

    def finish(self) -> Energy:
        """Take the last sample and return them all."""
        self._skipped = self._stride
        self.sample()
        if self._failure is not None:
            return self._failure
        return Energy(
            zones=tuple(counter.zone for counter in self._counters), samples=tuple(self._samples)
        )

    def _read(self) -> None:
        for place, counter in enumerate(self._counters):
            now_uj = _read_counter(counter)
            self._used_uj[place] += count_used_uj(counter.zone, self._last_uj[place], now_uj)
            self._last_uj[place] = now_uj

    def _keep(self) -> None:
        self._skipped = 0
        self._samples.append(EnergySample(at_ns=self._clock_ns(), used_uj=tuple(self._used_uj)))
        if len(self._samples) >= MAX_SAMPLES:
            self._samples = self._samples[::2]
            self._stride *= 2


def count_used_uj(zone: EnergyZone, before_uj: int, now_uj: int) -> int:
    """Return what was used between two readings, no longer apart than the counter's range lasts.

    Raises:
        _Unreadable: the counter went back, and nothing says where it wraps.
    """
    if now_uj >= before_uj:
        return now_uj - before_uj
    if zone.range_uj is None or before_uj > zone.range_uj:
        raise _Unreadable(f"the counter of {zone.name} went back from {before_uj} to {now_uj} uJ")
    return zone.range_uj + 1 - before_uj + now_uj


def _find_counters(root: Path, host: Host) -> list[_Counter]:
    """Return the packages' counters, and their memory's where it has some that can be read.

    Raises:
        _Unreadable: there is none, or that of a package cannot be read.
    """
    found = list(_find_powercap(root / _POWERCAP)) or list(_find_hwmon(root / _HWMON))
    if not found:
        raise _explain_none(root, host)
    counted = _leave_out_same(found, host)
    return [
        item for item in counted if item.zone.part == "package" or read_int(item.path) is not None
    ]


def _find_powercap(folder: Path) -> Iterator[_Counter]:
    """The zones of the control type `intel-rapl`; `intel-rapl-mmio` counts the same once more."""
    for package in sorted(folder.glob("intel-rapl:*")):
        name = read_text(package / "name") or ""
        match = re.fullmatch(r"package-(\d+)(?:-die-\d+)?", name)
        if match is None:  # the memory of a package, a part of it, or the whole machine (psys)
            continue
        yield _describe(package, name, int(match[1]), "package")
        for part in sorted(folder.glob(f"{package.name}:*")):
            if read_text(part / "name") == "dram":
                yield _describe(part, f"{name} dram", int(match[1]), "dram")


def _describe(folder: Path, name: str, socket: int, part: Part) -> _Counter:
    range_uj = read_int(folder / "max_energy_range_uj")
    zone = EnergyZone(name=name, socket=socket, part=part, range_uj=range_uj)
    return _Counter(zone, folder / "energy_uj")


def _find_hwmon(folder: Path) -> Iterator[_Counter]:
    """The sockets of AMD's own driver, which undoes the jumps itself."""
    for chip in sorted(folder.glob("hwmon*")):
        if read_text(chip / "name") != "amd_energy":
            continue
        for label in sorted(chip.glob("energy*_label")):
            match = re.fullmatch(r"Esocket(\d+)", read_text(label) or "")
            if match is not None:
                socket = int(match[1])
                zone = EnergyZone(
                    name=f"socket-{socket}", socket=socket, part="package", range_uj=None
                )
                yield _Counter(zone, label.with_name(label.name.replace("_label", "_input")))


def _leave_out_same(found: list[_Counter], host: Host) -> list[_Counter]:
    """An AMD package has one counter, which some kernels show once for each of its dies."""
    if not host.cpu_model.startswith("AMD"):
        return found
    first = {(item.zone.socket, item.zone.part): item for item in reversed(found)}
    return [item for item in found if first[item.zone.socket, item.zone.part] is item]


def _read_counter(counter: _Counter) -> int:
    try:
        text = counter.path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        denied = isinstance(error, PermissionError)
        folder = _POWERCAP if _POWERCAP in str(counter.path) else _HWMON
        advice = _ROOT_ONLY.format(folder=folder) if denied else None
        raise _Unreadable(f"{counter.path}: {error.strerror}", advice) from error
    if not re.fullmatch(r"\d{1,18}", text):
        raise _Unreadable(f"{counter.path} holds {text[:20]!r}, which is no number")
    return int(text)


def _explain_none(root: Path, host: Host) -> _Unreadable:
    """Say why no counter was found."""
    hidden = next((root / _POWERCAP).glob("intel-rapl:*"), None)
    if hidden is not None:
        return _Unreadable(
            f"/{_POWERCAP}/{hidden.name} names no CPU package that can be seen from here",
            "container runtimes hide these files: run outside, or share "
            "/sys/devices/virtual/powercap with the container",
        )
    if host.virtualization is not None:
        return _Unreadable(
            "this is a virtual machine, and the CPUs' energy counters are its host's"
        )
    return _Unreadable(
        f"the kernel shows no energy counters: nothing in /{_POWERCAP}",
        "load its module: modprobe intel_rapl_msr (for AMD's CPUs, too)",
    )
