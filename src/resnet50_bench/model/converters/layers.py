"""A folded float32 graph as a list of layers, which other runtimes' models are written from.

Runs in the toolchain's child process: it reads TensorFlow's tensors.

Only what a graph prepared for `avx_fp32` holds is known: batch norms folded, NHWC, the zeros around
an image inside the convolutions. A bias and a Relu belong to the layer whose values they change.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    find_source,
    index_nodes,
    referenced_name,
    spatial_stride,
)
from resnet50_bench.model.graph.probe import SIDE
from resnet50_bench.model.graph.rewrite import read_constant

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

Padding = tuple[int, int, int, int]
"""Zeros around an image: top, left, bottom, right."""

_NONE: Padding = (0, 0, 0, 0)
_PASSING = frozenset({"Identity", "Squeeze", "Reshape"})


class Kind(str, Enum):
    """What a layer computes."""

    CONVOLUTION = "convolution"
    SUM = "sum"
    MAX_POOL = "max pooling"
    AVERAGE = "average"
    CLASSIFIER = "classifier"
    SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of the network.

    Attributes:
        kind: what it computes.
        inputs: the layers it reads, by name; `INPUT_NAME` is the images.
        name: of the node whose values it gives.
        side: rows and columns of what it gives; 1 from the average on.
        kernel: HWIO of a convolution, `(features, classes)` of the classifier.
        bias: a value a filter or class.
        stride: of a convolution or pooling.
        padding: zeros around what a convolution or pooling reads.
        window: rows and columns of a kernel or a pooling.
        relu: whether what is below zero becomes zero.
    """

    kind: Kind
    inputs: tuple[str, ...]
    name: str
    side: int
    kernel: npt.NDArray[Any] | None = None
    bias: npt.NDArray[Any] | None = None
    stride: int = 1
    padding: Padding = _NONE
    window: int = 1
    relu: bool = False


def read_layers(graph: GraphDef) -> tuple[Layer, ...]:
    """Return the layers in the order in which they can be computed; the last is the softmax.

    Raises:
        ModelError: the graph is not folded, or holds an operation that no other runtime is told.
    """
    return _Reader(graph).read()


