"""Removes what training and exporting leave in a frozen graph, and what only looks different.

Runs in the toolchain's child process. Each rewrite changes the graph in place and says in one
sentence what it did, or None where there was nothing to do.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

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
from resnet50_bench.model.graph.rewrite import add_constant, read_constant

_PASSING = frozenset({"StopGradient", "PreventGradient", "CheckNumerics", "Snapshot"})
_RANDOM = frozenset({"RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2"})
_JOINING = frozenset({"Mul", "SelectV2", "Select"})
_SCALING = frozenset({"Mul", "RealDiv", "Div"})
_SOURCES = frozenset({"Const", "Placeholder", "PlaceholderWithDefault", "NoOp"})


def use_defaults(graph: GraphDef, input_name: str) -> str | None:
    """Take the default of each input but the images', such as a flag that says "training"."""
    count = bypass_nodes(
        graph,
        lambda node: node.op == "PlaceholderWithDefault" and node.name != input_name,
    )
    return f"took the defaults of {count} other inputs" if count else None


def remove_dropout(graph: GraphDef, output: str) -> str | None:
    """Have the readers of a dropout read what goes into it.

    A dropout multiplies its input with a constant and then with what random numbers choose, or
    selects by them; without training it passes everything on.
    """
    nodes = index_nodes(graph)
    random = _find_random(nodes)
    replaced: dict[str, str] = {}
    for node in graph.node:
        kept = _find_kept(nodes, node, random) if node.name in random else None
        if kept is not None:
            replaced[node.name] = kept
    for node in graph.node:
        for place, reference in enumerate(node.input):
            node.input[place] = replaced.get(referenced_name(reference), reference)
    keep_nodes(graph, find_reachable(index_nodes(graph), output))
    return f"removed {len(replaced)} dropouts" if replaced else None


def fold_constants(graph: GraphDef) -> str | None:
    """Compute once what depends on constants alone."""
    import tensorflow as tf

    nodes = index_nodes(graph)
    constant = _find_constant(nodes)
    wanted = {
        referenced_name(reference)
        for node in graph.node
        if node.name not in constant
        for reference in node.input
        if referenced_name(reference) in constant
    }
    names = sorted(name for name in wanted if find_source(nodes, name).op != "Const")  # type: ignore[union-attr]
    if not names:
        return None
    part = type(graph)()
    part.node.extend(nodes[name] for name in constant)
    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(part, name="")
    with tf.compat.v1.Session(graph=imported) as session:
        values = session.run([f"{name}:0" for name in names])
    for name, value in zip(names, values, strict=True):
        node = nodes[name]
        node.Clear()
        add_constant(part, name, np.asarray(value))
        node.CopyFrom(part.node[-1])
    return f"computed {len(names)} values that depend on constants alone"


def remove_passing(graph: GraphDef) -> str | None:
    """Remove operations that pass their input on."""
    count = bypass_nodes(graph, lambda node: node.op in _PASSING)
    return f"removed {count} operations that pass their input on" if count else None


def cancel_transposes(graph: GraphDef) -> str | None:
    """Remove each Transpose that undoes the one in front of it."""
    nodes = index_nodes(graph)

    def find_undone(node: Node) -> Node | None:
        before = nodes.get(referenced_name(node.input[0])) if node.input else None
        if node.op != "Transpose" or before is None or before.op != "Transpose":
            return None
        order, then = (read_constant(nodes, each.input[1]) for each in (before, node))
        return before if np.array_equal(order[then], np.arange(len(order))) else None

    count = 0
    for node in graph.node:
        undone = find_undone(node)
        if undone is not None:
            node.op = "Identity"
            node.input[:] = [undone.input[0]]
            del node.attr["Tperm"]
            count += 1
    return f"removed {count} Transposes that undo one another" if count else None


