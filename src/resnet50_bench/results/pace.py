"""How fast an evaluation went: of accuracy runs, whose instances end at different times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.instance.predictions import ROW
from resnet50_bench.results.kpi import reported

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record

_NS = 1e9


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an evaluation went, from its first read to its last answer.

    Attributes:
        images: read, and answered or found unreadable, by this run; not by a part it resumed.
        seconds: from the first instance's first read to the last instance's last answer.
        prepare_s: seconds a core read and decoded, per image.
        infer_s: seconds a core classified, per image.
    """

    images: int
    seconds: float
    prepare_s: float
    infer_s: float

    @property
    def images_per_s(self) -> float:
        """Of all instances together."""
        return self.images / self.seconds


def compute_pace(record: Record) -> Pace | None:
    """Return the pace of a complete evaluation; None of another run."""
    evaluation, instances = record.evaluation, [i for i in reported(record) if i.end_ns]
    if evaluation is None or record.status != "completed" or not instances:
        return None
    answered = len(evaluation.rows) // ROW.size + len(evaluation.unreadable)
    images = answered - evaluation.resumed_images
    begin_ns = min(
        start - prepare
        for item in instances
        for start, prepare in zip(item.start_ns, item.prepare_ns, strict=True)
    )
    infer_ns = sum(sum(item.end_ns) - sum(item.start_ns) for item in instances)
    return Pace(
        images=images,
        seconds=(max(item.end_ns[-1] for item in instances) - begin_ns) / _NS,
        prepare_s=sum(sum(item.prepare_ns) for item in instances) / images / _NS,
        infer_s=infer_ns / images / _NS,
    )