class _Reader:
    """Walks from the output to the input; each node is read after those it reads."""

    def __init__(self, graph: GraphDef) -> None:
        self._nodes = index_nodes(graph)
        self._layers: dict[str, Layer] = {}
        self._behind: dict[str, str] = {INPUT_NAME: INPUT_NAME}
        self._pads: dict[str, Padding] = {}
        self._readers = Counter(
            referenced_name(reference) for node in graph.node for reference in node.input
        )
        self._operations: dict[str, Callable[[Node], Layer]] = {
            "Conv2D": self._convolution,
            "Add": self._sum,
            "AddV2": self._sum,
            "MaxPool": self._max_pool,
            "Mean": self._average,
            "MatMul": self._classifier,
            "Softmax": self._softmax,
        }

    def read(self) -> tuple[Layer, ...]:
        for name in self._order():
            self._read_node(self._nodes[name])
        return tuple(self._layers.values())

    def _order(self) -> list[str]:
        """Name the nodes between input and output, each behind those it reads."""
        ordered: dict[str, None] = {}
        waiting = [(OUTPUT_NAME, False)]
        while waiting:
            name, has_inputs = waiting.pop()
            if name in ordered or name == INPUT_NAME:
                continue
            if has_inputs:
                ordered[name] = None
                continue
            waiting.append((name, True))
            waiting += [(referenced_name(each), False) for each in self._nodes[name].input]
        return [name for name in ordered if self._nodes[name].op != "Const"]

    def _read_node(self, node: Node) -> None:
        if node.op in _PASSING and node.name != OUTPUT_NAME:
            self._behind[node.name] = self._behind[referenced_name(node.input[0])]
        elif node.op == "Pad":
            self._pad(node)
        elif node.op in ("BiasAdd", "Relu"):
            self._extend(node)
        elif node.op in self._operations:
            layer = self._operations[node.op](node)
            self._layers[node.name] = layer
            self._behind[node.name] = node.name
        else:
            raise ModelError(
                f"the operation {node.op} ({node.name}) cannot be converted for another engine",
                "choose --engine tensorflow, which runs the graph as it is",
            )

    def _extend(self, node: Node) -> None:
        """Let a bias or a Relu be a part of the layer it follows, which gets its name."""
        source = referenced_name(node.input[0])
        before = self._layers.pop(self._behind[source])
        if self._readers[source] != 1:
            raise ModelError(f"{source} is read before and after {node.name}")
        if node.op == "Relu":
            layer = replace(before, name=node.name, relu=True)
        else:
            layer = replace(before, name=node.name, bias=self._constant(node, 1))
        self._layers[node.name] = layer
        self._behind[node.name] = node.name

    def _pad(self, node: Node) -> None:
        """Zeros in front of a pooling of what is never below zero are as good as none there."""
        (_, _), (top, bottom), (left, right), (_, _) = self._constant(node, 1).tolist()
        source = self._behind[referenced_name(node.input[0])]
        self._behind[node.name] = source
        self._pads[node.name] = (top, left, bottom, right)

    def _convolution(self, node: Node) -> Layer:
        kernel = self._constant(node, 1)
        window, stride = int(kernel.shape[0]), spatial_stride(node)
        padding = self._padding(node, window, stride)
        side = self._shrink(node, window, stride, padding)
        return Layer(kind=Kind.CONVOLUTION, inputs=self._inputs(node, 1), name=node.name, side=side,
                     kernel=kernel, stride=stride, padding=padding, window=window)  # fmt: skip

    def _max_pool(self, node: Node) -> Layer:
        window, stride = int(node.attr["ksize"].list.i[1]), spatial_stride(node)
        padding = self._padding(node, window, stride)
        (source,) = self._inputs(node, 1)
        if padding != _NONE and not self._layers[source].relu:
            raise ModelError(
                f"{node.name} takes the largest of zeros around what may be below zero"
            )
        side = self._shrink(node, window, stride, padding)
        return Layer(kind=Kind.MAX_POOL, inputs=(source,), name=node.name, side=side,
                     stride=stride, padding=padding, window=window)  # fmt: skip

    def _sum(self, node: Node) -> Layer:
        inputs = self._inputs(node, 2)
        return Layer(
            kind=Kind.SUM, inputs=inputs, name=node.name, side=self._layers[inputs[0]].side
        )

    def _average(self, node: Node) -> Layer:
        if sorted(self._constant(node, 1).tolist()) != [1, 2]:
            raise ModelError(f"{node.name} is no average over the rows and columns of an image")
        return Layer(kind=Kind.AVERAGE, inputs=self._inputs(node, 1), name=node.name, side=1)

    def _classifier(self, node: Node) -> Layer:
        kernel = self._constant(node, 1)
        if node.attr["transpose_b"].b:
            kernel = kernel.T
        return Layer(kind=Kind.CLASSIFIER, inputs=self._inputs(node, 1), name=node.name, side=1,
                     kernel=kernel)  # fmt: skip

    def _softmax(self, node: Node) -> Layer:
        return Layer(kind=Kind.SOFTMAX, inputs=self._inputs(node, 1), name=node.name, side=1)

    def _inputs(self, node: Node, count: int) -> tuple[str, ...]:
        return tuple(self._behind[referenced_name(each)] for each in node.input[:count])

    def _constant(self, node: Node, position: int) -> npt.NDArray[Any]:
        source = find_source(self._nodes, node.input[position])
        assert source is not None
        return read_constant(self._nodes, source.name)

    def _padding(self, node: Node, window: int, stride: int) -> Padding:
        before = self._pads.get(referenced_name(node.input[0]), _NONE)
        kind = node.attr["padding"].s
        if kind == b"EXPLICIT":
            _, _, top, bottom, left, right, *_ = node.attr["explicit_paddings"].list.i
            return top, left, bottom, right
        if kind == b"VALID":
            return before
        side = self._side(node)
        # TensorFlow, "Neural network ops: padding": what is left over goes to the end.
        zeros = max((-(-side // stride) - 1) * stride + window - side, 0)
        return zeros // 2, zeros // 2, zeros - zeros // 2, zeros - zeros // 2

    def _side(self, node: Node) -> int:
        source = self._behind[referenced_name(node.input[0])]
        return SIDE if source == INPUT_NAME else self._layers[source].side

    def _shrink(self, node: Node, window: int, stride: int, padding: Padding) -> int:
        top, _, bottom, _ = padding
        return (self._side(node) + top + bottom - window) // stride + 1
