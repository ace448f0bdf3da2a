"""What the onednn engine loads: the layers as operations with their sums inside, and their weights.

For 8 bits the ranges are those of TensorFlow's graph in 8 bits: the largest magnitude of each value
over the calibration images, measured on the same float32 graph; and so are the kernels' values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.engines.onednn.network import (
    IMAGES,
    Kind,
    Network,
    Operation,
    write_network,
)
from resnet50_bench.engines.tensorflow import INPUT_NAME
from resnet50_bench.errors import ModelError, OutputError
from resnet50_bench.model.cache import CACHE_ADVICE
from resnet50_bench.model.converters import layers as read
from resnet50_bench.model.converters.layers import Layer, read_layers
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.probe import SIDE
from resnet50_bench.model.quantization.quantize import quantize_kernel
from resnet50_bench.model.quantization.ranges import measure_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from resnet50_bench.engines import ConvertRequest

_LARGEST_INT8 = 127
_BATCH_IMAGES = 8

_KINDS = {
    read.Kind.CONVOLUTION: Kind.CONVOLUTION,
    read.Kind.MAX_POOL: Kind.MAX_POOL,
    read.Kind.AVERAGE: Kind.AVERAGE,
    read.Kind.CLASSIFIER: Kind.CLASSIFIER,
    read.Kind.SOFTMAX: Kind.SOFTMAX,
}


def convert(request: ConvertRequest) -> tuple[str, ...]:
    """Write the network, and say what was done.

    Raises:
        ModelError: the graph holds an operation that is not known, or a sum that cannot be fused.
        OutputError: it cannot be written.
    """
    graph = read_graph(request.graph)
    layers = read_layers(graph)
    operations = plan_operations(layers)
    convolutions = [item for item in operations if item.kind is Kind.CONVOLUTION]
    sums = sum(item.adds is not None for item in operations)
    steps = [f"wrote {len(convolutions)} convolutions, {sums} of them with the residual sum inside"]
    limits: dict[str, float] = {}
    if len(request.images):
        request.on_progress(f"TensorFlow measures ranges on {len(request.images)} images")
        batches = (
            request.images[first : first + _BATCH_IMAGES]
            for first in range(0, len(request.images), _BATCH_IMAGES)
        )
        limits = dict(measure_ranges(graph, [item.name for item in convolutions], batches))
        limits[IMAGES] = float(np.abs(request.images).max())
        steps.append(
            f"quantized them to 8 bits: ranges of {len(request.images)} images, a scale for each "
            "filter, classifier float32"
        )
    network = Network(operations=operations, side=SIDE, limits=limits)
    try:
        write_network(request.output, network, _read_weights(layers, operations, limits))
    except OSError as error:
        raise OutputError(request.output, error, CACHE_ADVICE) from error
    return tuple(steps)


def plan_operations(layers: Sequence[Layer]) -> tuple[Operation, ...]:
    """Return the layers as operations; a sum becomes a part of the later of the two it adds.

    Raises:
        ModelError: that is no convolution that only the sum reads.
    """
    order = {layer.name: place for place, layer in enumerate(layers)}
    by_name = {layer.name: layer for layer in layers}
    sums: dict[str, Layer] = {}
    for layer in layers:
        if layer.kind is read.Kind.SUM:
            last = max(layer.inputs, key=order.__getitem__)
            _require_fusible(by_name[last], layers)
            sums[last] = layer
    channels = {INPUT_NAME: 3}
    operations = []
    for layer in layers:
        if layer.kind is read.Kind.SUM:
            continue
        kernel = layer.kernel
        channels[layer.name] = (
            channels[layer.inputs[0]] if kernel is None else int(kernel.shape[-1])
        )
        total = sums.get(layer.name)
        if total is not None:
            channels[total.name] = channels[layer.name]
        operations.append(_plan_operation(layer, total, channels[layer.name]))
    return tuple(operations)


def _plan_operation(layer: Layer, total: Layer | None, channels: int) -> Operation:
    """Return a layer as an operation, with the sum that it takes, if any."""
    (source,) = layer.inputs
    others = () if total is None else [name for name in total.inputs if name != layer.name]
    end = total or layer
    return Operation(
        kind=_KINDS[layer.kind],
        name=end.name,
        source=IMAGES if source == INPUT_NAME else source,
        adds=others[0] if others else None,
        side=layer.side,
        channels=channels,
        window=layer.window,
        stride=layer.stride,
        padding=layer.padding,
        relu=end.relu,
    )


def _require_fusible(layer: Layer, layers: Sequence[Layer]) -> None:
    readers = sum(layer.name in other.inputs for other in layers)
    if layer.kind is not read.Kind.CONVOLUTION or layer.relu or readers != 1:
        raise ModelError(
            f"{layer.name} is added to something, and is no convolution that nothing else reads",
            "choose --engine tensorflow, which runs the graph as it is",
        )


def _read_weights(
    layers: Sequence[Layer], operations: Sequence[Operation], limits: Mapping[str, float]
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of each operation that has some; see `Weights`."""
    weighted = [layer for layer in layers if layer.kernel is not None]
    named = [item for item in operations if item.kind in (Kind.CONVOLUTION, Kind.CLASSIFIER)]
    arrays: dict[str, npt.NDArray[Any]] = {}
    for layer, operation in zip(weighted, named, strict=True):
        name, kernel, bias = operation.name, layer.kernel, layer.bias
        assert kernel is not None
        if bias is None:
            bias = np.zeros(operation.channels, np.float32)
        if limits and operation.kind is Kind.CONVOLUTION:
            kernel, largest = quantize_kernel(kernel)
            arrays[f"{name}/scales"] = largest / np.float32(_LARGEST_INT8)
        arrays[f"{name}/kernel"], arrays[f"{name}/bias"] = kernel, bias
    return arrays
