"""The labels that a source itself holds, beside its images, as numbers of the 1000 synsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import CLASSES
from resnet50_bench.data.labels.matching import USUAL_ORDER, LabelSet, require_all
from resnet50_bench.data.labels.order_files import order_classes
from resnet50_bench.data.labels.orders import ClassOrder, read_order
from resnet50_bench.data.labels.problem import WHAT_TO_GIVE, LabelProblem
from resnet50_bench.data.sources.tfrecord import ZERO_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.data.sources import ImageSource


_FIRST_IN_TFRECORDS = 1
"""The number that image/class/label gives the first class; its source counts it as 0."""


def read_own_labels(source: ImageSource, order: ClassOrder | None = None) -> LabelSet | None:
    """Return the labels of a source's images by the source itself; None where it has none.

    Args:
        source: the images.
        order: what their numbers count by; None for the order of the sorted WNIDs, from 1 in
            TFRecords and from 0 elsewhere.

    Raises:
        LabelProblem: only some images have one, or a number is none of the order's.
    """
    own, where = source.own_labels, f"--dataset {source.path}"
    numbers = [ref.label for ref in source.refs]
    if own is None or all(number is None for number in numbers):
        return None
    names = [ref.name for ref in source.refs]
    if own.classes is not None and order is None:
        classes = order_classes(own.classes, f"{where}: the names of its classes").classes
        named = ClassOrder(own.origin, is_outputs=False, classes=classes, first=0)
        origin = f"{own.origin}, by its own names of the classes"
        return LabelSet(_number(named, numbers, names, where), origin, None)
    if order is None:
        _require_zero_based(source, numbers, where)
    first = _FIRST_IN_TFRECORDS if source.kind == "tfrecord" else 0
    used = order or read_order(f"{USUAL_ORDER}:{first}" if first else USUAL_ORDER)
    counted = [None if number is None else number + first for number in numbers]
    origin = own.origin if order is None else f"{own.origin}, by {order.text}"
    return LabelSet(_number(used, counted, names, where), origin, used.text)


def _number(
    order: ClassOrder, numbers: Sequence[int | None], names: Sequence[str], where: str
) -> tuple[int, ...]:
    labels = []
    for name, number in zip(names, require_all(numbers, names, where), strict=True):
        label = order.find_class(number)
        if label is None:
            low, high = order.bounds
            raise LabelProblem(
                f"{where}: image {name}: class {number} is not {low}..{high}",
                f"its classes are not ImageNet's {CLASSES}; {WHAT_TO_GIVE}",
            )
        labels.append(label)
    return tuple(labels)


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
            "in which order is not said",
            "--class-order synset:1 takes them in the order of the synsets, --class-order "
            "ilsvrc2012-id as the devkit's numbers",
        )
