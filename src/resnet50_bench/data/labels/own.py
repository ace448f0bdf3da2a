"""The labels that a source itself holds, beside its images, as numbers of the 1000 synsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.data.labels.matching import (
    CLASSES,
    WHAT_TO_GIVE,
    LabelProblem,
    Labels,
    require_all,
)
from resnet50_bench.data.sources.tfrecord import ZERO_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.data.sources import ImageSource


def read_own_labels(source: ImageSource) -> Labels | None:
    """Return the labels of a source's images by the source itself; None where it has none.

    Raises:
        LabelProblem: only some images have one, or the numbers are not those of the 1000 classes
            counted from 0.
    """
    own, where = source.own_labels, f"--dataset {source.path}"
    numbers = [ref.label for ref in source.refs]
    if own is None or all(number is None for number in numbers):
        return None
    _require_zero_based(source, numbers, where)
    names = [ref.name for ref in source.refs]
    labels = require_all(numbers, names, where)
    for name, label in zip(names, labels, strict=True):
        if not 0 <= label < CLASSES:
            raise LabelProblem(
                f"{where}: image {name}: class {label} is not 0..{CLASSES - 1}",
                f"its classes are not ImageNet's {CLASSES}; {WHAT_TO_GIVE}",
            )
    return labels, own.origin, None


def _require_zero_based(source: ImageSource, numbers: Sequence[int | None], where: str) -> None:
    zeros = [item.name for item in source.skipped if item.reason == ZERO_LABEL]
    if zeros and CLASSES - 1 not in numbers:
        raise LabelProblem(
            f"{where}: image/class/label is 0 in {len(zeros)} records, the first: "
            f"{zeros[0]}, and {CLASSES} in none: the labels begin at 0, and must begin at 1",
            f"write the shards again with 1 added to every label, or {WHAT_TO_GIVE}",
        )
    if CLASSES in numbers and 0 not in numbers:
        raise LabelProblem(
            f"{where}: has class {CLASSES} and no class 0: its classes are counted from 1, and "
            "must be counted from 0",
            f"write the shards again with 1 taken from every class, or {WHAT_TO_GIVE}",
        )
