"""The answer on top of the page: how fast, in which configuration, and whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.report.html.configurations import Configuration, find_bests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.report.html.links import Links
    from resnet50_bench.report.html.rows import RunRow

_MOST = 12
_UNITS = {Mode.THROUGHPUT.value: "images/s", Mode.LATENCY.value: "ms a query, mean"}
_TITLES = {
    Mode.THROUGHPUT.value: "highest throughput",
    Mode.LATENCY.value: "lowest latency",
    Mode.ACCURACY.value: "accuracy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The best of one mode and precision on one machine.

    Attributes:
        row: of its run; of several rounds the first.
        title: what it is the best of.
        figure, unit: the number for people; "" where there is none.
        notes: how well it is known, and in which configuration it is.
        verdict, valid: whether to believe it.
        percent: of the machine's limit; None where not known.
        link: to the run.
    """

    row: RunRow
    title: str
    figure: str
    unit: str
    notes: Sequence[str]
    verdict: str
    valid: bool
    percent: float | None
    link: str


def plan_cards(
    rows: Sequence[RunRow], configurations: Sequence[Configuration], links: Links
) -> list[Card]:
    """Return a card for each machine, mode and precision; those without a valid run last."""
    bests = find_bests(configurations, ("machine", "precision"))
    cards = [_make_card(item, configurations, links) for item in bests]
    answered = {_find_group(item.row) for item in bests}
    failed = {_find_group(row): row for row in rows if _find_group(row) not in answered}
    order = {mode: place for place, mode in enumerate(_TITLES)}
    cards.sort(key=lambda card: (order.get(card.row.mode, len(order)),
                                 -(card.row.images_per_s or 0)))  # fmt: skip
    return [*cards, *(_make_failed(row, links) for row in failed.values())][:_MOST]


def describe_answer(rows: Sequence[RunRow], configurations: Sequence[Configuration]) -> str:
    """Return the answer in a sentence."""
    speeds = [item for item in configurations if item.row.mode == Mode.THROUGHPUT.value]
    if not rows:
        return "There is no run here yet: r50 run makes one, r50 sweep makes many."
    if not configurations:
        return "No run here has a result that may be believed; each says below why."
    if not speeds:
        best = find_bests(configurations, ())[0]
        figure, unit = _spell_value(best)
        title = _find_title(best.row)
        return f"{title[0].upper()}{title[1:]}: {figure} {unit}, in {best.row.precision}."
    best = find_bests(speeds, ())[0]
    share = best.limit_share
    of_limit = f", {share:.0%} of what these cores can do at most" if share is not None else ""
    return (
        f"{best.images_per_s or 0:,.2f} images/s in {best.row.precision}, with {best.describe()}"
        f"{of_limit}."
    )


def _find_group(row: RunRow) -> tuple[str, str, str]:
    return row.machine, row.mode, row.precision


def _make_card(item: Configuration, all_of_them: Sequence[Configuration], links: Links) -> Card:
    row = item.row
    figure, unit = _spell_value(item)
    notes = [item.describe()]
    interval = item.interval
    if interval is not None and row.mode == Mode.THROUGHPUT.value:
        low, high = interval
        rounds = f"{len(item.rows)} rounds" if len(item.rows) > 1 else "one run"
        notes.insert(0, f"95 %: {low:,.2f} .. {high:,.2f}, from {rounds}")
        rivals = _count_rivals(item, low, all_of_them)
        if rivals:
            notes.append(f"{rivals} other configuration{'s' * (rivals > 1)} may be as fast")
    if row.warnings:
        notes.append(f"with {row.warnings} warning{'s' * (row.warnings > 1)}, told in its detail")
    if row.mode == Mode.LATENCY.value and row.p99_ms is not None:
        notes.insert(0, f"p50 {row.p50_ms or 0:,.2f} ms, p99 {row.p99_ms:,.2f} ms")
    return Card(
        row=row,
        title=f"{row.precision}, {_find_title(row)}",
        figure=figure,
        unit=unit,
        notes=notes,
        verdict=row.verdict,
        valid=True,
        percent=100 * item.limit_share if item.limit_share is not None else None,
        link=links.of(row),
    )


def _count_rivals(best: Configuration, low: float, others: Sequence[Configuration]) -> int:
    """How many of the same mode, precision and machine reach into its interval with their own."""
    return sum(
        other is not best
        and _find_group(other.row) == _find_group(best.row)
        and (other.interval or (0.0, 0.0))[1] >= low
        for other in others
    )


def _spell_value(item: Configuration) -> tuple[str, str]:
    value = item.value or 0.0
    if item.row.mode == Mode.ACCURACY.value:
        return f"{100 * value:.2f}", "% top-1"
    return f"{value:,.2f}", _UNITS.get(item.row.mode, "images/s")


def _find_title(row: RunRow) -> str:
    """What the best of a mode is called; LoadGen's scenarios by their names."""
    return _TITLES.get(row.mode, row.mode)


def _make_failed(row: RunRow, links: Links) -> Card:
    return Card(
        row=row,
        title=f"{row.precision}, {_find_title(row)}",
        figure="",
        unit="",
        notes=[row.problem or "no result"],
        verdict=row.verdict,
        valid=False,
        percent=None,
        link=links.of(row),
    )
