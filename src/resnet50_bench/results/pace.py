"""How fast an evaluation went: of accuracy runs, whose instances end at different times."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.instance.predictions import ROW
from resnet50_bench.results.kpi import reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.results.record import InstanceRecord, Record

_NS = 1e9


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an evaluation went, from its first read to its last answer.

    Attributes:
        images: read, and answered or found unreadable, by this run; not by a part it resumed.
        seconds: from the first instance's first read to the last instance's last answer; of several
            hosts, which start together, on the host where that took longest.
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
    if record.loadgen is not None:  # all images were prepared before
        return None
    answered = len(evaluation.rows) // ROW.size + len(evaluation.unreadable)
    images = answered - evaluation.resumed_images
    infer_ns = sum(sum(item.end_ns) - sum(item.start_ns) for item in instances)
    return Pace(
        images=images,
        seconds=max(_list_spans_ns(instances)) / _NS,
        prepare_s=sum(sum(item.prepare_ns) for item in instances) / images / _NS,
        infer_s=infer_ns / images / _NS,
    )


def _list_spans_ns(instances: Sequence[InstanceRecord]) -> list[int]:
    """Of each host, by its own clock: from the first read to the last answer."""
    spans: dict[str | None, list[tuple[int, int]]] = defaultdict(list)
    for item in instances:
        begins = (start - took for start, took in zip(item.start_ns, item.prepare_ns, strict=True))
        spans[item.host].append((min(begins), item.end_ns[-1]))
    return [max(end for _, end in own) - min(begin for begin, _ in own) for own in spans.values()]