def average_by_mean(graph: GraphDef) -> str | None:
    """Turn a pooling over all of an image's places into the Mean that it is."""
    count = 0
    for node in list(graph.node):
        sides = node.attr["ksize"].list.i if node.op == "AvgPool" else ()
        if max(sides, default=0) == _LAST_SIDE and node.attr["padding"].s == b"VALID":
            axes = [2, 3] if data_format(node) == "NCHW" else [1, 2]
            dtype = node.attr["T"].type
            node.op = "Mean"
            node.input.append(f"{node.name}/axes")
            node.attr.clear()
            node.attr["T"].type, node.attr["Tidx"].type = dtype, _INT32
            node.attr["keep_dims"].b = True
            add_constant(graph, f"{node.name}/axes", np.array(axes, np.int32))
            count += 1
    return "turned the average pooling into a Mean" if count else None


def free_batch(graph: GraphDef) -> str | None:
    """Let reshapes, and squeezes of all that is single, take any number of images."""
    nodes = index_nodes(graph)
    count = 0
    for node in list(graph.node):
        if node.op == "Squeeze" and not node.attr["squeeze_dims"].list.i:
            is_nchw = any(data_format(each) == "NCHW" for each in graph.node)
            node.attr["squeeze_dims"].list.i[:] = [2, 3] if is_nchw else [1, 2]
            count += 1
        shape = _plan_free_shape(nodes, node) if node.op == "Reshape" else None
        if shape is not None:
            node.input[1] = f"{node.name}/any_batch"
            node.attr["Tshape"].type = _INT32
            add_constant(graph, node.input[1], np.array(shape, np.int32))
            count += 1
    return f"freed {count} reshapes from the number of images" if count else None


def _plan_free_shape(nodes: dict[str, Node], node: Node) -> list[int] | None:
    """Return the shape a Reshape of features or answers makes; None where it is free already."""
    source = find_source(nodes, node.input[1])
    if source is None:
        return None
    if source.op == "Pack":
        parts = [find_source(nodes, reference) for reference in source.input]
        sizes = [
            int(read_constant(nodes, part.name)) if part is not None and part.op == "Const" else -1
            for part in parts
        ]
        return sizes if len(sizes) == 2 and sizes.count(-1) == 1 else None
    if source.op != "Const":
        return None
    shape = [int(size) for size in read_constant(nodes, node.input[1])]
    if len(shape) != 2 or -1 in shape:
        return None
    return [-1, shape[1]]


def _find_random(nodes: dict[str, Node]) -> set[str]:
    """Name the nodes that depend on random numbers."""
    return {
        name
        for name in nodes
        if any(nodes[each].op in _RANDOM for each in find_reachable(nodes, name))
    }


def _find_kept(nodes: dict[str, Node], node: Node, random: set[str]) -> str | None:
    """Return what a node of a dropout keeps of its input; None for another node."""
    if node.op not in _JOINING:
        return None
    plain = [
        reference
        for reference in node.input
        if referenced_name(reference) not in random and not _is_source(nodes, reference)
    ]
    if len(plain) != 1:
        return None
    at = nodes[referenced_name(plain[0])]
    if at.op in _SCALING:
        sides = [reference for reference in at.input if not _is_source(nodes, reference)]
        others = [reference for reference in at.input if _is_source(nodes, reference)]
        if len(sides) == 1 and len(others) == 1 and _is_single(nodes, others[0]):
            return str(sides[0])
    return str(plain[0])


def _is_source(nodes: dict[str, Node], reference: str) -> bool:
    source = find_source(nodes, reference)
    return source is not None and source.op in _SOURCES


def _is_single(nodes: dict[str, Node], reference: str) -> bool:
    source = find_source(nodes, reference)
    return source is not None and (
        source.op != "Const" or read_constant(nodes, source.name).size == 1
    )


def _find_constant(nodes: dict[str, Node]) -> set[str]:
    """Name the nodes that depend on constants alone; none in a loop does."""
    readers: dict[str, list[str]] = defaultdict(list)
    for node in nodes.values():
        for reference in node.input:
            readers[referenced_name(reference)].append(node.name)
    missing = {name: len(node.input) for name, node in nodes.items()}
    waiting = [node.name for node in nodes.values() if node.op == "Const"]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        for reader in readers[name]:
            missing[reader] -= 1
            if missing[reader] == 0 and nodes[reader].op not in _RANDOM:
                waiting.append(reader)
    return found


_LAST_SIDE = 7
"""Rows and columns of the last convolution's output, for images of 224 x 224."""

_INT32 = 3
"""Data type number of TensorFlow's types.proto."""
