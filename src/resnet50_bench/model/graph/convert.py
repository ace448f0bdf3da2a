"""Converts a folded graph to bfloat16, and says in which types a prepared graph computes.

Runs in the toolchain's child process: it reads and writes TensorFlow's tensors.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    find_reachable,
    index_nodes,
    keep_nodes,
    referenced_name,
)
from resnet50_bench.model.graph.rewrite import add_constant, read_constant
from resnet50_bench.model.manifest import Arithmetic

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLOAT, _BFLOAT16 = 1, 14
"""Data type numbers of TensorFlow's types.proto."""

_TYPE_NAMES = {_FLOAT: "float32", _BFLOAT16: "bfloat16", 11: "int8"}
_CONVERTED = frozenset({"Conv2D", "BiasAdd", "Relu", "Add", "AddV2", "MaxPool", "Pad", "ConcatV2"})
_NOT_COMPUTING = frozenset({"Const", "Placeholder", "Cast", "QuantizeV2", "Dequantize"})


def convert_to_bfloat16(graph: GraphDef) -> str:
    """Compute from the input to the pooling in bfloat16; input and output stay float32.

    Raises:
        ModelError: the graph has another operation before the pooling.
    """
    import tensorflow as tf

    nodes = index_nodes(graph)
    (pooling,) = (node for node in graph.node if node.op == "Mean")
    before = find_reachable(nodes, referenced_name(pooling.input[0]))
    chosen = [nodes[name] for name in sorted(before) if nodes[name].op not in _NOT_COMPUTING]
    _add_cast(graph, f"{INPUT_NAME}/bfloat16", INPUT_NAME, (_FLOAT, _BFLOAT16))
    for node in chosen:
        if node.op not in _CONVERTED:
            raise ModelError(f"{node.op} {node.name} cannot be converted to bfloat16")
        node.attr["T"].type = _BFLOAT16
        for position, reference in enumerate(node.input):
            if reference == INPUT_NAME:
                node.input[position] = f"{INPUT_NAME}/bfloat16"
        if node.op in ("Conv2D", "BiasAdd"):
            values = read_constant(nodes, node.input[1]).astype(tf.bfloat16.as_numpy_dtype)
            node.input[1] = f"{node.name}/bfloat16"
            add_constant(graph, node.input[1], values)
    _add_cast(graph, f"{pooling.name}/float32", pooling.input[0], (_BFLOAT16, _FLOAT))
    pooling.input[0] = f"{pooling.name}/float32"
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    convolutions = sum(node.op == "Conv2D" for node in chosen)
    return f"converted {convolutions} convolutions and what is between them to bfloat16"


def read_arithmetic(graph: GraphDef, fused_ops: Mapping[str, int]) -> Arithmetic:
    """Say in which types a prepared graph computes.

    Args:
        graph: the prepared graph.
        fused_ops: counted in the graph as executed.
    """
    convolutions: Counter[str] = Counter()
    float_ops: Counter[str] = Counter()
    for node in graph.node:
        computed = _computed_type(node)
        if "Conv2D" in node.op:
            convolutions[_TYPE_NAMES.get(computed, "int8")] += 1
        elif computed == _FLOAT and node.op not in _NOT_COMPUTING:
            float_ops[node.op] += 1
    sums = (count for name, count in fused_ops.items() if "Add,Add" in name or "Sum" in name)
    return Arithmetic(
        convolutions=dict(convolutions), fused_sums=sum(sums), float32_ops=dict(float_ops)
    )


def _computed_type(node: Node) -> int:
    attribute = "Tfilter" if "Tfilter" in node.attr else "T"
    return int(node.attr[attribute].type) if attribute in node.attr else 0


def _add_cast(graph: GraphDef, name: str, source: str, types: tuple[int, int]) -> None:
    node = graph.node.add(name=name, op="Cast", input=[source])
    node.attr["SrcT"].type, node.attr["DstT"].type = types
