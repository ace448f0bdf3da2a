"""What a reader should know of the prepared model: what its rounding may have cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.model.agreement.gate import Loss, describe_loss, judge_loss
from resnet50_bench.model.manifest import GENERATED
from resnet50_bench.results.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.record import Record


def warn_of_model(record: Record) -> Iterator[Finding]:
    """Say what rounding may have cost; nothing where the interval shows that it is little."""
    if record.model is None or record.model.kind == GENERATED:  # which has no right answers
        return
    agreement = record.model.graph.agreement
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
