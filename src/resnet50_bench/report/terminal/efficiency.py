"""What an image costs, as a person or a program reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.results.efficiency import EnergyUse, compute_cost, compute_energy
from resnet50_bench.results.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record


def describe_efficiency(record: Record, kpis: Kpis | None) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of energy and cost; none for what does not apply."""
    energy = compute_energy(record, kpis)
    if isinstance(energy, Finding):
        advice = [f"-> {energy.advice}"] if energy.advice is not None else []
        yield "Energy", [f"not known: {energy.message}", *advice]
    elif energy is not None:
        yield "Energy", [_describe_energy(energy)]
    cost = compute_cost(record, kpis)
    if cost is not None:
        amount = f"{cost:,.2f}" if cost >= 1 else f"{cost:.4g}"
        yield "Cost", [f"{amount} for a million images, {_describe_price(record)}"]


def summarize_energy(record: Record, kpis: Kpis | None) -> dict[str, Any] | None:
    """Return the energy, or why it is not known; None where that does not apply."""
    energy = compute_energy(record, kpis)
    if energy is None:
        return None
    if isinstance(energy, Finding):
        return {"absent": energy.message, "advice": energy.advice}
    return dict(msgspec.to_builtins(energy))


def _describe_energy(energy: EnergyUse) -> str:
    parts = [f"{zone.name} {zone.joules:.1f} J" for zone in energy.zones if zone.counted]
    others = [f"{zone.name} {zone.joules:.1f} J" for zone in energy.zones if not zone.counted]
    text = (
        f"{energy.joules_per_image:.4g} J an image, {energy.watts:.1f} W: "
        f"{', '.join(parts)} in the window"
    )
    return text + (f"; not counted: {', '.join(others)}" if others else "")


def _describe_price(record: Record) -> str:
    price, hosts = f"{record.config.price_per_hour:,.10g}", len(record.launch.hosts)
    if hosts > 1:
        return f"at {price} an hour for each of {hosts} machines"
    used = sum(slot.cores for slot in record.placement.slots)
    if used < record.host.total_cores:
        return (
            f"at {price} an hour for the whole machine, of whose {record.host.total_cores} cores "
            f"{used} were used"
        )
    return f"at {price} an hour"
