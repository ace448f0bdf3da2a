"""What the figures of an agreement mean: may the prepared graph be used?

- *Broken* is what no image excuses: an answer that is no number, a layer that is further from what
  it should compute than rounding explains, logits that differ where nothing is rounded. Such a
  graph is never used.
- *Lossy* is a graph whose layers are right and whose rounding, summed up, costs right answers. How
  many is an estimate with an interval, and what is too many is the user's to say.

No numpy: whoever reads a manifest can judge it.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.errors import ModelError
from resnet50_bench.stats.proportions import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resnet50_bench.model.manifest import Agreement, LayerError

MAX_TIMES_ROUNDING = 6.0
"""How far a layer may be from what it should compute, in units of what rounding gives."""

KEPT_ENOUGH = 0.9
KEPT_TOO_FEW = 0.5
"""Between them, a warning."""


class Loss(Enum):
    """What rounding costs, by the interval of `Agreement.kept`."""

    NONE_SEEN = "none seen"
    POSSIBLE = "possible"
    TOO_MUCH = "too much"


def find_worst(layers: Iterable[LayerError]) -> LayerError:
    """Return the layer furthest from what rounding gives; one that is no number comes first."""
    return max(layers, key=_distance)


def require_right(agreement: Agreement) -> None:
    """Refuse a broken graph.

    Raises:
        ModelError: it is broken; says where, if a layer is.
    """
    layer, bound = agreement.worst_layer, agreement.bound
    if layer is not None and _distance(layer) > MAX_TIMES_ROUNDING:
        raise ModelError(
            f"the prepared graph is broken at {layer.name}: what it computes differs by "
            f"{layer.relative_l2:.2g} of its norm from what it should be, where rounding gives "
            f"{layer.rounding_l2:.2g}",
            "prepare it again; if this comes back, report it with `r50 doctor`'s output",
        )
    if not math.isfinite(agreement.logits_relative_l2) or agreement.kept is None:
        raise ModelError("the prepared graph answers with values that are no numbers")
    if bound is not None and agreement.logits_relative_l2 > bound:
        raise ModelError(
            "the prepared graph does not answer as its source does: logits differ by "
            f"{agreement.logits_relative_l2:.2g} of their norm, where {bound:.2g} is allowed"
        )


def find_kept_interval(agreement: Agreement) -> tuple[float, float] | None:
    """Return the 95 % interval of `kept`; None for a manifest that does not tell.

    Wilson's, as if there were as many images, each right or wrong, as there are equally sure ones:
    L. Kish, Survey Sampling, 1965, section 8.2. An image that counts in part varies less than that.
    """
    if agreement.kept is None or agreement.effective_images is None:
        return None
    images = agreement.effective_images
    return wilson_interval(min(agreement.kept, 1.0) * images, images)


def judge_loss(agreement: Agreement) -> Loss:
    """Say what rounding costs: too much when even the upper end of the interval is too few."""
    interval = find_kept_interval(agreement)
    if interval is None:
        return Loss.NONE_SEEN
    low, high = interval
    if high < KEPT_TOO_FEW:
        return Loss.TOO_MUCH
    return Loss.NONE_SEEN if low >= KEPT_ENOUGH else Loss.POSSIBLE


def describe_loss(agreement: Agreement) -> str:
    """Say what rounding costs: the end of a sentence about the prepared graph."""
    low, high = find_kept_interval(agreement) or (0.0, 1.0)
    return (
        f"keeps {agreement.kept or 0.0:.1%} (95 % interval {low:.1%} .. {high:.1%}) of the right "
        f"answers its source expects of itself, on {agreement.images} held-out images"
    )


def _distance(layer: LayerError) -> float:
    times = layer.times_rounding
    return math.inf if math.isnan(times) else times
