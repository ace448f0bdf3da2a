"""Turns a folded float32 graph into TensorFlow's int8 operations.

Runs in the toolchain's child process: it reads and writes TensorFlow's tensors.

Everything is symmetric, as oneDNN's convolutions want it: kernels int8 with one scale per filter;
activations uint8 after a Relu and int8 elsewhere, with one scale per tensor; products summed in
int32. Bias (float32, as oneDNN 3 takes it), residual sum, Relu, zero padding and the return to 8
bits are done inside the convolution. From the pooling on the graph stays float32: that is 0.1 % of
the work, and the classes are told apart there.

The graph is written here and not by neural-compressor-tf because its structure is known exactly:
neural-compressor-tf needs Python 3.11 and the distribution `tensorflow` beside `tensorflow-cpu`,
leaves four Pads between float32 islands, and its graph, with those Pads folded as here, is neither
faster nor closer to float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.convolutions import FusedConvolution, find_convolutions
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    find_reachable,
    index_nodes,
    keep_nodes,
    referenced_name,
)
from resnet50_bench.model.graph.probe import CHANNEL_MEANS
from resnet50_bench.model.graph.rewrite import add_constant, read_constant

if TYPE_CHECKING:
    import numpy.typing as npt

    from resnet50_bench.model.quantization.ranges import Ranges

INPUT_RANGE = max(*CHANNEL_MEANS, 255 - min(CHANNEL_MEANS))
"""The largest magnitude of an input value unless a range is given: 0..255 less the mean."""

_FLOAT, _QINT8, _QUINT8 = 1, 11, 12
"""Data type numbers of TensorFlow's types.proto."""

_LARGEST_INT8 = 127


@dataclass(frozen=True, slots=True)
class _Activation:
    """An 8-bit tensor: the operation writes it with its range as second and third output.

    Attributes:
        name: of the operation.
        dtype: of the tensor.
        range_name: the operation that writes the range; None where it is the same.
    """

    name: str
    dtype: int
    range_name: str | None = None

    @property
    def range_inputs(self) -> tuple[str, str]:
        writer = self.range_name or self.name
        return (f"{writer}:1", f"{writer}:2")

    @property
    def inputs(self) -> tuple[str, str, str]:
        return (self.name, *self.range_inputs)


def quantize(graph: GraphDef, ranges: Ranges) -> str:
    """Replace everything from the input to the pooling by 8-bit operations.

    Args:
        graph: folded, NHWC, changed in place.
        ranges: the largest magnitude of each `FusedConvolution.output`, and of the input where it
            is not that of 0..255 with the channels' means subtracted.

    Raises:
        ModelError: the graph is not a folded ResNet.
    """
    writer = _Writer(graph, ranges)
    for node in [node for node in graph.node if node.op == "Mean"]:
        writer.end_at(node)
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    return (
        f"quantized {writer.convolutions} convolutions to int8, "
        f"{writer.fused_sums} of them with the residual sum inside"
    )


