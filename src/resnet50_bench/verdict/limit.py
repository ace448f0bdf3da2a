"""Whether a speed is possible at all: what the machine can do at most, against what was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.limits.roofline import UNSTEADY
from resnet50_bench.results.findings import Finding
from resnet50_bench.results.limit import compute_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import Record


def check_limit(record: Record, kpis: Kpis | None) -> Iterator[Finding]:
    """No run does more multiply-adds than its cores can."""
    limit = compute_limit(record, kpis)
    if limit is None or limit.share <= 1:
        return
    assert record.roofline is not None
    spread = record.roofline.spread
    why = (
        f"the rounds in which it was measured differ by {spread:.0%}, so other work had the cores"
        if spread > UNSTEADY
        else "it was measured steadily, so the cores were slower then than in the run, or the "
        "images were not all computed"
    )
    yield Finding(
        f"impossible: {limit.share:.1%} of this machine's limit: {limit.images_per_s:.2f} images/s "
        f"where {limit.kernel.title} allows {limit.limit_images_per_s:.2f} at most, measured again "
        f"after the run; {why}",
        "end other work on this machine and run it again; `r50 roofline --again` shows the limit "
        "and how steady it is",
    )


def warn_of_limit(record: Record) -> Iterator[Finding]:
    """A result of speed that has no limit beside it, though one was asked for."""
    if record.roofline_failure is not None:
        yield Finding(f"without a limit to compare with: {record.roofline_failure}")
