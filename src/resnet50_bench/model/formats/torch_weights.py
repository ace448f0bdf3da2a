"""PyTorch weights as our graph. Runs in the toolchain's child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.model.formats.torch_file import TorchFile, open_reader
from resnet50_bench.model.formats.torch_names import NORMS, LayerNames
from resnet50_bench.model.graph.architecture import plan_network
from resnet50_bench.model.graph.generate import GraphStyle, build_graph
from resnet50_bench.model.graph.weights import ConvolutionWeights, Weights

if TYPE_CHECKING:
    from resnet50_bench.model.formats.torch_file import Reader

STYLE = GraphStyle(batch_norm_op="FusedBatchNormV3", pooling="centred", arg_max=False)
"""PyTorch's stem pools windows that begin one row before the image; TensorFlow's begin with it."""


def convert_weights(file: TorchFile, base_width: int) -> Any:
    """Return the weights as a graph: kernels from OIHW to HWIO, nothing else is changed.

    All three networks normalise with epsilon 1e-5, as ours does.
    """
    read = open_reader(file)
    dense = f"{file.names.classifier}.weight"
    weights = Weights(
        convolutions=tuple(_read_layer(read, layer) for layer in file.names.layers),
        dense_kernel=np.ascontiguousarray(read(dense).T),
        dense_bias=read(f"{file.names.classifier}.bias"),
    )
    return build_graph(plan_network(base_width), weights, STYLE)


def _read_layer(read: Reader, layer: LayerNames) -> ConvolutionWeights:
    gamma, beta, mean, variance = (read(f"{layer.norm}.{name}") for name in NORMS)
    kernel = np.ascontiguousarray(read(layer.kernel).transpose(2, 3, 1, 0))
    return ConvolutionWeights(kernel, gamma, beta, mean, variance)
