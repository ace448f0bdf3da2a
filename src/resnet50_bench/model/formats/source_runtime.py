"""Whether a converted graph answers as the model it was made of does, in that model's own runtime.

Runs in the toolchain's child process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.data.profiles import find_profile, name_usual_profile
from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.nodes import index_nodes, referenced_name
from resnet50_bench.model.graph.probe import CHANNEL_MEANS, plan_probe_images

if TYPE_CHECKING:
    import numpy.typing as npt

    from resnet50_bench.model.graph.standard import Standard

    Values = npt.NDArray[Any]

CHECKED_IMAGES = 4
_SEED = 50

MAX_DIFFERENCE = 1e-3
"""Of the logits, relative to their norm. Two runtimes that add up in another
order differ by 1e-6 to 1e-5."""

_LEAST_PROBABILITY = 1e-30


class NotComparableError(Exception):
    """The runtime cannot compute what is to be compared: why."""


@dataclass(frozen=True, slots=True)
class SourceRuntime:
    """What computes a model as it was given.

    Attributes:
        name: with its version.
        run: images as the model takes them -> its answers, probabilities or logits.
        dtype: of the images.
    """

    name: str
    run: Callable[[Values], Values]
    dtype: str = "float32"


def compare_with_source(
    graph: Any, standard: Standard, runtime: SourceRuntime, classes: int
) -> str:
    """Compare the answers to a few images, and say how far they are apart.

    Args:
        graph: in our form.
        standard: what the model was taken for.
        runtime: what computes the model as it was given.
        classes: of the model.

    Raises:
        ModelError: they are not the same.
    """
    pixels = np.rint(plan_probe_images(CHECKED_IMAGES, _SEED) + np.asarray(CHANNEL_MEANS))
    profile = find_profile(standard.profile or name_usual_profile(classes))
    ordered = pixels[..., ::-1] if profile.bgr else pixels
    means, stds = (
        np.asarray(values[::-1] if profile.bgr else values)
        for values in (profile.means, profile.stds)
    )
    ours = ((ordered / profile.divisor - means) / stds).astype(np.float32)
    given = pixels / standard.pixel_divisor if standard.profile is not None else ours
    if standard.input_layout == "NCHW":
        given = given.transpose(0, 3, 1, 2)
    try:
        theirs = runtime.run(np.ascontiguousarray(given.astype(runtime.dtype)))
    except NotComparableError as error:
        return f"not compared with {runtime.name}: {error}"
    except Exception as error:  # noqa: BLE001 - whatever a runtime of others raises
        return f"{runtime.name} could not compute it: {type(error).__name__}: {error}"
    logits, probabilities = (values[: len(theirs)] for values in _run(graph, ours))
    difference = _measure(theirs.reshape(len(theirs), -1), logits, probabilities)
    text = (
        f"the logits differ by {difference:.1e} of their norm from those of {runtime.name}, on "
        f"{len(theirs)} images"
    )
    if not difference <= MAX_DIFFERENCE:
        raise ModelError(
            f"the model was not converted rightly: {text}, where {MAX_DIFFERENCE:g} is allowed",
            "report it with `r50 model verify` on the file; a frozen graph (.pb) of the same model "
            "needs no conversion",
        )
    return text


def _run(graph: Any, images: Values) -> tuple[Values, Values]:
    """Return the logits and the probabilities."""
    import tensorflow as tf

    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(graph, name="")
    logits = referenced_name(index_nodes(graph)[OUTPUT_NAME].input[0])
    with tf.compat.v1.Session(graph=imported) as session:
        fetches = (f"{logits}:0", f"{OUTPUT_NAME}:0")
        found: tuple[Values, Values] = session.run(fetches, {f"{INPUT_NAME}:0": images})
    return found


def _measure(theirs: Values, logits: Values, probabilities: Values) -> float:
    """Return the difference of the logits, each image's about their mean, relative to their norm.

    Logarithms of probabilities are logits up to such a mean, as far as they can be told from zero.
    """
    wanted, found = theirs.astype(np.float64), logits.astype(np.float64)
    if wanted.min() >= 0 and np.allclose(wanted.sum(axis=1), 1.0, atol=1e-3):
        wanted, found = (
            np.log(np.maximum(values.astype(np.float64), _LEAST_PROBABILITY))
            for values in (theirs, probabilities)
        )
    wanted, found = (values - values.mean(axis=1, keepdims=True) for values in (wanted, found))
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
