"""Writes ResNet-50 graphs with the published model's node names and pattern.

Runs in the toolchain's child process: it builds TensorFlow graphs. The pattern is that of the
TensorFlow official models, release 1 (`official/r1/resnet/resnet_model.py`): an explicit Pad in
front of every strided convolution, even the 1x1 ones, and the projection first in its block.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.model.graph.probe import SIDE
from resnet50_bench.model.graph.weights import EPSILON

if TYPE_CHECKING:
    import numpy.typing as npt

    from resnet50_bench.model.graph.architecture import Block, Convolution, Network
    from resnet50_bench.model.graph.weights import ConvolutionWeights, Weights

PREFIX = "resnet_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphStyle:
    """How a graph is written; the same network in each style.

    Attributes:
        data_format: NCHW transposes the images first, as the published NCHW export does.
        read_nodes: put an Identity named `.../read` between each trained value and its user.
        batch_norm_op: the operation that normalizes.
        arg_max: also write the `ArgMax` node, which nothing here reads.
        pooling: where the windows of the pooling after the stem begin: `same` with the image, as
            TensorFlow's padding does for an even side, `centred` one row and column before it, as
            PyTorch's `padding=1` does. All values are positive there, so zeros change no maximum.
    """

    data_format: Literal["NHWC", "NCHW"] = "NHWC"
    read_nodes: bool = False
    batch_norm_op: Literal["FusedBatchNorm", "FusedBatchNormV3"] = "FusedBatchNorm"
    arg_max: bool = True
    pooling: Literal["same", "centred"] = "same"


def build_graph(network: Network, weights: Weights, style: GraphStyle) -> Any:
    """Return the network as a frozen `tf.compat.v1.GraphDef`."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        _Writer(tf, weights, style).write(network)
    return graph.as_graph_def()


