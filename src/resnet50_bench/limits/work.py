"""What the model has to compute and to move, layer by layer.

A multiply-add is one product that is added to a sum; two operations, or 2 FLOP. Products with the
zeros of a padding are counted, as kernels compute them too (or would be measured by what they
skip). Everything else that the model does (batch norms, which are folded, activations, pooling, the
softmax) has no place in the sum: all of it together is less than 1 % of the multiply-adds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from resnet50_bench.model.graph.architecture import (
    BASE_WIDTH,
    CLASSES,
    Convolution,
    Network,
    plan_network,
)
from resnet50_bench.model.graph.structure import INPUT_SIZES, Structure

if TYPE_CHECKING:
    from collections.abc import Iterable

OPERATIONS = 2
"""Of a multiply-add: one multiplication, one addition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution, or the classifier, which is one of a 1x1 image.

    Attributes:
        name: as in the published graph: `conv2d`, `conv2d_1`, .., `dense`.
        input_shape: height, width, channels of what it reads, without padding.
        output_shape: height, width, channels of what it writes.
        kernel: side of the square kernel.
        stride: in both directions.
        adds_shortcut: whether the block's shortcut, as large as the output, is added to its output.
    """

    name: str
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    kernel: int
    stride: int
    adds_shortcut: bool = False

    @property
    def multiply_adds(self) -> int:
        """For one image."""
        return self.kernel**2 * self.input_shape[2] * self.output_values

    @property
    def operations(self) -> int:
        """FLOP for one image; with int8 the same number of integer operations."""
        return OPERATIONS * self.multiply_adds

    @property
    def kernel_values(self) -> int:
        """Trained factors, the biases apart."""
        return self.kernel**2 * self.input_shape[2] * self.output_shape[2]

    @property
    def input_values(self) -> int:
        """Values of one image that it reads, those of a shortcut apart.

        A kernel smaller than its stride, as of the shortcuts' own convolutions, passes over rows
        and columns; a pixel's channels are whole lines of the cache, so these are not moved.
        """
        *sides, channels = self.input_shape
        if self.kernel < self.stride:
            sides = [self.kernel * side for side in self.output_shape[:2]]
        return math.prod(sides) * channels

    @property
    def output_values(self) -> int:
        """Values of one image that it writes."""
        height, width, channels = self.output_shape
        return height * width * channels

    def count_weight_bytes(self, value_bytes: int) -> int:
        """Return what its trained values take.

        Args:
            value_bytes: of a factor: 4 in fp32, 2 in bf16, 1 in int8; biases have 4 in all of them.
        """
        return self.kernel_values * value_bytes + self.output_shape[2] * 4

    def count_activation_bytes(self, value_bytes: int) -> int:
        """Return what one image's values take: those read, the shortcut's too, and those written.

        The least there is: every value is read once and written once.
        """
        added = self.output_values if self.adds_shortcut else 0
        return (self.input_values + added + self.output_values) * value_bytes

    def count_bytes(self, value_bytes: int, batch_size: int) -> int:
        """Return the least that a query moves: the weights once, the activations of each image."""
        activations = batch_size * self.count_activation_bytes(value_bytes)
        return self.count_weight_bytes(value_bytes) + activations

    def compute_intensity(self, value_bytes: int, batch_size: int) -> float:
        """Return the operations for each byte moved, at least: the roofline's abscissa."""
        return batch_size * self.operations / self.count_bytes(value_bytes, batch_size)


@lru_cache(maxsize=64)
def plan_layers(network: Network | None = None, classes: int = CLASSES) -> tuple[Layer, ...]:
    """Return the convolutions in the graph's order, and the classifier.

    Args:
        network: what a graph was found to be; ResNet-50 v1.5 by default, as every graph is that
            passed `model.graph.structure.find_problems`.
        classes: columns of the classifier.
    """
    network = network or plan_network()
    shortcuts = {block.expand.index for block in network.blocks}
    sides = _find_sides(network)
    layers = [
        Layer(
            name=_name(item),
            input_shape=(sides[item.index], sides[item.index], item.in_channels),
            output_shape=(
                _divide(sides[item.index], item.stride),
                _divide(sides[item.index], item.stride),
                item.filters,
            ),
            kernel=item.kernel,
            stride=item.stride,
            adds_shortcut=item.index in shortcuts,
        )
        for item in network.convolutions
    ]
    classifier = Layer(
        name="dense",
        input_shape=(1, 1, network.features),
        output_shape=(1, 1, classes),
        kernel=1,
        stride=1,
    )
    return (*layers, classifier)


def count_multiply_adds(layers: Iterable[Layer]) -> int:
    """Return the multiply-adds of one image: 4,089,186,304 for v1.5 with 1001 classes."""
    return sum(layer.multiply_adds for layer in layers)


def _find_sides(network: Network) -> dict[int, int]:
    """The side of the image that each convolution reads, by its index."""
    sides = {network.stem.index: INPUT_SIZES[0]}
    # The stem, and the pooling behind it, halve the side.
    side = _divide(_divide(INPUT_SIZES[0], network.stem.stride), 2)
    for block in network.blocks:
        if block.projection is not None:
            sides[block.projection.index] = side
        for item in (block.reduce, block.spatial, block.expand):
            sides[item.index] = side
            side = _divide(side, item.stride)
    return sides


def _divide(side: int, stride: int) -> int:
    """With the padding that the model has, each stride begins a new value."""
    return -(-side // stride)


def _name(convolution: Convolution) -> str:
    return f"conv2d_{convolution.index}" if convolution.index else "conv2d"


def read_layers(structure: Structure) -> tuple[Layer, ...] | None:
    """Return the layers of a graph that was read; None for one that is no ResNet-50 v1.5.

    Args:
        structure: what the graph says of itself, as it was before or after its preparation.
    """
    network = read_network(structure)
    return None if network is None else plan_layers(network, structure.classes or CLASSES)


def read_network(structure: Structure) -> Network | None:
    """Return the network of a graph that was read; None for one that is no ResNet-50 v1.5.

    The graph was required to be one when it was prepared (`find_problems`), of a number of channels
    that its trained values tell: a thin one, as tests use, has less work.

    Args:
        structure: as for `read_layers`.
    """
    return _find_network(
        structure.classes or CLASSES, structure.parameters, folded=structure.batch_norms == 0
    )


@lru_cache(maxsize=64)
def _find_network(classes: int, parameters: int, *, folded: bool) -> Network | None:
    for width in range(BASE_WIDTH, 0, -1):
        network = plan_network(width)
        if network.parameters(classes, folded=folded) == parameters:
            return network
    return None
