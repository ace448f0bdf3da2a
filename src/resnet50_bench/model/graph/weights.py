"""Seeded ResNet-50 weights whose batch-norm statistics were measured on data.

Runs in the toolchain's child process: it computes with TensorFlow.

Random weights with made-up statistics either explode or die out over 50 layers, and statistics of
exactly zero make TensorFlow drop the bias and fuse nothing: another graph would be measured. So
each layer's moving mean and variance are those of a calibration batch that went through all
layers before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from resnet50_bench.model.graph.architecture import CLASSES, Convolution, Network
from resnet50_bench.model.graph.probe import plan_probe_images

if TYPE_CHECKING:
    from collections.abc import Callable

Array: TypeAlias = npt.NDArray[np.float32]

EPSILON = 1e-5
"""Added to the variance by batch normalization, as in the published model."""

CALIBRATION_IMAGES = 32
LOGIT_STANDARD_DEVIATION = 2.5
BRANCH_END_SCALE = (0.3, 0.5)
"""Range of the last scale in a residual branch: small, so that the sums stay sane over depth."""
INNER_SCALE = (0.8, 1.2)
OFFSET = (0.05, 0.3)
"""Range of the magnitude of a batch norm's offset: never zero, sign drawn."""


@dataclass(frozen=True, slots=True)
class ConvolutionWeights:
    """One convolution's kernel (HWIO) and its batch norm, one value per filter."""

    kernel: Array
    gamma: Array
    beta: Array
    mean: Array
    variance: Array


@dataclass(frozen=True, slots=True)
class Weights:
    """All trained values of the network.

    Attributes:
        convolutions: in the order of `Network.convolutions`.
        dense_kernel: `(features, classes)`.
        dense_bias: `(classes,)`.
    """

    convolutions: tuple[ConvolutionWeights, ...]
    dense_kernel: Array
    dense_bias: Array


def calibrate_weights(
    network: Network, seed: int, on_progress: Callable[[str], None], classes: int = CLASSES
) -> Weights:
    """Draw kernels (He et al. 2015: variance 2 / fan-in) and measure their batch-norm statistics.

    The same seed gives the same weights on one machine. Across CPUs the last bits may differ,
    because the calibration batch runs on the CPU: the SHA-256 of the file tells models apart.
    """
    calibration = _Calibration(seed)
    total = len(network.convolutions)
    images = plan_probe_images(CALIBRATION_IMAGES, seed)
    values = _relu(calibration.normalize(network.stem, images, INNER_SCALE))
    values = calibration.max_pool(values)
    for block in network.blocks:
        shortcut = values
        if block.projection is not None:
            shortcut = calibration.normalize(block.projection, values, INNER_SCALE)
        values = _relu(calibration.normalize(block.reduce, values, INNER_SCALE))
        values = _relu(calibration.normalize(block.spatial, values, INNER_SCALE))
        values = calibration.normalize(block.expand, values, BRANCH_END_SCALE)
        values = _relu(values + shortcut)
        if block.ends_stage is not None:
            done = len(calibration.layers)
            on_progress(f"generated and calibrated {done} of {total} convolutions")
    kernel, bias = _draw_classifier(values.mean(axis=(1, 2), dtype=np.float64), seed, classes)
    return Weights(tuple(calibration.layers), kernel, bias)


class _Calibration:
    """Draws each layer's weights in turn and runs the calibration batch through it."""

    def __init__(self, seed: int) -> None:
        import tensorflow as tf

        self._tf: Any = tf
        self._seed = seed
        self.layers: list[ConvolutionWeights] = []

    def normalize(self, layer: Convolution, values: Array, scale: tuple[float, float]) -> Array:
        """Draw the layer and return its normalized output on `values`."""
        rng = np.random.default_rng([self._seed, layer.index])
        deviation = np.sqrt(2.0 / layer.fan_in)
        kernel = rng.normal(0.0, deviation, size=layer.kernel_shape).astype(np.float32)
        signs = rng.choice((-1.0, 1.0), size=layer.filters)
        beta = (signs * rng.uniform(*OFFSET, size=layer.filters)).astype(np.float32)
        gamma = rng.uniform(*scale, size=layer.filters).astype(np.float32)
        output = self._convolve(layer, values, kernel)
        mean = output.mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
        variance = output.var(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
        self.layers.append(ConvolutionWeights(kernel, gamma, beta, mean, variance))
        factor = gamma / np.sqrt(variance + np.float32(EPSILON))
        normalized: Array = (output - mean) * factor + beta
        return normalized

    def max_pool(self, values: Array) -> Array:
        """Take the maximum of each 3x3 window, every second one, as after the stem."""
        return np.asarray(self._tf.nn.max_pool2d(values, ksize=3, strides=2, padding="SAME"))

    def _convolve(self, layer: Convolution, values: Array, kernel: Array) -> Array:
        padding: object = "SAME"
        if layer.stride > 1:
            before = (layer.kernel - 1) // 2
            after = layer.kernel - 1 - before
            padding = [[0, 0], [before, after], [before, after], [0, 0]]
        output = self._tf.nn.conv2d(values, kernel, strides=layer.stride, padding=padding)
        return np.asarray(output.numpy(), dtype=np.float32)


def _relu(values: Array) -> Array:
    return np.maximum(values, np.float32(0))


def _draw_classifier(
    features: npt.NDArray[np.float64], seed: int, classes: int
) -> tuple[Array, Array]:
    """Draw a classifier that tells the calibration images apart.

    The bias subtracts the answer to the mean features: without it all images share the class that
    the common part of their features favours.
    """
    rng = np.random.default_rng([seed, 1_000_000])
    mean = features.mean(axis=0)
    kernel = rng.normal(size=(features.shape[1], classes))
    spread = ((features - mean) @ kernel).std()
    kernel = (kernel * (LOGIT_STANDARD_DEVIATION / spread)).astype(np.float32)
    noise = rng.normal(0.0, 0.1, size=classes)
    bias = (noise - mean @ kernel.astype(np.float64)).astype(np.float32)
    return kernel, bias