class _Writer:
    """Adds nodes to the default graph, numbering repeated names as TensorFlow 1 did."""

    def __init__(self, tf: Any, weights: Weights, style: GraphStyle) -> None:
        self._tf = tf
        self._ops = tf.raw_ops
        self._weights = weights
        self._style = style
        self._used: Counter[str] = Counter()

    def write(self, network: Network) -> None:
        """Add the whole network, from `input_tensor` to `softmax_tensor`."""
        values = self._tf.compat.v1.placeholder(
            self._tf.float32, shape=(None, SIDE, SIDE, 3), name=INPUT_NAME
        )
        if self._style.data_format == "NCHW":
            order = self._constant(f"{PREFIX}/transpose/perm", np.array((0, 3, 1, 2), np.int32))
            values = self._ops.Transpose(x=values, perm=order, name=f"{PREFIX}/transpose")
        values = self._convolve(network.stem, values)
        values = self._identity(values, "initial_conv")
        values = self._relu(self._normalize(network.stem, values))
        is_centred = self._style.pooling == "centred"
        if is_centred:
            values = self._pad(3, values)
        values = self._ops.MaxPool(
            input=values,
            ksize=self._sides(3),
            strides=self._sides(2),
            padding="VALID" if is_centred else "SAME",
            data_format=self._style.data_format,
            name=f"{PREFIX}/max_pooling2d/MaxPool",
        )
        values = self._identity(values, "initial_max_pool")
        for block in network.blocks:
            values = self._add_block(block, values)
        self._classify(values)

    def _add_block(self, block: Block, values: Any) -> Any:
        shortcut = values
        if block.projection is not None:
            shortcut = self._normalize(block.projection, self._convolve(block.projection, values))
        for layer in (block.reduce, block.spatial):
            values = self._relu(self._normalize(layer, self._convolve(layer, values)))
        values = self._normalize(block.expand, self._convolve(block.expand, values))
        values = self._relu(self._ops.Add(x=values, y=shortcut, name=self._numbered("add")))
        if block.ends_stage is not None:
            values = self._identity(values, f"block_layer{block.ends_stage}")
        return values

    def _convolve(self, layer: Convolution, values: Any) -> Any:
        if layer.stride > 1:
            values = self._pad(layer.kernel, values)
        scope = _layer_scope("conv2d", layer.index)
        kernel = self._weights.convolutions[layer.index].kernel
        return self._ops.Conv2D(
            input=values,
            filter=self._trained(f"{scope}/kernel", kernel),
            strides=self._sides(layer.stride),
            padding="SAME" if layer.stride == 1 else "VALID",
            data_format=self._style.data_format,
            name=f"{scope}/Conv2D",
        )

    def _pad(self, kernel: int, values: Any) -> Any:
        name = self._numbered("Pad")
        before = (kernel - 1) // 2
        sides = np.zeros((4, 2), np.int32)
        first = 2 if self._style.data_format == "NCHW" else 1
        sides[first : first + 2] = (before, kernel - 1 - before)
        paddings = self._constant(f"{name}/paddings", sides)
        return self._ops.Pad(input=values, paddings=paddings, name=name)

    def _normalize(self, layer: Convolution, values: Any) -> Any:
        scope = _layer_scope("batch_normalization", layer.index)
        weights: ConvolutionWeights = self._weights.convolutions[layer.index]
        op = getattr(self._ops, self._style.batch_norm_op)
        return op(
            x=values,
            scale=self._trained(f"{scope}/gamma", weights.gamma),
            offset=self._trained(f"{scope}/beta", weights.beta),
            mean=self._trained(f"{scope}/moving_mean", weights.mean),
            variance=self._trained(f"{scope}/moving_variance", weights.variance),
            epsilon=EPSILON,
            data_format=self._style.data_format,
            is_training=False,
            name=f"{scope}/{self._style.batch_norm_op}",
        )[0]

    def _classify(self, values: Any) -> None:
        axes = (2, 3) if self._style.data_format == "NCHW" else (1, 2)
        indices = self._constant(f"{PREFIX}/Mean/reduction_indices", np.array(axes, np.int32))
        values = self._ops.Mean(input=values, axis=indices, keep_dims=True, name=f"{PREFIX}/Mean")
        values = self._identity(values, "final_reduce_mean")
        values = self._ops.Squeeze(input=values, axis=list(axes), name=f"{PREFIX}/Squeeze")
        kernel = self._trained(f"{PREFIX}/dense/kernel", self._weights.dense_kernel)
        bias = self._trained(f"{PREFIX}/dense/bias", self._weights.dense_bias)
        values = self._ops.MatMul(a=values, b=kernel, name=f"{PREFIX}/dense/MatMul")
        values = self._ops.BiasAdd(value=values, bias=bias, name=f"{PREFIX}/dense/BiasAdd")
        values = self._identity(values, "final_dense")
        if self._style.arg_max:
            axis = self._constant("ArgMax/dimension", np.array(1, np.int32))
            self._ops.ArgMax(input=values, dimension=axis, name="ArgMax")
        self._ops.Softmax(logits=values, name=OUTPUT_NAME)

    def _trained(self, name: str, value: npt.NDArray[Any]) -> Any:
        constant = self._constant(name, value)
        if not self._style.read_nodes:
            return constant
        return self._ops.Identity(input=constant, name=f"{name}/read")

    def _constant(self, name: str, value: npt.NDArray[Any]) -> Any:
        return self._tf.compat.v1.constant(value, name=name)

    def _relu(self, values: Any) -> Any:
        return self._ops.Relu(features=values, name=self._numbered("Relu"))

    def _identity(self, values: Any, name: str) -> Any:
        return self._ops.Identity(input=values, name=f"{PREFIX}/{name}")

    def _numbered(self, name: str) -> str:
        count = self._used[name]
        self._used[name] += 1
        return f"{PREFIX}/{name}" if count == 0 else f"{PREFIX}/{name}_{count}"

    def _sides(self, size: int) -> list[int]:
        return [1, 1, size, size] if self._style.data_format == "NCHW" else [1, size, size, 1]


def _layer_scope(name: str, index: int) -> str:
    return f"{PREFIX}/{name}" if index == 0 else f"{PREFIX}/{name}_{index}"
