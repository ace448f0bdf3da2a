"""The rewrites that turn a trained graph into one TensorFlow executes fast.

Runs in the toolchain's child process: it reads and writes TensorFlow's tensors. Each rewrite
changes the graph in place and says in one sentence what it did; none changes what is computed
beyond rounding, which the preparation verifies afterwards.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    bypass_nodes,
    data_format,
    find_reachable,
    find_source,
    index_nodes,
    keep_nodes,
    referenced_name,
)

if TYPE_CHECKING:
    import numpy.typing as npt

_TO_NHWC = (0, 2, 3, 1)
"""Where each NHWC axis stands in NCHW."""

_TO_NCHW = (0, 3, 1, 2)


def strip_to_output(graph: GraphDef) -> str:
    """Keep what `softmax_tensor` needs, without control inputs; free the batch dimension."""
    before = len(graph.node)
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    for node in graph.node:
        data_inputs = [reference for reference in node.input if not reference.startswith("^")]
        del node.input[:]
        node.input.extend(data_inputs)
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    index_nodes(graph)[INPUT_NAME].attr["shape"].shape.dim[0].size = -1
    return f"stripped to {INPUT_NAME}..{OUTPUT_NAME}: {before} to {len(graph.node)} nodes"


def remove_identities(graph: GraphDef) -> str:
    """Remove Identity nodes: they hide constants and consumers from TensorFlow's fusions."""
    removed = bypass_nodes(graph, lambda node: node.op == "Identity" and node.name != OUTPUT_NAME)
    return f"removed {removed} Identity nodes"


def move_pads_inside(graph: GraphDef) -> str:
    """Have the convolutions add the zeros that Pads in front of them add; Pads of no width go.

    TensorFlow fuses a Pad into the only convolution that reads it, but into none of several.
    """
    nodes = index_nodes(graph)
    before = sum(node.op == "Pad" for node in graph.node)
    for node in graph.node:
        if node.op == "Conv2D" and node.attr["padding"].s == b"VALID":
            pad = nodes[referenced_name(node.input[0])]
            if pad.op == "Pad":
                _set_padding(node, read_constant(nodes, pad.input[1]))
                node.input[0] = pad.input[0]
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    left = sum(node.op == "Pad" for node in graph.node)
    return f"moved {before - left} Pads into their convolutions"


def fold_batch_norms(graph: GraphDef) -> str:
    """Multiply each batch norm into its convolution's kernel, and leave its offset as a BiasAdd.

    In float64: kernel x gamma / sqrt(variance + epsilon), and beta - mean x that factor. The
    BiasAdd keeps the batch norm's name, so that readers need no rewiring.
    """
    nodes = index_nodes(graph)
    readers = Counter(referenced_name(name) for node in graph.node for name in node.input)
    batch_norms = [node for node in graph.node if node.op.startswith("FusedBatchNorm")]
    for batch_norm in batch_norms:
        convolution = nodes[referenced_name(batch_norm.input[0])]
        if convolution.op != "Conv2D" or readers[convolution.name] != 1:
            raise ModelError(
                f"batch normalization {batch_norm.name} cannot be folded: "
                f"it does not follow a convolution of its own but {convolution.name}"
            )
        _fold(graph, nodes, convolution, batch_norm)
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    return f"folded {len(batch_norms)} batch norms into their convolutions"


def convert_to_nhwc(graph: GraphDef) -> str:
    """Turn an NCHW graph into NHWC, the layout TensorFlow's CPU kernels compute in."""
    nodes = index_nodes(graph)
    if not any(data_format(node) == "NCHW" for node in graph.node):
        return "layout is NHWC already"
    converted = sum(_convert_node(graph, nodes, node) for node in list(graph.node))

    def is_layout_change(node: Node) -> bool:
        if node.op != "Transpose":
            return False
        order = tuple(int(axis) for axis in read_constant(nodes, node.input[1]))
        return order in (_TO_NHWC, _TO_NCHW)

    removed = bypass_nodes(graph, is_layout_change)
    return f"converted {converted} operations from NCHW to NHWC, dropped {removed} Transposes"


