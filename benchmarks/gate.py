"""What each measure says of right graphs and of broken ones: `python benchmarks/gate.py`.

Three ResNet-50 are prepared for a precision, whole and then broken in each way that
`model/agreement/faults.py` names:

- generated: the one that `r50 run` generates;
- fitted: its convolutions, and a last layer fitted to images (ridge regression in closed form):
  photographs with `--photos FOLDER`, of which crops are taken, else generated ones;
- heavy-tailed: kernels of Student's t with 4 degrees of freedom and batch-norm scales spread
  log-normally, as trained networks have them, in the published file's NCHW form.

The last column is the gate's decision. A broken graph that is not refused, or a right one that is,
ends the benchmark with exit code 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from photos import make_photos
from resnet50_bench.config import Precision
from resnet50_bench.data.preprocess import preprocess
from resnet50_bench.data.profiles import MLPERF
from resnet50_bench.errors import ModelError
from resnet50_bench.model.agreement.answers import Answers, compare_answers
from resnet50_bench.model.agreement.faults import plan_faults
from resnet50_bench.model.agreement.gate import (
    Loss,
    find_kept_interval,
    find_worst,
    judge_loss,
    require_right,
)
from resnet50_bench.model.agreement.layers import CHECKED_IMAGES, measure_layers
from resnet50_bench.model.calibration import CalibrationRequest, select_calibration
from resnet50_bench.model.graph.architecture import CLASSES, plan_network
from resnet50_bench.model.graph.convolutions import find_convolutions
from resnet50_bench.model.graph.generate import GraphStyle, build_graph
from resnet50_bench.model.graph.weights import Weights, calibrate_weights
from resnet50_bench.model.manifest import Agreement
from resnet50_bench.model.quantization.ranges import (
    measure_ranges,
    read_calibration_batches,
    read_held_out_images,
)
from resnet50_bench.model.recipes import Recipe, find_recipe
from resnet50_bench.model.toolchain import run_graph

CROPS = 12
"""Of each photograph, half of them mirrored."""

LOGIT = 12.0
"""Of the right class in the fitted graph, all others at 0."""

RIDGE = 1e-3


@dataclass(frozen=True)
class Subject:
    """A graph and the images to prepare it with.

    Attributes:
        name: for people.
        graph: the source.
        calibration: images, a batch an item.
        held_out: images to compare on.
    """

    name: str
    graph: Any
    calibration: list[Any]
    held_out: Any


def make_subjects(photos: Path | None, width: int) -> Iterator[Subject]:
    """Build the three graphs, one at a time."""
    chosen = select_calibration(CalibrationRequest())
    batches, held_out = list(read_calibration_batches(chosen)), read_held_out_images(chosen)
    network = plan_network(width)
    weights = calibrate_weights(network, 0, lambda _: None)
    yield Subject("generated", build_graph(network, weights, GraphStyle()), batches, held_out)
    yield _fit_subject(network, weights, photos)
    heavy = _spread_weights(network)
    style = GraphStyle(data_format="NCHW", read_nodes=True)
    yield Subject("heavy-tailed", build_graph(network, heavy, style), batches, held_out)


def _fit_subject(network: Any, weights: Weights, photos: Path | None) -> Subject:
    """Fit the last layer to three quarters of the crops; the others are held out."""
    crops, labels = _crop(_read_photos(photos))
    features = _pool(build_graph(network, weights, GraphStyle()), crops)
    held = np.arange(len(crops)) % 4 == 0
    kernel, bias = _fit(features, labels)
    fitted = replace(weights, dense_kernel=kernel, dense_bias=bias)
    graph = build_graph(network, fitted, GraphStyle())
    seen = crops[~held][:128]
    return Subject("fitted", graph, np.split(seen, range(8, len(seen), 8)), crops[held][:128])


def _read_photos(folder: Path | None) -> list[bytes]:
    if folder is None:
        return make_photos()
    return [path.read_bytes() for path in sorted(folder.glob("*.JPEG"))]


def _crop(photos: list[bytes]) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    crops, labels = [], []
    for number, data in enumerate(photos):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        for index in range(CROPS):
            side = int(rng.uniform(0.55, 1.0) * min(pixels.shape[:2]))
            top, left = (rng.integers(0, size - side + 1) for size in pixels.shape[:2])
            crop = pixels[top : top + side, left : left + side]
            _, encoded = cv2.imencode(".jpg", crop[:, ::-1] if index % 2 else crop)
            crops.append(preprocess(encoded.tobytes(), MLPERF))
            labels.append(4 + 17 * number)
    order = rng.permutation(len(crops))
    return np.stack(crops)[order], np.array(labels)[order]


def _pool(graph: Any, images: Any) -> Any:
    """Run the images up to the pooling."""
    import tensorflow as tf

    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(graph, name="")
    with tf.compat.v1.Session(graph=imported) as session:
        pooled = [
            session.run("resnet_model/Squeeze:0", {"input_tensor:0": images[first : first + 16]})
            for first in range(0, len(images), 16)
        ]
    return np.concatenate(pooled).astype(np.float64)


def _fit(features: Any, labels: Any) -> tuple[Any, Any]:
    targets = np.zeros((len(labels), CLASSES))
    targets[np.arange(len(labels)), labels] = LOGIT
    centre, middle = features.mean(axis=0), targets.mean(axis=0)
    centred = features - centre
    products = centred @ centred.T
    products += RIDGE * np.trace(products) / len(products) * np.eye(len(products))
    kernel = centred.T @ np.linalg.solve(products, targets - middle)
    return kernel.astype(np.float32), (middle - centre @ kernel).astype(np.float32)


def _spread_weights(network: Any) -> Weights:
    """Measured batch norms around kernels and scales whose tails are those of trained ones."""
    plain = calibrate_weights(network, 1, lambda _: None)
    rng = np.random.default_rng(7)
    layers = []
    for item in plain.convolutions:
        # Each filter keeps its norm, so that the measured statistics stay about right.
        tails = rng.standard_t(4, item.kernel.shape).astype(np.float32)
        squares = [np.square(kernel).sum(axis=(0, 1, 2)) for kernel in (item.kernel, tails)]
        norms = np.sqrt(squares[0] / squares[1])
        spread = np.exp(rng.normal(-0.125, 0.5, item.gamma.shape)).astype(np.float32)
        mixed = 0.7 * item.kernel + 0.7 * tails * norms
        layers.append(replace(item, kernel=mixed, gamma=item.gamma * spread))
    return replace(plain, convolutions=tuple(layers))


def check(subject: Subject, precision: Precision) -> int:
    """Print a row for the right graph and each fault; return how many decisions are wrong."""
    recipe = find_recipe(precision)
    expected = run_graph(subject.graph, subject.held_out)
    reference, graph = _prepare(subject, recipe)
    images = subject.held_out[:: max(1, len(subject.held_out) // CHECKED_IMAGES)]
    wrong = 0
    for fault in (None, *plan_faults()):
        if fault is not None and fault.int8_only and recipe.quantize is None:
            continue
        spoiled = _copy(graph)
        if fault is not None:
            fault.spoil(spoiled, fault.convolution)
        found = run_graph(spoiled, subject.held_out)
        decision, row = _judge(expected, found, (reference, spoiled, images))
        print(f"| {subject.name} | {fault.name if fault else 'right'} | {row} | {decision} |",
              flush=True)  # fmt: skip
        is_broken = False if fault is None else fault.is_broken
        wrong += is_broken not in (None, decision.startswith("refused"))
    return wrong


def _judge(expected: Answers, found: Answers, graphs: tuple[Any, Any, Any]) -> tuple[str, str]:
    agreement = compare_answers(expected, found)
    try:
        worst = find_worst(measure_layers(*graphs))
        agreement = replace(agreement, worst_layer=worst)
        require_right(agreement)
    except ModelError as error:
        return f"refused: {error.message.partition(':')[0]}", _describe(agreement)
    decisions = {Loss.NONE_SEEN: "used", Loss.POSSIBLE: "used, with a warning",
                 Loss.TOO_MUCH: "refused without --accept-loss"}  # fmt: skip
    return decisions[judge_loss(agreement)], _describe(agreement)


def _describe(agreement: Agreement) -> str:
    low, high = find_kept_interval(agreement) or (0.0, 0.0)
    layer = agreement.worst_layer
    cells = (
        f"{agreement.logits_relative_l2:.2f}",
        f"{agreement.same_class} of {agreement.images}",
        f"{agreement.total_variation:.3f}",
        f"{agreement.kept:.3f} ({low:.2f} .. {high:.2f})",
        f"{layer.times_rounding:.1f}" if layer is not None else "-",
    )
    return " | ".join(cells)


def _prepare(subject: Subject, recipe: Recipe) -> tuple[Any, Any]:
    graph = _copy(subject.graph)
    for rewrite in recipe.steps:
        rewrite(graph)
    reference = _copy(graph)
    if recipe.convert is not None:
        recipe.convert(graph)
    if recipe.quantize is not None:
        names = [fused.output for fused in find_convolutions(graph)]
        recipe.quantize(graph, measure_ranges(graph, names, subject.calibration))
    return reference, graph


def _copy(graph: Any) -> Any:
    return type(graph).FromString(graph.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default="avx_int8", choices=["avx_int8", "avx_bfloat16"])
    parser.add_argument("--photos", type=Path, help="folder of .JPEG files to fit a graph to")
    parser.add_argument("--width", type=int, default=64, help="64 is ResNet-50; less is quicker")
    arguments = parser.parse_args()
    print(
        "| graph | fault | logits' L2 | same class | total variation | kept | worst layer | gate |"
    )
    print("|---|---|---|---|---|---|---|---|")
    precision = Precision(arguments.precision)
    subjects = make_subjects(arguments.photos, arguments.width)
    wrong = sum(check(subject, precision) for subject in subjects)
    if wrong:
        sys.exit(f"{wrong} decisions are wrong")


if __name__ == "__main__":
    main()
