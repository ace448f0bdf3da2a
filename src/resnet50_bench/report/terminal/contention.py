"""Who else was on the cores while the instances measured, as a person or a program reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.verdict.conditions import describe_parts, list_taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record


def describe_contention(record: Record, kpis: Kpis | None) -> Iterator[tuple[str, str]]:
    """Yield the row of the instance that lost most; none where nothing was read."""
    found = list_taken(record, kpis)
    if not found:
        return
    worst = max(found, key=lambda item: item.taken.window.total)
    shares, tenths = worst.taken.window, worst.taken.tenths
    text = f"had {shares.total:.1%} of the cores' time"
    if record.contention is not None:
        low, high = min(item.total for item in tenths), max(item.total for item in tenths)
        text += f" (tenths of the window: {low:.1%} .. {high:.1%})"
    text += f": {describe_parts(shares)}"
    switches = [item.item.involuntary_switches or 0 for item in found]
    yield "Others", f"{text}; {max(switches)} involuntary switches"
    if record.contention is None:
        yield "", "other hosts are watched over the whole window only, by their instances"


def summarize_contention(record: Record, kpis: Kpis | None) -> list[dict[str, Any]] | None:
    """Return the shares of each instance as plain JSON types; None where nothing was read."""
    rows = [
        {
            "instance": item.item.slot.instance,
            "window": msgspec.to_builtins(item.taken.window) | {"total": item.taken.window.total},
            "tenths_total": [shares.total for shares in item.taken.tenths],
            "involuntary_switches": item.item.involuntary_switches,
        }
        for item in list_taken(record, kpis)
    ]
    return rows or None