def _fold(graph: GraphDef, nodes: dict[str, Node], convolution: Node, batch_norm: Node) -> None:
    kernel = read_constant(nodes, convolution.input[1]).astype(np.float64)
    gamma, beta, mean, variance = (
        read_constant(nodes, reference).astype(np.float64) for reference in batch_norm.input[1:5]
    )
    factor = gamma / np.sqrt(variance + batch_norm.attr["epsilon"].f)
    bias = beta - mean * factor
    folded_kernel = f"{convolution.name}/folded_kernel"
    folded_bias = f"{batch_norm.name}/folded_bias"
    add_constant(graph, folded_kernel, (kernel * factor).astype(np.float32))
    add_constant(graph, folded_bias, bias.astype(np.float32))
    convolution.input[1] = folded_kernel
    layout = data_format(batch_norm)
    batch_norm.op = "BiasAdd"
    del batch_norm.input[1:]
    batch_norm.input.append(folded_bias)
    dtype = batch_norm.attr["T"].type
    batch_norm.attr.clear()
    batch_norm.attr["T"].type = dtype
    batch_norm.attr["data_format"].s = layout.encode()


def _set_padding(convolution: Node, widths: npt.NDArray[Any]) -> None:
    """Set the zeros before and after each axis."""
    if widths.any():
        convolution.attr["padding"].s = b"EXPLICIT"
        convolution.attr["explicit_paddings"].list.i[:] = widths.flatten().tolist()


def _convert_node(graph: GraphDef, nodes: dict[str, Node], node: Node) -> bool:
    """Change one node's layout; true when it had one."""
    if data_format(node) == "NCHW":
        for name in ("strides", "ksize", "dilations"):
            if name in node.attr and node.attr[name].list.i:
                sides = list(node.attr[name].list.i)
                node.attr[name].list.i[:] = [sides[axis] for axis in _TO_NHWC]
        if node.op == "Conv2D" and node.attr["explicit_paddings"].list.i:
            raise ModelError(f"explicit_paddings of NCHW {node.name} are not supported")
        node.attr["data_format"].s = b"NHWC"
        return True
    if node.op == "Pad":
        _replace_input(graph, node, 1, read_constant(nodes, node.input[1])[list(_TO_NHWC)])
        return True
    if node.op == "Mean":
        axes = read_constant(nodes, node.input[1])
        _replace_input(graph, node, 1, np.array([_TO_NCHW[axis] for axis in axes], axes.dtype))
        return True
    if node.op == "Squeeze":
        dims = [_TO_NCHW[axis] for axis in node.attr["squeeze_dims"].list.i]
        node.attr["squeeze_dims"].list.i[:] = dims
        return True
    return False


def _replace_input(graph: GraphDef, node: Node, position: int, value: npt.NDArray[Any]) -> None:
    name = f"{node.name}/nhwc"
    add_constant(graph, name, value)
    node.input[position] = name


def read_constant(nodes: dict[str, Node], reference: str) -> npt.NDArray[Any]:
    """Return the value of the Const behind a reference."""
    from tensorflow.python.framework import tensor_util

    node = find_source(nodes, reference)
    if node is None or node.op != "Const":
        raise ModelError(f"{referenced_name(reference)} is not a constant: the graph is not frozen")
    value: npt.NDArray[Any] = tensor_util.MakeNdarray(node.attr["value"].tensor)
    return value


def add_constant(graph: GraphDef, name: str, value: npt.NDArray[Any]) -> None:
    """Add a Const node."""
    from tensorflow.python.framework import tensor_util

    tensor = tensor_util.make_tensor_proto(value)
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = tensor.dtype
    node.attr["value"].tensor.CopyFrom(tensor)