class _Writer:
    """Adds 8-bit operations beside the float ones, from the pooling backwards."""

    def __init__(self, graph: GraphDef, ranges: Ranges) -> None:
        self._graph = graph
        self._ranges = share_ranges(graph, ranges)
        self._nodes = index_nodes(graph)
        self._fused = {fused.output: fused for fused in find_convolutions(graph)}
        self._written: dict[str, _Activation] = {}
        self.convolutions = 0
        self.fused_sums = 0

    def end_at(self, node: Node) -> None:
        """Have a float operation read the 8-bit tensor, converted back."""
        source = self._activation(node.input[0])
        name = f"{node.name}/float32"
        added = self._graph.node.add(name=name, op="Dequantize", input=source.inputs)
        added.attr["T"].type = source.dtype
        added.attr["dtype"].type = _FLOAT
        added.attr["mode"].s = b"SCALED"
        node.input[0] = name

    def _activation(self, reference: str) -> _Activation:
        name = referenced_name(reference)
        if name not in self._written:
            self._written[name] = self._write(self._nodes[name])
        return self._written[name]

    def _write(self, node: Node) -> _Activation:
        if node.name in self._fused:
            return self._add_convolution(self._fused[node.name])
        if node.op == "MaxPool":
            return self._add_max_pool(node)
        if node.op == "Pad":
            return self._add_pad(node)
        if node.op == "ConcatV2":
            return self._add_concatenation(node)
        if node.name == INPUT_NAME:
            return self._quantize_input()
        raise ModelError(f"{node.op} {node.name} cannot be quantized")

    def _quantize_input(self) -> _Activation:
        name = f"{INPUT_NAME}/int8"
        limit = self._ranges.get(INPUT_NAME, INPUT_RANGE)
        limits = self._add_range(name, -limit, limit)
        added = self._graph.node.add(name=name, op="QuantizeV2", input=(INPUT_NAME, *limits))
        added.attr["T"].type = _QINT8
        added.attr["mode"].s = b"SCALED"
        added.attr["round_mode"].s = b"HALF_TO_EVEN"
        return _Activation(name, _QINT8)

    def _add_max_pool(self, node: Node) -> _Activation:
        source = self._activation(node.input[0])
        name = f"{node.name}/int8"
        added = self._graph.node.add(name=name, op="QuantizedMaxPool", input=source.inputs)
        added.attr["T"].type = source.dtype
        for attribute in ("ksize", "strides", "padding"):
            added.attr[attribute].CopyFrom(node.attr[attribute])
        return _Activation(name, source.dtype)

    def _add_pad(self, node: Node) -> _Activation:
        """Zeros are zeros in 8 bits too, as everything is symmetric."""
        source = self._activation(node.input[0])
        name = f"{node.name}/int8"
        added = self._graph.node.add(name=name, op="Pad", input=(source.name, node.input[1]))
        added.attr["T"].type = source.dtype
        added.attr["Tpaddings"].CopyFrom(node.attr["Tpaddings"])
        return _Activation(name, source.dtype, source.range_name or source.name)

    def _add_concatenation(self, node: Node) -> _Activation:
        *parts, axis = node.input
        sources = [self._activation(part) for part in parts]
        name = f"{node.name}/int8"
        names = [source.name for source in sources]
        added = self._graph.node.add(name=name, op="ConcatV2", input=(*names, axis))
        added.attr["T"].type = sources[0].dtype
        for attribute in ("N", "Tidx"):
            added.attr[attribute].CopyFrom(node.attr[attribute])
        return _Activation(name, sources[0].dtype, sources[0].name)

    def _add_convolution(self, fused: FusedConvolution) -> _Activation:
        convolution = fused.convolution
        name = f"{convolution.name}/int8"
        source = self._activation(convolution.input[0])
        summand = None if fused.shortcut is None else self._activation(fused.shortcut)
        kernel, *kernel_range = self._add_kernel(convolution)
        output = _Activation(name, _QINT8 if fused.relu is None else _QUINT8)
        limit = self._ranges[fused.output]
        output_range = self._add_range(name, -limit if fused.relu is None else 0.0, limit)
        inputs = [source.name, kernel, fused.bias.input[1], *source.range_inputs]
        inputs += [*kernel_range, *output_range, *(summand.inputs if summand else ())]
        added = self._graph.node.add(name=name, op=_plan_operation(fused, summand), input=inputs)
        added.attr["Tinput"].type = source.dtype
        added.attr["Tfilter"].type = _QINT8
        added.attr["Tbias"].type = _FLOAT
        added.attr["out_type"].type = output.dtype
        if summand is not None:
            added.attr["Tsummand"].type = summand.dtype
            self.fused_sums += 1
        added.attr["strides"].CopyFrom(convolution.attr["strides"])
        # The zeros of an explicit padding: the operation knows them by another name, and only
        # beside VALID. Symmetric quantization represents zero exactly.
        padding = convolution.attr["padding"].s
        added.attr["padding"].s = b"VALID" if padding == b"EXPLICIT" else padding
        zeros = convolution.attr["explicit_paddings"].list.i
        added.attr["padding_list"].list.i.extend(zeros)
        self.convolutions += 1
        return output

    def _add_kernel(self, convolution: Node) -> tuple[str, str, str]:
        name = f"{convolution.name}/int8_kernel"
        values, limits = quantize_kernel(read_constant(self._nodes, convolution.input[1]))
        _add_int8_constant(self._graph, name, values)
        return (name, *self._add_range(name, -limits, limits))

    def _add_range(self, name: str, lowest: Any, highest: Any) -> tuple[str, str]:
        add_constant(self._graph, f"{name}/min", np.asarray(lowest, np.float32))
        add_constant(self._graph, f"{name}/max", np.asarray(highest, np.float32))
        return f"{name}/min", f"{name}/max"


def share_ranges(graph: GraphDef, ranges: Ranges) -> Ranges:
    """Give all parts of a concatenation the largest range among them: its output has one."""
    shared = dict(ranges)
    for node in graph.node:
        if node.op == "ConcatV2":
            parts = [referenced_name(reference) for reference in node.input[:-1]]
            shared.update(dict.fromkeys(parts, max(ranges[part] for part in parts)))
    return shared


def quantize_kernel(
    kernel: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return a kernel's int8 values and the magnitude that 127 stands for, one per filter.

    Args:
        kernel: HWIO. A filter of zeros gets the magnitude 1.
    """
    limits = np.abs(kernel).max(axis=(0, 1, 2))
    limits[limits == 0] = 1
    scaled = np.rint(kernel.astype(np.float64) * (_LARGEST_INT8 / limits.astype(np.float64)))
    return np.clip(scaled, -_LARGEST_INT8, _LARGEST_INT8).astype(np.int8), limits


def _plan_operation(fused: FusedConvolution, summand: _Activation | None) -> str:
    middle = "" if fused.relu is None else "AndRelu"
    if summand is not None:
        middle = "SumAndRelu" if summand.dtype == _QUINT8 else "SignedSumAndRelu"
    return f"QuantizedConv2DWithBias{middle}AndRequantize"


def _add_int8_constant(graph: GraphDef, name: str, values: npt.NDArray[np.int8]) -> None:
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = _QINT8
    tensor = node.attr["value"].tensor
    tensor.dtype = _QINT8
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = values.tobytes()
