"""Walks the nodes of a TensorFlow GraphDef, without importing TensorFlow.

Anything whose `node` is a sequence of objects with `name`, `op`, `input` and `attr` will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Node: TypeAlias = Any
"""A `NodeDef`: `name`, `op`, `input` (references) and `attr`."""

GraphDef: TypeAlias = Any
"""A frozen graph: a sequence of nodes called `node`."""


def referenced_name(reference: str) -> str:
    """Return the node's name in an input reference: `name`, `name:1` or `^name`."""
    return reference.removeprefix("^").partition(":")[0]


def index_nodes(graph: GraphDef) -> dict[str, Node]:
    """Map each node's name to the node."""
    return {node.name: node for node in graph.node}


def find_reachable(nodes: dict[str, Node], output: str) -> set[str]:
    """Name the nodes which `output` depends on, itself included."""
    found: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name in found or name not in nodes:
            continue
        found.add(name)
        waiting.extend(referenced_name(reference) for reference in nodes[name].input)
    return found


def find_source(nodes: dict[str, Node], reference: str) -> Node | None:
    """Return the node behind a reference, looking through Identity; None when it is missing."""
    node = nodes.get(referenced_name(reference))
    while node is not None and node.op == "Identity" and node.input:
        node = nodes.get(referenced_name(node.input[0]))
    return node


def constant_shape(node: Node) -> tuple[int, ...]:
    """Return a Const node's shape."""
    return tuple(dim.size for dim in node.attr["value"].tensor.tensor_shape.dim)


def placeholder_shape(node: Node) -> tuple[int, ...] | None:
    """Return a Placeholder's shape, -1 where any size goes; None where any shape does."""
    if "shape" not in node.attr or node.attr["shape"].shape.unknown_rank:
        return None
    return tuple(dim.size for dim in node.attr["shape"].shape.dim)


def data_format(node: Node) -> str:
    """Return a node's layout: `NHWC` (also when it does not say) or `NCHW`."""
    if "data_format" not in node.attr:
        return "NHWC"
    return str(node.attr["data_format"].s.decode()) or "NHWC"


def spatial_stride(node: Node) -> int:
    """Return the larger of a convolution's or pooling's two strides."""
    strides = list(node.attr["strides"].list.i)
    rows, columns = strides[2:4] if data_format(node) == "NCHW" else strides[1:3]
    return int(max(rows, columns))


def bypass_nodes(graph: GraphDef, is_bypassed: Callable[[Node], bool]) -> int:
    """Remove the chosen nodes in place: their readers read their first input instead.

    Returns:
        how many nodes went.
    """
    replaced = {node.name: node.input[0] for node in graph.node if is_bypassed(node)}
    for node in graph.node:
        for position, reference in enumerate(node.input):
            node.input[position] = _follow(replaced, reference)
    keep_nodes(graph, (node.name for node in graph.node if node.name not in replaced))
    return len(replaced)


def keep_nodes(graph: GraphDef, names: Iterable[str]) -> None:
    """Remove in place every node that is not named."""
    kept = set(names)
    nodes = [node for node in graph.node if node.name in kept]
    removed = len(graph.node) - len(nodes)
    if removed:
        copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(copies)


def _follow(replaced: dict[str, str], reference: str) -> str:
    name = referenced_name(reference)
    while name in replaced:
        reference = replaced[name]
        name = referenced_name(reference)
    return reference
