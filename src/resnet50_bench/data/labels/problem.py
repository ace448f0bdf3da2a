"""What is said of labels that cannot be used."""

from __future__ import annotations

WHAT_TO_GIVE = (
    "give --labels PATH: lines, CSV or JSON of images' names with their classes or WNIDs, such as "
    "val_map.txt or LOC_val_solution.csv; a synset_labels.txt (a line for each image in the order "
    "of their names); or ILSVRC2012_devkit_t12.tar.gz from image-net.org"
)


class LabelProblem(Exception):
    """Labels that cannot be used.

    Args:
        message: what is wrong and where, in one sentence.
        advice: the next step; None for the general one.
    """

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.advice = advice
