"""Do labels agree with the WNIDs that the images' own names or folders say?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from resnet50_bench.data.labels.installed import order_classes
from resnet50_bench.data.labels.matching import LabelProblem, find_wnids

if TYPE_CHECKING:
    from collections.abc import Sequence


def require_agreement(labels: Sequence[int], names: Sequence[str], origin: str) -> None:
    """Refuse labels that contradict the names of their images; names without a WNID say nothing.

    Without the list of the 1000 classes, what can be checked is that both name the classes in the
    same order, each class the same way everywhere.

    Args:
        labels: of the images, 0..999.
        names: of the images, in the same order.
        origin: where the labels come from.

    Raises:
        LabelProblem: an image's name says another class than its label; it shows both.
    """
    said = [
        (wnid, label, name)
        for wnid, label, name in zip(find_wnids(names), labels, names, strict=True)
        if wnid is not None
    ]
    if not said:
        return
    classes = order_classes({wnid for wnid, _, _ in said}, "the images' names")
    if classes is None:
        _require_order(said, origin)
        return
    numbers = {wnid: number for number, wnid in enumerate(classes)}
    wrong = [item for item in said if numbers.get(item[0]) != item[1]]
    if wrong:
        wnid, label, name = wrong[0]
        number = numbers.get(wnid)
        known = "none of the 1000" if number is None else f"class {number}"
        raise _contradiction(
            f"{len(wrong)} of {len(labels)} images, the first: {name}: its name says {wnid} "
            f"({known}), but its label is {label}, by {origin}"
        )


def _require_order(said: Sequence[tuple[str, int, str]], origin: str) -> None:
    examples = {(wnid, label): name for wnid, label, name in reversed(said)}
    pairs = sorted(examples)
    for first, second in itertools.pairwise(pairs):
        if first[0] == second[0] or first[1] >= second[1]:
            raise _contradiction(
                f"{examples[first]}: its name says {first[0]} and its label is {first[1]}; "
                f"{examples[second]}: its name says {second[0]} and its label is {second[1]}, "
                f"by {origin}: the synsets are not numbered in their order"
            )


def _contradiction(text: str) -> LabelProblem:
    return LabelProblem(
        f"names and labels contradict each other: {text}",
        "mend the labels or the names; without --labels, WNIDs in all names are used as they are",
    )
