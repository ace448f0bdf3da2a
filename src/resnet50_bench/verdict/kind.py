"""What kind of figure a result is, and what it therefore is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import CaseType
from resnet50_bench.results.findings import Finding
from resnet50_bench.verdict.model import warn_of_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.record import Record


def warn_of_kind(record: Record) -> Iterator[Finding]:
    """What the figure is not."""
    if record.model is None:
        yield Finding("the null engine computes nothing: this measures r50, not the CPU")
        return
    if record.emulated:
        yield Finding(
            f"EMULATED: this CPU has no instructions for {record.config.precision.value}; slower "
            "ones stood in"
        )
    yield from warn_of_model(record)
    if record.config.case_type is CaseType.GATED:
        yield Finding("a gated case: a short check, not a performance figure")
    single_node = len(record.host.nodes) == 1  # with more it is a failed check
    if single_node and any(i.seen and i.seen.memory_policy_error for i in record.instances):
        yield Finding("memory was not bound to its node; on a single-node host that changes little")
