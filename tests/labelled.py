"""Images whose classes are known, and models fitted to them: accuracies known beforehand.

The images are generated JPEGs named as in ILSVRC2012_img_val.tar. Their 16 classes come in pairs
that one mistake of preparation turns into one another: red and blue (channels swapped), dark and
bright (means not subtracted), a grating and one of 4/3 its frequency (width squashed instead of
cropped), and one more direction of the grating that nothing should change.

A fitted model is the generated ResNet-50 with another last layer: ridge regression, in closed form,
of the classes on the pooled features of the images. It is fitted on images as prepared here, by
code of the tests' own, so that a model can also be fitted to a mistake. What it answers is computed
here in float64 from the features: an accuracy to compare a run's with.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

SYNSETS = 1000
KINDS = 16
WIDTH, HEIGHT = 320, 240
"""4:3, as most photographs: a centre crop loses the sides, and a squash narrows everything."""

SIDE = 224
SHORT_SIDE = 256
MEANS = (123.68, 116.78, 103.94)

_REDS = ((215, 95, 40), (170, 120, 60))
_DARK, _BRIGHT = 0.45, 1.0
_WAVES = 14
"""Periods of the grating over the width."""

_LOGIT = 12.0
"""Of the right class, all others at 0: a probability of e^12 / (e^12 + 1000) = 0.994."""

_RIDGE = 1e-3
"""Of the mean product of features: small beside it, so that every image is answered as fitted."""


class Mistake(Enum):
    """One way to prepare images wrongly."""

    NONE = "none"
    BGR = "bgr"
    MEANS_LEFT_IN = "means left in"
    SCALED_TO_ONE = "scaled to 0..1"
    SQUASHED = "squashed"


@dataclass(frozen=True)
class LabelledSet:
    """Images on disk, twice: as files and in a tar.

    Attributes:
        folder: holds the JPEGs.
        tar: holds them too, as the published archive does.
        names: in order.
        kinds: which of the 16 kinds each shows.
        labels: its class, 0..999 in the order of the sorted synsets.
    """

    folder: Path
    tar: Path
    names: tuple[str, ...]
    kinds: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class FittedModel:
    """A last layer for the network, and what that answers, in float64.

    Attributes:
        features: of the images it was fitted to.
        kernel: `(features, classes)`.
        bias: `(classes,)`.
    """

    features: npt.NDArray[np.float64]
    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def score(self, features: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
        """Softmax `(images, classes)` of these features; of those it was fitted to by default."""
        values = self.features if features is None else features
        logits = values @ self.kernel.astype(np.float64) + self.bias.astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def count_correct(
        self,
        outputs: Sequence[int],
        top: int = 1,
        features: npt.NDArray[np.float64] | None = None,
    ) -> int:
        """How many images have their output among the first `top` answers."""
        order = np.argsort(-self.score(features), axis=1, kind="stable")[:, :top]
        return int((order == np.asarray(outputs)[:, None]).any(axis=1).sum())

    def find_margins(self) -> npt.NDArray[np.float64]:
        """The most probable answer's score less that of the second, for each image."""
        first_two = np.sort(self.score(), axis=1)[:, -2:]
        return first_two[:, 1] - first_two[:, 0]


