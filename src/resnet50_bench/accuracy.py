"""Stub."""

from __future__ import annotations

from dataclasses import dataclass

from resnet50_bench.predictions import unpack_rows
from resnet50_bench.results import Evaluation


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Stub."""

    images: int
    top1_correct: int
    top5_correct: int

    @property
    def top1(self) -> float:
        """."""
        return self.top1_correct / self.images

    @property
    def top5(self) -> float:
        """."""
        return self.top5_correct / self.images

    @property
    def top1_interval(self) -> tuple[float, float]:
        """."""
        return self.top1 - 0.01, self.top1 + 0.01

    @property
    def top5_interval(self) -> tuple[float, float]:
        """."""
        return self.top5 - 0.01, self.top5 + 0.01


def compute_accuracy(evaluation: Evaluation) -> Accuracy | None:
    """."""
    offset = evaluation.classes - 1000
    rows = list(unpack_rows(evaluation.rows))
    if not rows:
        return None
    return Accuracy(
        len(rows),
        sum(r.classes[0] == evaluation.labels[r.position] + offset for r in rows),
        sum(evaluation.labels[r.position] + offset in r.classes for r in rows),
    )
