"""The states of a history's series as text, and as plain JSON types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from resnet50_bench.history.series import Level
from resnet50_bench.printable import join_lines
from resnet50_bench.stats.changes import FEWEST

if TYPE_CHECKING:
    from datetime import datetime

    from resnet50_bench.history.row import Row
    from resnet50_bench.history.series import Novelty, Shift, State

_NAMED = ("mode", "precision", "batch size", "instances", "cores per instance")


def render_states(states: Sequence[State]) -> str:
    """Return each series with its changes, those that are slower last, where they are seen."""
    order = list(Level)
    ranked = sorted(
        states, key=lambda state: (state.level is Level.SLOWER, order.index(state.level))
    )
    return join_lines(line for state in ranked for line in _list_lines(state, states))


def summarize_states(states: Sequence[State]) -> dict[str, Any]:
    """Return them as plain JSON types; times in ISO 8601, UTC."""
    return {
        "series": [_summarize(state) for state in states],
        "slower": sum(state.level is Level.SLOWER for state in states),
    }


def _list_lines(state: State, states: Sequence[State]) -> Iterator[str]:
    rows, level = state.rows, state.level
    yield f"{rows[0].host}: {_name(rows[0], states)}"
    if level is Level.TOO_FEW:
        yield f"  {level.value}: {len(rows)} of the {FEWEST} from which changes can be told"
        return
    yield (
        f"  {level.value}: {state.speed:.2f} {rows[0].unit} now; {len(rows)} runs, "
        f"{_show_time(rows[0].created)} .. {_show_time(rows[-1].created)}"
    )
    for shift in state.shifts:
        yield from _list_shift(shift)


def _list_shift(shift: Shift) -> Iterator[str]:
    effect = shift.change.effect
    verb = "drifts" if shift.change.drifts else "changed"
    yield (
        f"  {verb} by {_percent(effect.change)} (95 %: {_percent(effect.low)} .. "
        f"{_percent(effect.high)}) since {_show_time(shift.since.created)} ({shift.since.run_id})"
        f"{', accepted' if shift.accepted else ''}"
    )
    yield f"    the run before: {_show_time(shift.before.created)} ({shift.before.run_id})"
    for item in shift.novelties:
        yield f"    {item.what}: {item.before} -> {item.after}, first in {item.row.run_id}"
    if not shift.novelties:
        yield "    nothing that is on record of the host or its software changed then"


def _name(row: Row, states: Sequence[State]) -> str:
    """What was asked, in a few words, and in what it differs from other series of this host."""
    asked = row.asked
    others = [state.rows[0].asked for state in states if state.rows[0].host == row.host]
    told = (
        f"{asked['mode']} {asked['precision']}, batch size {asked['batch size']}, "
        f"{asked['instances']} x {asked['cores per instance']} cores"
    )
    more = [
        f"{what} {value}"
        for what, value in asked.items()
        if what not in _NAMED and any(other.get(what) != value for other in others)
    ]
    return ", ".join([told, *more])


def _summarize(state: State) -> dict[str, Any]:
    rows = state.rows
    return {
        "host": rows[0].host,
        "asked": rows[0].asked,
        "level": state.level.value,
        "speed": state.speed,
        "unit": rows[0].unit,
        "runs": len(rows),
        "first": rows[0].created.isoformat(),
        "last": rows[-1].created.isoformat(),
        "changes": [_summarize_shift(shift) for shift in state.shifts],
    }


def _summarize_shift(shift: Shift) -> dict[str, Any]:
    effect = shift.change.effect
    return {
        "kind": "drift" if shift.change.drifts else "step",
        "since": shift.since.created.isoformat(),
        "run": shift.since.run_id,
        "run_before": shift.before.run_id,
        "change": effect.change,
        "low": effect.low,
        "high": effect.high,
        "accepted": shift.accepted,
        "changed": [_summarize_novelty(item) for item in shift.novelties],
    }


def _summarize_novelty(item: Novelty) -> dict[str, Any]:
    return {
        "what": item.what,
        "before": item.before,
        "after": item.after,
        "first_run": item.row.run_id,
    }


def _percent(part: float) -> str:
    return f"{100 * part:+.2f}%"


def _show_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
