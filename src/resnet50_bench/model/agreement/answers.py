"""How far a prepared graph's answers are from its source's, on images that prepared neither.

Classes alone mislead: where the source itself wavers between two classes, rounding decides, and
nothing is lost. Probabilities alone mislead too: a classifier may blow a harmless rounding up. So
each image counts by what the source says of the class that the prepared graph names:

    kept = sum of p[class of the prepared graph] / sum of p[class of the source]

with p the source's probabilities. It is the share of the right answers the source expects of
itself that the prepared graph still gives: 1 where all classes are the same or as probable, near 0
where the answers have nothing to do with the images, whatever the spread of the probabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from resnet50_bench.model.manifest import Agreement

if TYPE_CHECKING:
    import numpy.typing as npt

Answers: TypeAlias = "tuple[npt.NDArray[Any], npt.NDArray[Any]]"
"""Logits and softmax, `(images, classes)` each."""


def compare_answers(expected: Answers, found: Answers, bound: float | None = None) -> Agreement:
    """Compare the answers to the same images.

    Args:
        expected: of the source.
        found: of the prepared graph.
        bound: what the logits' relative difference may not exceed, for the manifest.
    """
    logits, softmax = (np.asarray(values, np.float64) for values in expected)
    found_logits, found_softmax = (np.asarray(values, np.float64) for values in found)
    rows = np.arange(len(softmax))
    classes, found_classes = softmax.argmax(axis=1), found_softmax.argmax(axis=1)
    weights = softmax[rows, classes]
    difference = np.abs(found_softmax - softmax)
    return Agreement(
        images=len(softmax),
        softmax_max_abs_difference=float(difference.max()),
        logits_relative_l2=float(np.linalg.norm(found_logits - logits) / np.linalg.norm(logits)),
        same_class=int((found_classes == classes).sum()),
        bound=bound,
        kept=float(softmax[rows, found_classes].sum() / weights.sum()),
        effective_images=float(weights.sum() ** 2 / np.square(weights).sum()),
        total_variation=float(difference.sum(axis=1).mean() / 2),
    )
