"""The comparison of speeds, for people, programs, spreadsheets and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet50_bench.config import Mode
from resnet50_bench.printable import join_lines
from resnet50_bench.report.tables import join_markdown, render_rows
from resnet50_bench.verdict.comparison.differences import Weight
from resnet50_bench.verdict.comparison.speed import (
    ASSUMED_SCATTER,
    Outcome,
    Side,
    SpeedComparison,
    Speeds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_WEIGHTS = {
    Weight.FORBIDS: "another thing is measured",
    Weight.SWAYS: "may change the speed by any amount",
    Weight.AMOUNT: "changes how well it is known, not how fast it is",
}
_UNITS = {Mode.THROUGHPUT: "images/s", Mode.LATENCY: "queries/s"}
_HEAD = (
    "side", "base", "runs", "base_runs", "speed", "base_speed", "unit", "change", "low", "high",
    "confidence", "rounds", "scatter", "outcome", "more_runs",
)  # fmt: skip


def describe_change(share: float) -> str:
    """Return `+3.1%`; what is many times as fast as a factor."""
    return f"x{1 + share:.3g}" if share >= 2 else f"{share:+.1%}"


def render_speeds(speeds: Speeds) -> str:
    """Return the comparison as text, the sentences that say what it shows last."""
    rows = [*_describe_sides(speeds), *_describe_differences(speeds)]
    for item in speeds.comparisons:
        rows += _describe_effect(item)
    lines = [name.ljust(9) + text for name, text in rows]
    return join_lines(
        [*lines, "", *[describe_outcome(item, speeds) for item in speeds.comparisons]]
    )


def _describe_sides(speeds: Speeds) -> Iterator[tuple[str, str]]:
    for place, side in enumerate(speeds.sides):
        yield letter(place), f"{side.name}: {_describe_side(side, speeds.mode)}"
        for run, why in side.left_out:
            yield "", f"left out: {run}: {why}"


def _describe_side(side: Side, mode: Mode) -> str:
    values = [run.speed for run in side.runs]
    text = f"{count_runs(len(values))}, {side.speed:.2f} {_UNITS[mode]}"
    if mode is Mode.LATENCY:
        text += f" (a query takes {1e3 / side.speed:.3f} ms)"
    return text if len(values) == 1 else f"{text} ({min(values):.2f} .. {max(values):.2f})"


def _describe_differences(speeds: Speeds) -> Iterator[tuple[str, str]]:
    for item in speeds.differences:
        yield "Differs", f"{item.what}: {' | '.join(item.values)} ({_WEIGHTS[item.weight]})"
    if not speeds.differences:
        yield "Differs", "nothing but the runs themselves"


def _describe_effect(item: SpeedComparison) -> Iterator[tuple[str, str]]:
    effect = item.effect
    yield (
        "Effect",
        f"{letter(item.place)} {describe_change(effect.change)}, {effect.confidence * 100:.4g} % "
        f"interval {describe_change(effect.low)} .. {describe_change(effect.high)} "
        f"({_describe_method(item)})",
    )


def _describe_method(item: SpeedComparison) -> str:
    effect = item.effect
    if item.assumed:
        return (
            "one run of each: how much runs differ is assumed to be "
            f"{ASSUMED_SCATTER:.0%}, since nothing here shows it"
        )
    if effect.pairs is not None:
        return f"{effect.pairs} rounds, compared one by one; they differ by {effect.scatter:.1%}"
    runs = len(item.side.runs) + len(item.base.runs)
    return f"{count_runs(runs)} in two groups; within them they differ by {effect.scatter:.1%}"


def describe_outcome(item: SpeedComparison, speeds: Speeds) -> str:
    """Say in one sentence what a comparison shows."""
    side, base, effect = letter(item.place), letter(0), item.effect
    if item.outcome in {Outcome.FASTER, Outcome.SLOWER}:
        sign = 1 if item.outcome is Outcome.FASTER else -1
        near, far = sorted(abs(end) for end in (effect.low, effect.high))
        if near + abs(effect.change) >= 2:
            return f"{side} is {item.outcome.value} than {base}: x{1 + effect.change:.3g}."
        return (
            f"{side} is {sign * effect.change:.1%} {item.outcome.value} than {base} "
            f"({near:.1%} .. {far:.1%})."
        )
    if item.outcome is Outcome.NO_DIFFERENCE:
        return (
            f"No difference shown between {side} and {base}: if there is one, it is below "
            f"{speeds.smallest:.1%}."
        )
    return f"Cannot tell yet whether {side} is faster than {base}: {_describe_more(item, speeds)}."


def _describe_more(item: SpeedComparison, speeds: Speeds) -> str:
    size = f"a difference of {speeds.smallest:.1%}"
    if item.more_runs is None:
        return f"not even a thousand runs of each would show {size}, so much do they differ"
    return f"{count_runs(item.more_runs, ' more')} of each would show {size} (4 times of 5)"


def count_runs(number: int, more: str = "") -> str:
    """Return `1 run`, `5 runs`, `5 more runs`."""
    return f"{number}{more} run{'s' * (number != 1)}"


def letter(place: int) -> str:
    """Return what a side is called by its place: A, B, ... Z, then #27."""
    return chr(ord("A") + place) if place < 26 else f"#{place + 1}"


