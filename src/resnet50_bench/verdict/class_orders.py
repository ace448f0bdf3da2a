"""Other orders in which labels may number the classes, or a model its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.orders import OUTPUTS, find_order
from resnet50_bench.instance.predictions import LABELED_CLASSES, find_class_offset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.data.labels.orders import ClassOrder
    from resnet50_bench.results.record import Evaluation

SHIFT_ADVICE = (
    "labels are 0..999 in the order of the sorted synsets: check the file after --labels; "
    "ILSVRC2012's own IDs run from 1 to 1000, and in another order"
)

_LABELS = {
    "synset": "the labels count the classes in the order of the synsets, from 0",
    "synset:1": "the labels count the classes in the order of the synsets, from 1",
    "ilsvrc2012-id": "the labels are the devkit's ILSVRC2012_IDs, which are not in the order of "
    "the synsets",
    "ilsvrc2012-id:0": "the labels are the devkit's ILSVRC2012_IDs less 1, which are not in the "
    "order of the synsets",
}
_OUTPUTS = {
    f"{OUTPUTS}synset": "the model's outputs are in the order of the synsets",
    f"{OUTPUTS}ilsvrc2012-id": "the model's outputs are in the order of the devkit's "
    "ILSVRC2012_IDs, not of the synsets",
}

_NO_OUTPUT = -1


@dataclass(frozen=True, slots=True)
class OrderGuess:
    """An order that may be the right one.

    Attributes:
        sentence: what is wrong if it is.
        advice: what asks for it.
        wanted: the output that would be right for each image; -1 where there is none.
    """

    sentence: str
    advice: str
    wanted: tuple[int, ...]


def plan_orders(evaluation: Evaluation) -> Iterator[OrderGuess]:
    """Yield the orders to try, other than the one the labels were read by."""
    classes = _find_classes(evaluation)
    if classes is None:
        return
    used = find_order(evaluation.labels_order) if evaluation.labels_order is not None else None
    usual = find_class_offset(evaluation.classes)
    if used is not None and evaluation.outputs_order is None:
        yield from _plan_labels([used.find_number(label) for label in classes], used, usual)
    if used is None or used.classes == tuple(range(LABELED_CLASSES)):
        yield from _plan_outputs(classes, evaluation.outputs_order or f"{OUTPUTS}synset", usual)


def _plan_labels(numbers: Sequence[int], used: ClassOrder, usual: int) -> Iterator[OrderGuess]:
    for text, sentence in _LABELS.items():
        order = find_order(text)
        if order is not None and not _is_tried(order, used):
            found = [order.find_class(number) for number in numbers]
            wanted = tuple(_NO_OUTPUT if item is None else item + usual for item in found)
            yield OrderGuess(sentence, f"--class-order {text}", wanted)


def _plan_outputs(classes: Sequence[int], used: str, usual: int) -> Iterator[OrderGuess]:
    for text, sentence in _OUTPUTS.items():
        order = find_order(text)
        if order is not None and text != used:
            wanted = tuple(order.places[label] + usual for label in classes)
            yield OrderGuess(sentence, f"--class-order {text}", wanted)


def advise_shift(evaluation: Evaluation, shift: int) -> str:
    """Return what moves every label, or every output, by one or more classes.

    Args:
        evaluation: the answers.
        shift: how many classes the answers are above the labels.
    """
    if evaluation.labels_order is None or evaluation.outputs_order is not None:
        first = find_class_offset(evaluation.classes, evaluation.class_offset) + shift
        possible = 0 <= first <= evaluation.classes - LABELED_CLASSES
        return f"--class-order {OUTPUTS}synset:{first}" if possible else SHIFT_ADVICE
    used = find_order(evaluation.labels_order)
    if used is None or not evaluation.labels_order.startswith("synset"):
        return SHIFT_ADVICE
    return f"--class-order synset:{(used.first or 0) - shift}"


def _find_classes(evaluation: Evaluation) -> tuple[int, ...] | None:
    """Return each image's class in the order of the synsets; None where a file has ordered them."""
    if evaluation.outputs_order is None:
        return evaluation.labels
    order = find_order(evaluation.outputs_order)
    return None if order is None else tuple(order.classes[label] for label in evaluation.labels)


def _is_tried(order: ClassOrder, used: ClassOrder) -> bool:
    """Whether it is the one that was used, or that of the synsets from another number: a shift."""
    is_synset = order.classes == tuple(range(LABELED_CLASSES))
    return order.classes == used.classes and (is_synset or order.first == used.first)
