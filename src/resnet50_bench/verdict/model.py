"""What a reader should know of the prepared model: its weights, and what rounding may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.model.agreement.gate import Loss, describe_loss, judge_loss
from resnet50_bench.model.manifest import GENERATED
from resnet50_bench.results.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.model.manifest import Agreement, Reading
    from resnet50_bench.results.record import Record


def warn_of_model(record: Record) -> Iterator[Finding]:
    """Say where its weights are from, what its preparation noted, and what rounding may cost."""
    if record.model is None:
        return
    is_generated = record.model.kind == GENERATED
    if is_generated:
        yield Finding(
            "generated weights: speed does not depend on weight values, accuracy does",
            "--model FILE uses a trained graph",
        )
    reading = record.model.reading
    if reading is not None and record.evaluation is not None and _is_unsure(record, reading):
        yield Finding(
            f"nothing tells which preprocessing belongs to these weights: "
            f"{record.evaluation.preprocessing} was taken",
            "--preprocessing names the one that they were published with",
        )
    yield from (Finding(f"the prepared model: {note}") for note in record.model.graph.notes)
    if reading is not None and reading.is_quantized:
        yield Finding(
            "the graph was given in 8 bits: what its rounding costs is not known",
            "--mode accuracy measures it",
        )
    elif not is_generated:  # which has no right answers to lose
        yield from _warn_of_loss(record, record.model.agreement)


def _is_unsure(record: Record, reading: Reading) -> bool:
    """Whether the preprocessing of weights without a graph was neither known nor asked for."""
    is_weights = reading.form.startswith("PyTorch")
    return is_weights and reading.preprocessing is None and record.config.preprocessing is None


def _warn_of_loss(record: Record, agreement: Agreement) -> Iterator[Finding]:
    """Nothing where the interval shows that it is little."""
    loss = judge_loss(agreement)
    if loss is Loss.NONE_SEEN:
        return
    accepted = ", as --accept-loss allows" if record.config.accept_loss else ""
    accepted = accepted if loss is Loss.TOO_MUCH else ""
    measured = record.evaluation is not None
    yield Finding(
        f"the prepared model {describe_loss(agreement)}{accepted}",
        "the accuracy above tells what that means"
        if measured
        else "--mode accuracy measures it; --calibration PATH takes images like the model's own",
    )