def summarize_speeds(speeds: Speeds) -> dict[str, Any]:
    """Return the comparison as plain JSON types."""
    return {
        "mode": speeds.mode.value,
        "unit": _UNITS[speeds.mode],
        "smallest": speeds.smallest,
        "sides": [
            {
                "name": side.name,
                "speed": side.speed,
                "runs": [
                    {
                        "run_id": run.record.run_id,
                        "speed": run.speed,
                        "relative_standard_error": run.error,
                    }
                    for run in side.runs
                ],
                "left_out": [{"run_id": run, "reason": why} for run, why in side.left_out],
            }
            for side in speeds.sides
        ],
        "differences": [
            {"what": item.what, "weight": item.weight.value, "values": list(item.values)}
            for item in speeds.differences
        ],
        "comparisons": [dict(zip(_HEAD, _list_cells(item, speeds))) for item in speeds.comparisons],
    }


def render_speeds_csv(speeds: Speeds) -> str:
    """Return one row for each comparison; numbers unrounded."""
    return render_rows([_HEAD, *(_list_cells(item, speeds) for item in speeds.comparisons)])


def render_speeds_markdown(speeds: Speeds) -> str:
    """Return a table of the comparisons, what differs, and the sentences."""
    unit = _UNITS[speeds.mode]
    rows = [["side", "runs", unit, "against the first", "interval", "shows"]]
    first = speeds.sides[0]
    rows.append([f"A: {first.name}", str(len(first.runs)), f"{first.speed:.2f}", "", "", ""])
    for item in speeds.comparisons:
        effect = item.effect
        interval = f"{describe_change(effect.low)} .. {describe_change(effect.high)}"
        rows.append(
            [
                f"{letter(item.place)}: {item.side.name}",
                str(len(item.side.runs)),
                f"{item.side.speed:.2f}",
                describe_change(effect.change),
                interval,
                item.outcome.value,
            ]
        )
    lines = join_markdown(rows, right=range(1, 5))
    lines += ["", *[f"- {text}" for _, text in _describe_differences(speeds)]]
    lines += ["", *[describe_outcome(item, speeds) for item in speeds.comparisons]]
    return join_lines(lines)


def _list_cells(item: SpeedComparison, speeds: Speeds) -> list[Any]:
    effect = item.effect
    return [
        item.side.name,
        item.base.name,
        len(item.side.runs),
        len(item.base.runs),
        item.side.speed,
        item.base.speed,
        _UNITS[speeds.mode],
        effect.change,
        effect.low,
        effect.high,
        effect.confidence,
        effect.pairs,
        None if item.assumed else effect.scatter,
        item.outcome.value,
        item.more_runs,
    ]
