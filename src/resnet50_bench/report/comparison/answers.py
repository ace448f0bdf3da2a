"""The paired comparison of two runs, for people, for programs and for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet50_bench.printable import join_lines, show_controls
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.tables import render_rows
from resnet50_bench.verdict.comparison.answers import (
    SIGNIFICANT,
    Answer,
    Change,
    Comparison,
    Difference,
    Flip,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.accuracy import Accuracy
    from resnet50_bench.results.record import Record

_NAMED = 5
_SMALLEST_P = 1e-4


def name_runs(first: Record, second: Record) -> tuple[str, str]:
    """Return what to call two runs: their precisions, or their ids where these are the same."""
    names = first.config.precision.value, second.config.precision.value
    return names if names[0] != names[1] else (first.run_id, second.run_id)


def render_comparison(
    comparison: Comparison,
    differences: Sequence[Difference],
    names: tuple[str, str],
    flips: int,
) -> str:
    """Return the whole comparison as text, the sentence that says what it means last.

    Args:
        comparison: of the answers.
        differences: between the runs.
        names: what to call the runs, see `name_runs`.
        flips: how many of them to list at most.
    """
    rows = [
        *_describe_runs(comparison, differences, names),
        *_describe_answers(comparison),
    ]
    lines = [name.ljust(14) + text for name, text in rows]
    shown = comparison.flips[:flips]
    if shown:
        lines += ["", *_tabulate_flips(shown, names)]
        left = len(comparison.flips) - len(shown)
        if left:
            lines.append(f"  and {left} more: --flips {len(comparison.flips)}, or --csv FILE")
    return join_lines([*lines, "", describe_meaning(comparison, names)])


def _describe_runs(
    comparison: Comparison, differences: Sequence[Difference], names: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    for item in differences:
        yield "Differs", f"{item.what}: {item.first} | {item.second}"
    if not differences:
        yield "Differs", "nothing but the run itself"
    yield "Images", f"{comparison.images} that both have answered"
    for name, missing in zip(names, (comparison.only_first, comparison.only_second)):
        if missing:
            listed = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
            yield "", f"{len(missing)} answered by {name} alone: {listed}"
    for name, accuracy in zip(names, (comparison.first, comparison.second)):
        yield "Top-1", f"{_describe_share(accuracy.top1, accuracy.top1_interval)}  {name}"
    for name, accuracy in zip(names, (comparison.first, comparison.second)):
        yield "Top-5", f"{_describe_share(accuracy.top5, accuracy.top5_interval)}  {name}"


def _describe_answers(comparison: Comparison) -> Iterator[tuple[str, str]]:
    low, high = comparison.gain_interval
    yield (
        "Difference",
        f"{_signed(comparison.top1.gain)} points of top-1, 95 % interval {_signed(low)} .. "
        f"{_signed(high)} (paired: Newcombe 1998, method 10)",
    )
    yield (
        "McNemar",
        f"{_describe_p(comparison.p)} (exact; {comparison.top1.first} lost, "
        f"{comparison.top1.second} won)",
    )
    images = comparison.images
    yield (
        "Agreement",
        f"{comparison.same_class / images:.2%} same first answer, "
        f"{comparison.same_five / images:.2%} same five answers",
    )
    counts = ", ".join(f"{comparison.count(change)} {change.value}" for change in Change)
    yield "Flips", counts


def describe_meaning(comparison: Comparison, names: tuple[str, str]) -> str:
    """Say in one sentence what the comparison found."""
    first, second = names
    gain, (low, high) = comparison.top1.gain, comparison.gain_interval
    if comparison.top1.first == comparison.top1.second:
        return (
            f"{second} and {first} have the same top-1 on these images; the true difference lies "
            f"within {_signed(low)} .. {_signed(high)} points."
        )
    verb = "loses" if gain < 0 else "gains"
    near, far = (-high, -low) if gain < 0 else (low, high)
    meaning = "significant" if comparison.p < SIGNIFICANT else "not significant"
    return (
        f"{second} {verb} {abs(gain) * 100:.2f} points ({near * 100:.2f} .. {far * 100:.2f}) "
        f"against {first}: {meaning} ({_describe_p(comparison.p)})."
    )


def describe_gate(comparison: Comparison, max_drop_points: float) -> str:
    """Say whether the drop stays within what was allowed, and why."""
    upper = -comparison.gain_interval[0] * 100
    if comparison.exceeds(max_drop_points):
        advice = "" if -comparison.top1.gain * 100 > max_drop_points else ": more images may tell"
        return (
            f"FAILED: a drop of up to {upper:.2f} points is possible, {max_drop_points:g} are "
            f"allowed{advice}"
        )
    return (
        f"PASSED: the drop is at most {upper:.2f} points (upper end of its 95 % interval), "
        f"{max_drop_points:g} are allowed"
    )


def summarize_comparison(
    comparison: Comparison, differences: Sequence[Difference], names: tuple[str, str]
) -> dict[str, Any]:
    """Return everything that is known, in plain values; shares are 0..1."""
    return {
        "first": {"name": names[0], **_summarize_accuracy(comparison.first)},
        "second": {"name": names[1], **_summarize_accuracy(comparison.second)},
        "differences": [
            {"what": item.what, "first": item.first, "second": item.second} for item in differences
        ],
        "images": comparison.images,
        "only_first": list(comparison.only_first),
        "only_second": list(comparison.only_second),
        "top1_gain": comparison.top1.gain,
        "top1_gain_interval": list(comparison.gain_interval),
        "mcnemar_p": comparison.p,
        "significant": comparison.p < SIGNIFICANT,
        "same_class": comparison.same_class,
        "same_five": comparison.same_five,
        "flips": {change.value: comparison.count(change) for change in Change},
        "flipped": [_summarize_flip(flip) for flip in comparison.flips],
        "meaning": describe_meaning(comparison, names),
    }


def render_flips(comparison: Comparison) -> str:
    """Return all flips as CSV; classes are labels, and the background class is -1."""
    head = ["image", "label", "change", "first_class", "first_score", "second_class",
            "second_score"]  # fmt: skip
    return render_rows([head, *(_summarize_flip(flip).values() for flip in comparison.flips)])


def _summarize_accuracy(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "top1": accuracy.top1,
        "top1_interval": list(accuracy.top1_interval),
        "top5": accuracy.top5,
        "top5_interval": list(accuracy.top5_interval),
    }


def _summarize_flip(flip: Flip) -> dict[str, Any]:
    return {
        "image": flip.name,
        "label": flip.label,
        "change": flip.change.value,
        "first_class": flip.first.classes[0],
        "first_score": round(flip.first.score, 6),
        "second_class": flip.second.classes[0],
        "second_score": round(flip.second.score, 6),
    }


def _tabulate_flips(flips: Sequence[Flip], names: tuple[str, str]) -> Iterator[str]:
    table = [("image", "label", *map(show_controls, names), "")]
    table += [
        (
            show_controls(flip.name),
            str(flip.label),
            _describe_answer(flip.first),
            _describe_answer(flip.second),
            flip.change.value,
        )
        for flip in flips
    ]
    yield from join_columns(table)


def _describe_answer(answer: Answer) -> str:
    named = "background" if answer.classes[0] < 0 else str(answer.classes[0])
    return f"{named} ({answer.score:.3f})"


def _describe_share(share: float, interval: tuple[float, float]) -> str:
    return f"{share:.2%} ({interval[0]:.2%} .. {interval[1]:.2%})"


def _describe_p(p: float) -> str:
    return f"p = {p:.4f}" if p >= _SMALLEST_P else f"p < {_SMALLEST_P:.4f}"


def _signed(share: float) -> str:
    return f"{share * 100:+.2f}"
