"""What an accuracy run found, as a person reads it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from resnet50_bench.data.profiles import find_profile, list_variants
from resnet50_bench.instance.predictions import ROW
from resnet50_bench.results.accuracy import Accuracy, compute_accuracy, compute_other_accuracy
from resnet50_bench.results.pace import compute_pace
from resnet50_bench.verdict.accuracy import is_subset
from resnet50_bench.verdict.expectation import find_expected_top1
from resnet50_bench.verdict.explain import explain, should_explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.results.record import Evaluation, Record
    from resnet50_bench.verdict.explain import Cause

_SHOWN_UNREADABLE = 3


def describe_accuracy(record: Record) -> Iterator[tuple[str, str | Sequence[str]]]:
    """Yield the named rows of the result; none in another mode."""
    evaluation = record.evaluation
    accuracy = compute_accuracy(evaluation) if evaluation is not None else None
    if evaluation is None or accuracy is None:
        return
    if record.status == "completed":
        yield "Accuracy", _describe_figures(evaluation, accuracy)
        pace = compute_pace(record)
        if pace is not None:
            yield (
                "Pace",
                (
                    f"{pace.images_per_s:.2f} images/s; an image takes a core "
                    f"{pace.prepare_s * 1e3:.2f} ms to read and decode and "
                    f"{pace.infer_s * 1e3:.2f} ms to classify"
                ),
            )
        yield from _describe_calibration(evaluation)
        yield from _describe_causes(record, evaluation)
    else:
        yield "Subtotal", f"{_describe_figures(evaluation, accuracy)}; this is not the KPI"
    yield "Labels", evaluation.labels_origin
    yield "Preparation", _describe_preparation(record, evaluation)


def _describe_preparation(record: Record, evaluation: Evaluation) -> str:
    """The profile, and whether it is the one that belongs to the model."""
    name = evaluation.preprocessing
    reading = record.model.reading if record.model is not None else None
    own = reading.preprocessing if reading is not None else None
    if own is None:
        return name
    if own.name == name:
        return f"{name}, which belongs to the model: {own.reason}"
    return f"{name}, as asked for; {own.name} belongs to the model: {own.reason}"


def _describe_calibration(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """The accuracy counted the other way: without the images that calibrated int8, or with them."""
    if not evaluation.calibrating:
        return
    count = f"{len(evaluation.calibrating):,} of these images calibrated int8"
    other = compute_other_accuracy(evaluation)
    if other is None:
        yield "Calibration", f"{count}: there are no others"
    elif evaluation.calibrating_counted:
        yield "Calibration", f"{count}; the others alone: {_describe_figures(evaluation, other)}"
    else:
        text = f"{count} and are left out; with them: {_describe_figures(evaluation, other)}"
        yield "Calibration", text


def describe_evaluated(record: Record, evaluation: Evaluation) -> list[str]:
    """Say which images were seen."""
    where = record.dataset.description if record.dataset is not None else "dataset"
    seen = len(evaluation.rows) // ROW.size
    how = "decoded on the way" if evaluation.crops is None else "preprocessed before the run"
    if record.loadgen is not None:
        how = "decoded before LoadGen asked for them"
    lines = [f"{seen:,} of {evaluation.dataset_images:,} images of the {where}, {how}"]
    if evaluation.resumed_images:
        lines.append(f"{evaluation.resumed_images:,} of them before the run was interrupted")
    if len(evaluation.shares) > 1:
        lines.append(_describe_shares(evaluation))
    named = [f"{evaluation.images[place]} {reason}" for place, reason in evaluation.unreadable]
    if record.dataset is not None:
        named += [f"{name}: {reason}" for name, reason in record.dataset.skipped]
    if named:
        more = [f"and {len(named) - _SHOWN_UNREADABLE} more"]
        shown = named[:_SHOWN_UNREADABLE] + more * (len(named) > _SHOWN_UNREADABLE)
        lines.append(f"{len(named)} unreadable: {'; '.join(shown)}")
    return lines


def _describe_shares(evaluation: Evaluation) -> str:
    """What was dealt out and what came back, added up over the instances."""
    shares = evaluation.shares
    asked, missing = sum(item.asked for item in shares), sum(len(item.missing) for item in shares)
    repeated = sum(item.repeated + item.strange for item in shares)
    hosts: Counter[str] = Counter()
    for item in shares:
        if item.host is not None:
            hosts[item.host] += item.asked
    where = f" ({', '.join(f'{host} {count:,}' for host, count in hosts.items())})" if hosts else ""
    return (
        f"dealt to {len(shares)} instances: {asked:,}{where}; seen {asked - missing:,}, "
        f"{repeated:,} of them twice"
    )


def summarize_accuracy(record: Record) -> dict[str, object] | None:
    """Return the accuracy as plain JSON types; None in another mode."""
    evaluation = record.evaluation
    if evaluation is None:
        return None
    accuracy, pace = compute_accuracy(evaluation), compute_pace(record)
    return {
        "complete": record.status == "completed",
        "subset": is_subset(evaluation),
        "images": accuracy.images if accuracy else 0,
        "dataset_images": evaluation.dataset_images,
        "top1_correct": accuracy.top1_correct if accuracy else 0,
        "top5_correct": accuracy.top5_correct if accuracy else 0,
        "top1_percent": accuracy.top1 * 100 if accuracy else None,
        "top1_interval95_percent": _percent(accuracy.top1_interval) if accuracy else None,
        "top5_percent": accuracy.top5 * 100 if accuracy else None,
        "top5_interval95_percent": _percent(accuracy.top5_interval) if accuracy else None,
        "expected_top1_percent": find_expected_top1(record.config, record.model),
        "unreadable": [
            {"image": evaluation.images[place], "reason": reason}
            for place, reason in evaluation.unreadable
        ],
        "labels": evaluation.labels_origin,
        "preprocessing": evaluation.preprocessing,
        **_summarize_calibration(evaluation),
        "resumed_images": evaluation.resumed_images,
        "images_per_s": pace.images_per_s if pace else None,
        "prepare_ms_per_image": pace.prepare_s * 1e3 if pace else None,
        "infer_ms_per_image": pace.infer_s * 1e3 if pace else None,
        "causes": [
            {
                "sentence": cause.sentence,
                "top1_percent": cause.top1_then * 100,
                "top1_before_percent": cause.top1_now * 100,
                "images": cause.images,
            }
            for cause in find_causes(record)
        ],
    }


def _summarize_calibration(evaluation: Evaluation) -> dict[str, object]:
    other = compute_other_accuracy(evaluation)
    return {
        "calibration_images": len(evaluation.calibrating),
        "calibration_images_counted": evaluation.calibrating_counted,
        "top1_percent_counted_otherwise": other.top1 * 100 if other else None,
        "top5_percent_counted_otherwise": other.top5 * 100 if other else None,
    }


def find_causes(record: Record) -> list[Cause]:
    """Return the probable causes of an accuracy that is far too low, the likeliest first."""
    evaluation = record.evaluation
    if evaluation is None or record.status != "completed":
        return []
    if not should_explain(evaluation, find_expected_top1(record.config, record.model)):
        return []
    variants = list_variants(find_profile(evaluation.preprocessing))
    sentences = {item.profile_name: item.cause for item in variants}
    return list(explain(evaluation, record.trials, sentences))


def _describe_figures(evaluation: Evaluation, accuracy: Accuracy) -> str:
    low, high = accuracy.top1_interval
    low5, high5 = accuracy.top5_interval
    subset = f" (SUBSET of {evaluation.dataset_images:,})" if is_subset(evaluation) else ""
    return (
        f"{accuracy.top1 * 100:.2f} % top-1 (95 % interval {low * 100:.2f} .. {high * 100:.2f}), "
        f"{accuracy.top5 * 100:.2f} % top-5 ({low5 * 100:.2f} .. {high5 * 100:.2f}): "
        f"{accuracy.top1_correct:,} and {accuracy.top5_correct:,} of {accuracy.images:,} "
        f"images{subset}"
    )


def _describe_causes(
    record: Record, evaluation: Evaluation
) -> Iterator[tuple[str, str | Sequence[str]]]:
    if not should_explain(evaluation, find_expected_top1(record.config, record.model)):
        return
    causes = find_causes(record)
    if not causes:
        yield (
            "Cause",
            "none of the usual mistakes explains it (docs/accuracy.md lists them)",
        )
    for cause in causes:
        text = cause.describe()
        yield "Cause", [text, f"-> {cause.advice}"] if cause.advice else text


def _percent(interval: tuple[float, float]) -> list[float]:
    return [interval[0] * 100, interval[1] * 100]
