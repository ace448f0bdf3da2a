"""The child process that makes what an engine loads, and has the engine answer held-out images.

It is given the environment that instances get, and loads the model as they do: what is compared
with TensorFlow's answers is what will be measured. TensorFlow's answers are made by it, too, in a
process of their own. Request and answers go the toolchain's way (`protocol`).
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resnet50_bench.engines import ConvertRequest, LoadRequest, load_engine
from resnet50_bench.errors import OutputError
from resnet50_bench.model.agreement.answers import compare_answers
from resnet50_bench.model.agreement.gate import require_right
from resnet50_bench.model.cache import CACHE_ADVICE
from resnet50_bench.model.calibration import HELD_OUT_IMAGES
from resnet50_bench.model.protocol import ConversionRequest, ToolchainAnswer
from resnet50_bench.model.quantization.ranges import read_calibration_batches, read_held_out_images
from resnet50_bench.model.recipes import find_recipe
from resnet50_bench.model.toolchain import answer_requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet50_bench.engines import Images, Loaded, Scores
    from resnet50_bench.model.agreement.answers import Answers
    from resnet50_bench.model.manifest import Agreement

MAX_RELATIVE_L2 = 1e-4
"""How far the logits of an engine that rounds nothing may be from TensorFlow's."""

_BATCH_IMAGES = 16
_LEAST_SCORE = 1e-30
"""Below it the logarithm of a float32 probability is of a few bits only, and then of none."""


def main() -> None:
    """Do the task on stdin; each answer is one line on the file descriptor of the argument."""
    answer_requests(ConversionRequest, answer_request)


def answer_request(
    request: ConversionRequest, on_progress: Callable[[str], None]
) -> ToolchainAnswer:
    """Convert, have the held-out images answered, and compare.

    Raises:
        ModelError: the answers are none, or differ where nothing is rounded.
    """
    images = read_held_out_images(request.calibration, request.classes, HELD_OUT_IMAGES)
    steps: tuple[str, ...] = ()
    if request.output is not None:
        steps = _convert(request, Path(request.output), on_progress)
    on_progress(f"{request.engine} classifies {len(images)} held-out images")
    scores = _classify(request, images)
    _write(Path(request.scores), scores)
    if request.expected is None:
        return ToolchainAnswer(finished=True)
    expected = np.load(request.expected)
    agreement = compare_scores(expected, scores, exact=not find_recipe(request.precision).rounds)
    require_right(agreement)
    return ToolchainAnswer(finished=True, steps=steps, agreement=agreement)


def compare_scores(expected: Scores, scores: Scores, *, exact: bool) -> Agreement:
    """Compare probabilities, and the logits that they tell: their logarithms, less the mean.

    Args:
        expected: TensorFlow's, `(images, classes)`.
        scores: the engine's.
        exact: nothing is rounded, so the logits may hardly differ.
    """
    bound = MAX_RELATIVE_L2 if exact else None
    return compare_answers(_find_answers(expected), _find_answers(scores), bound)


def _find_answers(scores: Scores) -> Answers:
    logits = np.log(np.maximum(scores, _LEAST_SCORE, dtype=np.float64))
    return logits - logits.mean(axis=1, keepdims=True), scores


def _convert(
    request: ConversionRequest, output: Path, on_progress: Callable[[str], None]
) -> tuple[str, ...]:
    form = load_engine(request.engine).forms[request.precision]
    assert form.converter is not None
    output.mkdir()
    images = np.empty((0, 224, 224, 3), np.float32)
    if form.calibrates:
        assert request.calibration is not None
        images = np.concatenate([*read_calibration_batches(request.calibration, request.classes)])
    steps: tuple[str, ...] = importlib.import_module(form.converter).convert(
        ConvertRequest(
            graph=Path(request.graph),
            precision=request.precision,
            output=output,
            images=images,
            on_progress=on_progress,
        )
    )
    return steps


def _classify(request: ConversionRequest, images: Images) -> Scores:
    """Return what the engine says of the images, in batches of one size."""
    loaded = load_engine(request.engine).load(
        LoadRequest(
            model_path=Path(request.output or request.graph),
            precision=request.precision,
            threads=len(os.sched_getaffinity(0)),
            batch_size=_BATCH_IMAGES,
        )
    )
    scores = classify(loaded, images)
    loaded.close()
    return scores


def classify(loaded: Loaded, images: Images) -> Scores:
    """Return what a loaded model says of any number of images."""
    found = []
    for first in range(0, len(images), _BATCH_IMAGES):
        batch = images[first : first + _BATCH_IMAGES]
        short = _BATCH_IMAGES - len(batch)
        whole = np.concatenate([batch, np.repeat(batch[:1], short, axis=0)]) if short else batch
        # A runtime may answer in memory that its next answer takes.
        found.append(np.array(loaded.run(whole))[: len(batch)])
    return np.concatenate(found)


def _write(path: Path, scores: Scores) -> None:
    try:
        with path.open("wb") as file:
            np.save(file, scores)
    except OSError as error:
        raise OutputError(path, error, CACHE_ADVICE) from error
