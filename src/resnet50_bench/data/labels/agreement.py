"""Do labels agree with the WNIDs that the images' own names or folders say?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.data.labels.classes import number_wnids
from resnet50_bench.data.labels.problem import LabelProblem
from resnet50_bench.data.labels.wnids import find_wnids

if TYPE_CHECKING:
    from collections.abc import Sequence


def require_agreement(labels: Sequence[int], names: Sequence[str], origin: str) -> None:
    """Refuse labels that contradict the names of their images; names without a WNID say nothing.

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
    numbers = number_wnids()
    wrong = [item for item in said if numbers.get(item[0]) != item[1]]
    if wrong:
        wnid, label, name = wrong[0]
        number = numbers.get(wnid)
        known = "none of the 1000" if number is None else f"class {number}"
        raise _contradiction(
            f"{len(wrong)} of {len(labels)} images, the first: {name}: its name says {wnid} "
            f"({known}), but its label is {label}, by {origin}"
        )


def _contradiction(text: str) -> LabelProblem:
    return LabelProblem(
        f"names and labels contradict each other: {text}",
        "mend the labels or the names; without --labels, WNIDs in all names are used as they are",
    )