def plan_labels(count: int, seed: int = 0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the kind and the class of each image: every kind equally often, in seeded order."""
    rng = np.random.default_rng([seed, 1])
    classes = np.sort(rng.choice(np.arange(3, SYNSETS - 3), KINDS, replace=False))
    classes = rng.permutation(classes)
    kinds = rng.permutation(np.arange(count) % KINDS)
    return tuple(int(kind) for kind in kinds), tuple(int(classes[kind]) for kind in kinds)


def make_labelled_set(folder: Path, count: int = 9 * KINDS, seed: int = 0) -> LabelledSet:
    """Write the images into `folder/images`, `folder/images.tar` and their `folder/val_map.txt`."""
    kinds, labels = plan_labels(count, seed)
    images = folder / "images"
    images.mkdir(parents=True)
    names = tuple(f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, count + 1))
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        picture = draw_picture(kind, np.random.default_rng([seed, 2, number]))
        parameters = [cv2.IMWRITE_JPEG_QUALITY, 95]
        _, encoded = cv2.imencode(".jpg", picture[..., ::-1], parameters)
        (images / name).write_bytes(encoded.tobytes())
    tar = folder / "images.tar"
    with tarfile.open(tar, "w") as archive:
        for name in names:
            archive.add(images / name, arcname=name)
    write_val_map(folder / "val_map.txt", names, labels)
    return LabelledSet(images, tar, names, kinds, labels)


def write_val_map(path: Path, names: Sequence[str], labels: Sequence[int]) -> Path:
    """Write labels as MLPerf's val_map.txt has them: a name and its class a line."""
    lines = (f"{name} {label}\n" for name, label in zip(names, labels, strict=True))
    path.write_text("".join(lines))
    return path


def mislabel(labels: Sequence[int], count: int) -> tuple[int, ...]:
    """Give the first `count` images the class of the next image that shows another one."""
    wrong = list(labels)
    for place in range(count):
        others = [*labels[place + 1 :], *labels[:place]]
        wrong[place] = next(label for label in others if label != labels[place])
    return tuple(wrong)


def draw_picture(kind: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one uint8 RGB picture `(240, 320, 3)` of a kind, 0..15."""
    blue, bright, finer, upright = (kind >> bit & 1 for bit in range(4))
    colour = np.array(_REDS[rng.integers(2)], dtype=np.float64)
    if blue:
        colour = colour[::-1]
    across, down = np.meshgrid(np.arange(WIDTH) / WIDTH, np.arange(HEIGHT) / WIDTH)
    waves = _WAVES * (4 / 3 if finer else 1) * rng.uniform(0.97, 1.03)
    phase = rng.uniform(0, 2 * np.pi)
    direction = across if upright else across * 0.8 + down * 0.6
    grating = 0.55 + 0.45 * np.sin(2 * np.pi * waves * direction + phase)
    shade = 0.8 + 0.4 * (across * rng.uniform(-1, 1) + down * rng.uniform(-1, 1))
    image = colour * (grating * shade)[..., None]
    for _ in range(4):
        top, left = rng.integers(0, HEIGHT - 40), rng.integers(0, WIDTH - 40)
        height, width = rng.integers(10, 40, size=2)
        image[top : top + height, left : left + width] = colour * rng.uniform(0.2, 1.1)
    image *= _BRIGHT if bright else _DARK
    image += rng.normal(0, 4, size=image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def prepare_images(
    labelled: LabelledSet, mistake: Mistake = Mistake.NONE
) -> npt.NDArray[np.float32]:
    """Prepare all images as MLPerf's reference does, or with one mistake: `(N, 224, 224, 3)`."""
    pictures = [cv2.imread(str(labelled.folder / name)) for name in labelled.names]
    return np.stack([_prepare(picture, mistake) for picture in pictures])


def _prepare(bgr: npt.NDArray[Any], mistake: Mistake) -> npt.NDArray[np.float32]:
    image = bgr if mistake is Mistake.BGR else bgr[..., ::-1]
    if mistake is Mistake.SQUASHED:
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    else:
        height, width = image.shape[:2]
        short = min(height, width)
        size = (SHORT_SIDE * width // short, SHORT_SIDE * height // short)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top, left = (size[1] - SIDE) // 2, (size[0] - SIDE) // 2
        image = image[top : top + SIDE, left : left + SIDE]
    values = image.astype(np.float32)
    if mistake is Mistake.SCALED_TO_ONE:
        return values / np.float32(255)
    if mistake is Mistake.MEANS_LEFT_IN:
        return values
    # Models of Caffe expect blue first, and the mean of blue with it.
    return values - np.float32(MEANS[::-1] if mistake is Mistake.BGR else MEANS)


def compute_features(
    network: Any, images: npt.NDArray[np.float32], batch_size: int = 16
) -> npt.NDArray[np.float64]:
    """Run the images through a frozen graph up to the pooling: float64 `(N, features)`."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(network, name="")
    batches = [images[first : first + batch_size] for first in range(0, len(images), batch_size)]
    with tf.compat.v1.Session(graph=graph) as session:
        pooled = [
            session.run("resnet_model/Squeeze:0", {"input_tensor:0": batch}) for batch in batches
        ]
    return np.concatenate(pooled).astype(np.float64)


def fit_model(
    features: npt.NDArray[np.float64], outputs: Sequence[int], classes: int = SYNSETS + 1
) -> FittedModel:
    """Make a last layer that answers `outputs` to the images of these features.

    Args:
        features: of the images, see `compute_features`.
        outputs: the index of the output that each image should have: label + 1 where `classes` is
            1001, or something else for a mistake.
        classes: 1000 or 1001.
    """
    return FittedModel(features, *_fit(features, outputs, classes))


def write_fitted_model(path: Path, network: Any, model: FittedModel) -> None:
    """Write the network's frozen graph with the model's last layer in place of its own."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.CopyFrom(network)
    values = {"resnet_model/dense/kernel": model.kernel, "resnet_model/dense/bias": model.bias}
    for node in graph.node:
        if node.name in values:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values.pop(node.name)))
    assert values == {}
    path.write_bytes(graph.SerializeToString(deterministic=True))


def _fit(
    features: npt.NDArray[np.float64], outputs: Sequence[int], classes: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Ridge regression in its dual form: as many unknowns as images, not as features."""
    targets = np.zeros((len(outputs), classes))
    targets[np.arange(len(outputs)), np.asarray(outputs)] = _LOGIT
    centre, middle = features.mean(axis=0), targets.mean(axis=0)
    centred = features - centre
    products = centred @ centred.T
    products += _RIDGE * np.trace(products) / len(products) * np.eye(len(products))
    kernel = centred.T @ np.linalg.solve(products, targets - middle)
    bias = middle - centre @ kernel
    return kernel.astype(np.float32), bias.astype(np.float32)
