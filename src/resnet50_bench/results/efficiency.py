"""What an image costs: energy over the common window, and money at a price an hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.results.findings import Finding
from resnet50_bench.stats.samples import interpolate

if TYPE_CHECKING:
    from resnet50_bench.host.energy import Energy
    from resnet50_bench.results.kpi import Kpis, Window
    from resnet50_bench.results.record import Record

_UJ = 1e6
_HOUR_S = 3600
_COUNTED_IMAGES = 1_000_000


@dataclass(frozen=True, slots=True)
class ZoneEnergy:
    """What one counter says of the window.

    Attributes:
        name, socket: as in `host.energy.EnergyZone`.
        joules: used in the window.
        counted: the run had cores of this socket, so it is part of the total.
    """

    name: str
    socket: int
    joules: float
    counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyUse:
    """The energy of the sockets that a run used, in its window: all of theirs, whoever used it.

    Attributes:
        zones: every counter's.
        joules: of those that are counted.
        joules_per_image: by the images of the window.
        watts: by its length.
    """

    zones: tuple[ZoneEnergy, ...]
    joules: float
    joules_per_image: float
    watts: float


def compute_energy(record: Record, kpis: Kpis | None) -> EnergyUse | Finding | None:
    """Return the energy of a run's window, or why it is not known.

    Args:
        record: of the run.
        kpis: of it.

    Returns:
        None without KPIs, and for records of before energy was read.
    """
    energy = record.energy
    if energy is None or kpis is None:
        return None
    if energy.absence is not None:
        return Finding(energy.absence, energy.advice)
    sockets = {socket for slot in record.placement.slots for socket in slot.sockets}
    zones = tuple(
        ZoneEnergy(
            zone.name,
            zone.socket,
            _count_joules(energy, place, kpis.window),
            zone.socket in sockets,
        )
        for place, zone in enumerate(energy.zones)
    )
    missing = sockets - {zone.socket for zone in energy.zones if zone.part == "package"}
    if missing:
        return Finding(f"no counter belongs to socket {', '.join(map(str, sorted(missing)))}")
    joules = sum(zone.joules for zone in zones if zone.counted)
    for zone, read in zip(energy.zones, zones, strict=True):
        if zone.part == "package" and read.counted and read.joules <= 0:
            return Finding(f"the counter of {zone.name} stood still while the instances measured")
    return EnergyUse(
        zones=zones,
        joules=joules,
        joules_per_image=joules / kpis.images,
        watts=joules / kpis.window.seconds,
    )


def compute_cost(record: Record, kpis: Kpis | None) -> float | None:
    """Return what a million images cost; None without KPIs or a price.

    The price is that of a whole machine, of which a run may have used a part.
    """
    price = record.config.price_per_hour
    if price is None or kpis is None:
        return None
    machines = max(1, len(record.launch.hosts))
    return price * machines * _COUNTED_IMAGES / (kpis.images_per_s * _HOUR_S)


def _count_joules(energy: Energy, place: int, window: Window) -> float:
    times = [sample.at_ns for sample in energy.samples]
    values = [sample.used_uj[place] for sample in energy.samples]
    end_uj = interpolate(times, values, window.end_ns)
    return (end_uj - interpolate(times, values, window.begin_ns)) / _UJ
