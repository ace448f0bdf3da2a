"""The accuracy of a run, computed from the answers on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.instance.predictions import find_class_offset, unpack_rows
from resnet50_bench.stats.proportions import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Collection

    from resnet50_bench.results.record import Evaluation


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many images were answered right.

    Attributes:
        images: that were seen.
        top1_correct: whose class is the first answer.
        top5_correct: whose class is among the first five answers.
    """

    images: int
    top1_correct: int
    top5_correct: int

    @property
    def top1(self) -> float:
        """Share of images, 0..1."""
        return self.top1_correct / self.images

    @property
    def top5(self) -> float:
        """Share of images, 0..1."""
        return self.top5_correct / self.images

    @property
    def top1_interval(self) -> tuple[float, float]:
        """The 95 % interval of `top1` for images like these, 0..1."""
        return wilson_interval(self.top1_correct, self.images)

    @property
    def top5_interval(self) -> tuple[float, float]:
        """The 95 % interval of `top5` for images like these, 0..1."""
        return wilson_interval(self.top5_correct, self.images)


def compute_accuracy(evaluation: Evaluation) -> Accuracy | None:
    """Compare each answer with its image's label; None when no image was seen.

    The images that calibrated int8 are counted, unless the run was asked to leave them out.

    Raises:
        ValueError: the answers are damaged.
    """
    return _count(evaluation, () if evaluation.calibrating_counted else evaluation.calibrating)


def compute_other_accuracy(evaluation: Evaluation) -> Accuracy | None:
    """Count the other way: without the images that calibrated where they count, with them else.

    None when no image calibrated, or none is left.
    """
    if not evaluation.calibrating:
        return None
    return _count(evaluation, evaluation.calibrating if evaluation.calibrating_counted else ())


def _count(evaluation: Evaluation, left_out: Collection[int]) -> Accuracy | None:
    left_out = frozenset(left_out)
    offset = find_class_offset(evaluation.classes, evaluation.class_offset)
    images = top1_correct = top5_correct = 0
    for answer in unpack_rows(evaluation.rows):
        if answer.position in left_out:
            continue
        wanted = evaluation.labels[answer.position] + offset
        images += 1
        top1_correct += wanted == answer.classes[0]
        top5_correct += wanted in answer.classes
    return Accuracy(images, top1_correct, top5_correct) if images else None
