"""The child process that generates, inspects and prepares graphs with TensorFlow.

The request comes on stdin, the answers go to the file descriptor that its argument names. It ends
when its parent does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import msgspec
import numpy as np

import resnet50_bench
from resnet50_bench.data.profiles import BACKGROUND_CLASSES
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.tensorflow import ENGINE, INPUT_NAME, OUTPUT_NAME, find_unfused
from resnet50_bench.errors import HostError, ModelError, OutputError
from resnet50_bench.model.agreement.answers import compare_answers
from resnet50_bench.model.agreement.gate import find_worst, require_right
from resnet50_bench.model.agreement.layers import CHECKED_IMAGES, measure_layers
from resnet50_bench.model.cache import CACHE_ADVICE
from resnet50_bench.model.calibration import (
    HELD_OUT_IMAGES,
    CalibrationIdentity,
    CalibrationSet,
)
from resnet50_bench.model.formats.reading import read_model
from resnet50_bench.model.graph.architecture import plan_network
from resnet50_bench.model.graph.convert import read_arithmetic
from resnet50_bench.model.graph.convolutions import find_convolutions
from resnet50_bench.model.graph.generate import GraphStyle, build_graph
from resnet50_bench.model.graph.nodes import index_nodes, referenced_name
from resnet50_bench.model.graph.structure import find_problems, read_structure
from resnet50_bench.model.graph.weights import calibrate_weights
from resnet50_bench.model.manifest import ModelSource, PreparedGraph, Reading
from resnet50_bench.model.protocol import Failure, ToolchainAnswer, ToolchainRequest, encode
from resnet50_bench.model.quantization.ranges import (
    find_input_range,
    measure_ranges,
    read_calibration_batches,
    read_held_out_images,
)
from resnet50_bench.model.recipes import Recipe, find_quantized_recipe, find_recipe
from resnet50_bench.signals import ENDING_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet50_bench.config import Precision
    from resnet50_bench.engines.base import Images

EVIDENCE_IMAGES = 8
"""Images in the batch that shows which operations TensorFlow executes."""

EXACT_IMAGES = 32
"""Held-out images where nothing is rounded: logits that are equal on a few are equal."""

_BATCH_IMAGES = 16
"""Held-out images at a time: their activations are in memory together."""

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""

_Request = TypeVar("_Request")


def main() -> None:
    """Do the task on stdin; each answer is one line on the file descriptor of the argument."""
    answer_requests(ToolchainRequest, answer_request)


def answer_requests(
    kind: type[_Request], answer: Callable[[_Request, Callable[[str], None]], ToolchainAnswer]
) -> None:
    """Read the request on stdin and send what becomes of it.

    Args:
        kind: of the request.
        answer: does the task, and is given what takes its progress.
    """
    _end_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    with os.fdopen(int(sys.argv[1]), "wb", buffering=0) as answers:
        try:
            request = msgspec.json.decode(sys.stdin.buffer.read(), type=kind)
            answers.write(encode(answer(request, _Reporter(answers))))
        except (ModelError, HostError) as error:
            failure = Failure(error.message, error.advice, isinstance(error, HostError))
            answers.write(encode(ToolchainAnswer(failure=failure)))


def answer_request(
    request: ToolchainRequest, on_progress: Callable[[str], None]
) -> ToolchainAnswer:
    """Inspect, generate or prepare, as asked.

    Raises:
        ModelError: the graph cannot be read, or is not what was asked for.
    """
    source = request.source
    reading = None
    if source.path is None:
        graph = generate_graph(source, on_progress)
    else:
        graph, reading = read_model(source)
        tell_reading(reading, on_progress)
    structure = read_structure(graph)
    problems = tuple(find_problems(structure, source.base_width))
    prepared = None
    if request.output is not None:
        if problems:
            name = source.path or "the generated model"
            raise ModelError(f"{name} is not ResNet-50 v1.5: {'; '.join(problems)}")
        output = Path(request.output)
        if request.precision is None:
            write_graph(graph, output)
        else:
            recipe = _choose_recipe(request.precision, source, reading)
            load = LoadRequest(output, request.precision, _count_threads(), EVIDENCE_IMAGES)
            images = _choose_images(request.calibration, reading)
            prepared = prepare_graph(graph, recipe, load, on_progress, images)
    return ToolchainAnswer(
        finished=True,
        structure=structure,
        problems=problems,
        prepared=prepared,
        reading=reading,
    )


def tell_reading(reading: Reading, on_progress: Callable[[str], None]) -> None:
    """Say how a file was understood."""
    for text in (reading.describe(), *reading.changes, reading.check):
        if text is not None:
            on_progress(text)


def _choose_recipe(precision: Precision, source: ModelSource, reading: Reading | None) -> Recipe:
    if reading is None or not reading.is_quantized:
        return find_recipe(precision, split=source.split)
    return find_quantized_recipe(precision)


def _choose_images(
    calibration: CalibrationSet | None, reading: Reading | None
) -> CalibrationSet | None:
    """Have the images preprocessed as belongs to the model, where nothing else was asked for."""
    own = reading.preprocessing if reading is not None else None
    if own is None:
        return calibration
    chosen = calibration or CalibrationSet(identity=CalibrationIdentity.generated())
    named = chosen.identity.preprocessing or own.name
    return replace(chosen, identity=replace(chosen.identity, preprocessing=named))


def generate_graph(source: ModelSource, on_progress: Callable[[str], None]) -> Any:
    """Return the graph generated from the source's seed, in the published file's style."""
    network = plan_network(source.base_width)
    weights = calibrate_weights(network, source.seed or 0, on_progress)
    return build_graph(network, weights, GraphStyle())


def write_graph(graph: Any, path: Path) -> None:
    """Write a GraphDef; the same graph gives the same bytes."""
    try:
        path.write_bytes(graph.SerializeToString(deterministic=True))
    except OSError as error:
        raise OutputError(path, error, CACHE_ADVICE) from error


def prepare_graph(
    graph: Any,
    recipe: Recipe,
    load: LoadRequest,
    on_progress: Callable[[str], None],
    calibration: CalibrationSet | None = None,
) -> PreparedGraph:
    """Rewrite a source graph, write it to `load.model_path` and compare the two.

    Raises:
        ModelError: the prepared graph's answers differ too much from the source's, or the images
            to calibrate with cannot be read.
    """
    import tensorflow as tf

    count = HELD_OUT_IMAGES if recipe.rounds else EXACT_IMAGES
    images = read_held_out_images(calibration, _count_classes(graph), count)
    on_progress(f"running the source graph on {len(images)} held-out images")
    expected = run_graph(graph, images)
    steps, expected_ops, reference = _rewrite(graph, recipe, on_progress, calibration)
    assert load.model_path is not None
    write_graph(graph, load.model_path)
    on_progress("comparing the prepared graph with the source graph")
    bound = recipe.max_logits_relative_l2
    agreement = compare_answers(expected, run_graph(graph, images), bound)
    if reference is not None:
        few = images[:: max(1, len(images) // CHECKED_IMAGES)]
        layers = measure_layers(reference, graph, few)
        agreement = replace(agreement, worst_layer=find_worst(layers))
    require_right(agreement)
    loaded = ENGINE.load(load)
    fused_ops = loaded.evidence().fused_ops
    loaded.close()
    return PreparedGraph(
        steps=steps,
        structure=read_structure(graph),
        fused_ops=fused_ops,
        arithmetic=read_arithmetic(graph, fused_ops),
        agreement=agreement,
        notes=plan_fusion_notes(fused_ops, expected_ops),
        tools={
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "resnet50-bench": resnet50_bench.__version__,
        },
    )


def run_graph(graph: Any, images: Images) -> tuple[Any, Any]:
    """Return the logits and the softmax of a graph for these images."""
    import tensorflow as tf

    logits = referenced_name(index_nodes(graph)[OUTPUT_NAME].input[0])
    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(graph, name="")
    fetches = [f"{logits}:0", f"{OUTPUT_NAME}:0"]
    outputs = []
    with tf.compat.v1.Session(graph=imported) as session:
        for first in range(0, len(images), _BATCH_IMAGES):
            batch = images[first : first + _BATCH_IMAGES]
            outputs.append(session.run(fetches, {f"{INPUT_NAME}:0": batch}))
    found, scores = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return found, scores


def plan_fusion_notes(found: dict[str, int], expected: dict[str, int]) -> tuple[str, ...]:
    """Say which fused operations are not as many as expected.

    A note, not an error: which operations are fused depends on the CPU and on TensorFlow's
    release, and a graph that is fused less gives right answers, later.
    """
    notes = [
        f"{found.get(name, 0)} operations {name} are executed, {count} were expected"
        for name, count in expected.items()
        if found.get(name, 0) != count
    ]
    notes += [
        f"{count} operations {name} are fused with nothing"
        for name, count in find_unfused(found).items()
        if count > expected.get(name, 0)
    ]
    return tuple(notes)


def _rewrite(
    graph: Any,
    recipe: Recipe,
    on_progress: Callable[[str], None],
    calibration: CalibrationSet | None,
) -> tuple[tuple[str, ...], dict[str, int], Any | None]:
    """Apply the recipe in place.

    Returns:
        what was done, the fused operations to expect, and the graph as it was before it was
        rounded; None where nothing is.
    """
    steps = []
    for rewrite in recipe.steps:
        steps.append(rewrite(graph))
        on_progress(steps[-1])
    if recipe.expect_fused_ops is None:
        return tuple(steps), {}, None
    convolutions = find_convolutions(graph)
    expected_ops = recipe.expect_fused_ops(convolutions) | _count_pads(graph)
    if not recipe.rounds:
        return tuple(steps), expected_ops, None
    reference = type(graph).FromString(graph.SerializeToString())
    if recipe.convert is not None:
        steps.append(recipe.convert(graph))
    if recipe.quantize is not None:
        assert calibration is not None
        on_progress(f"calibrating with {calibration.identity.images} images")
        names = [fused.output for fused in convolutions]
        batches = read_calibration_batches(calibration, _count_classes(graph))
        ranges = {INPUT_NAME: find_input_range(calibration, _count_classes(graph))}
        ranges |= measure_ranges(graph, names, batches)
        steps.append(recipe.quantize(graph, ranges))
    on_progress(steps[-1])
    return tuple(steps), expected_ops, reference


def _count_pads(graph: Any) -> dict[str, int]:
    """Count the Pads that stay: a pooling has no zeros of its own to put around an image."""
    pads = sum(node.op == "Pad" for node in graph.node)
    return {"Pad": pads} if pads else {}


def _count_classes(graph: Any) -> int:
    return read_structure(graph).classes or BACKGROUND_CLASSES


def _count_threads() -> int:
    return len(os.sched_getaffinity(0))


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


class _Reporter:
    """Writes progress lines."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers

    def __call__(self, text: str) -> None:
        self._answers.write(encode(ToolchainAnswer(progress=text)))
