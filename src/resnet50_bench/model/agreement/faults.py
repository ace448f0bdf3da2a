"""Prepared graphs broken on purpose, each in one way: what the gate must catch, or may let through.

Runs in the toolchain's child process, the tests and `benchmarks/gate.py`: it reads and writes
TensorFlow's tensors. Every fault changes an int8 or a bfloat16 graph in place; both have what it
looks for, but for the ranges, which only int8 has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from resnet50_bench.engines.tensorflow import OUTPUT_NAME
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    find_reachable,
    index_nodes,
    keep_nodes,
    referenced_name,
)
from resnet50_bench.model.graph.rewrite import read_constant

if TYPE_CHECKING:
    from collections.abc import Mapping

Spoil: TypeAlias = Callable[[GraphDef, int], None]
"""Breaks a graph at the convolution of this number, in the graph's order."""

_KERNEL_RANGE = slice(5, 7)
_OUTPUT_RANGE = slice(7, 9)
"""Places among an int8 convolution's inputs."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a graph.

    Attributes:
        name: what is wrong, for people.
        spoil: does it.
        convolution: the number of the convolution it is done to.
        int8_only: it needs ranges.
        is_broken: the gate has to refuse it; else the graph is merely coarser in one layer. None
            where the graph decides: ranges that are alike may be swapped.
    """

    name: str
    spoil: Spoil
    convolution: int
    int8_only: bool = False
    is_broken: bool | None = True


def list_convolutions(graph: GraphDef) -> list[Node]:
    """Return the convolutions of a prepared graph in the order of the data."""
    nodes = index_nodes(graph)
    found = [node for node in graph.node if "Conv2D" in node.op]
    depth = {node.name: len(find_reachable(nodes, node.name)) for node in found}
    return sorted(found, key=lambda node: (depth[node.name], node.name))


def double_scale(graph: GraphDef, number: int) -> None:
    """Have the weights stand for twice their values: the scale of int8, the values of bfloat16."""
    node = list_convolutions(graph)[number]
    places = _KERNEL_RANGE if _is_int8(node) else slice(1, 2)
    _scale(graph, node.input[places], 2.0)


def halve_range(graph: GraphDef, number: int) -> None:
    """Let the output reach half as far: larger values are cut off."""
    _scale(graph, list_convolutions(graph)[number].input[_OUTPUT_RANGE], 0.5)


def double_range(graph: GraphDef, number: int) -> None:
    """Let the output reach twice as far: one of its 8 bits is lost."""
    _scale(graph, list_convolutions(graph)[number].input[_OUTPUT_RANGE], 2.0)


def shrink_every_range(graph: GraphDef, number: int) -> None:
    """Let the outputs from this convolution on reach an eighth as far."""
    for node in list_convolutions(graph)[number:]:
        _scale(graph, node.input[_OUTPUT_RANGE], 1 / 8)


def swap_ranges(graph: GraphDef, number: int) -> None:
    """Exchange the widest and the narrowest range of the outputs from this convolution on.

    Of those after a Relu: a range of negative values too has another zero.
    """
    nodes = index_nodes(graph)
    found = [node for node in list_convolutions(graph)[number:] if "Relu" in node.op]
    found.sort(key=lambda node: float(read_constant(nodes, node.input[_OUTPUT_RANGE][1])))
    narrow, wide = found[0], found[-1]
    for place in (7, 8):
        narrow.input[place], wide.input[place] = wide.input[place], narrow.input[place]


def zero_weights(graph: GraphDef, number: int) -> None:
    """Lose the weights of one convolution."""
    _scale(graph, list_convolutions(graph)[number].input[1:2], 0.0)


def put_nan(graph: GraphDef, number: int) -> None:
    """Make one bias no number."""
    nodes = index_nodes(graph)
    node = list_convolutions(graph)[number]
    bias = node.input[2] if _is_int8(node) else _find_bias(graph, node).input[1]
    values = read_constant(nodes, bias).copy()
    values[0] = np.nan
    _write(nodes, bias, values)


def lose_block(graph: GraphDef, number: int) -> None:
    """Wire past a residual block: what reads it reads its shortcut instead.

    Args:
        graph: changed in place.
        number: of the block's last convolution, which has the residual sum.
    """
    node = list_convolutions(graph)[number]
    if _is_int8(node):
        shortcut, end = list(node.input[-3:]), node.name
        replaced = {end: shortcut[0], f"{end}:1": shortcut[1], f"{end}:2": shortcut[2]}
    else:
        bias = _find_bias(graph, node)
        total = next(item for item in graph.node if bias.name in item.input)
        relu = next(item for item in graph.node if total.name in item.input)
        replaced = {relu.name: next(name for name in total.input if name != bias.name)}
    for reader in graph.node:
        for place, reference in enumerate(reader.input):
            if reference in replaced and reader.name != node.name:
                reader.input[place] = replaced[reference]
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))


def swap_colours(graph: GraphDef, number: int) -> None:
    """Have a convolution read its input channels in the opposite order; the first: BGR for RGB."""
    _change_kernel(graph, number, lambda kernel: kernel[:, :, ::-1])


def shift_filters(graph: GraphDef, number: int) -> None:
    """Give each filter's weights to the next one."""
    _change_kernel(graph, number, lambda kernel: np.roll(kernel, 1, axis=3))


def plan_faults(convolutions: int = 53) -> Sequence[Fault]:
    """Name the faults, at places spread over a ResNet-50: early, middle, late, beside a sum.

    Args:
        convolutions: of the graph, as `list_convolutions` counts them.
    """
    early, middle, late = 2, convolutions // 2, convolutions - 4
    last = convolutions - 1
    return (
        Fault("a weight scale off by 2, early", double_scale, early),
        Fault("a weight scale off by 2, late", double_scale, late),
        Fault("a weight scale off by 2, last, beside a sum", double_scale, last),
        Fault("all ranges an eighth", shrink_every_range, 0, int8_only=True),
        Fault("two layers' ranges swapped", swap_ranges, 0, int8_only=True, is_broken=None),
        Fault("weights zeroed, early", zero_weights, early),
        Fault("weights zeroed, middle", zero_weights, middle),
        Fault("weights zeroed, last, beside a sum", zero_weights, last),
        Fault("a NaN among the biases", put_nan, middle),
        Fault("a block lost", lose_block, last),
        Fault("red and blue swapped", swap_colours, 0),
        Fault("filters in another order", shift_filters, middle),
        Fault("a range twice as wide", double_range, middle, int8_only=True, is_broken=False),
        Fault("a range half as wide", halve_range, middle, int8_only=True, is_broken=False),
    )


def _is_int8(node: Node) -> bool:
    return bool(node.op.startswith("Quantized"))


def _find_bias(graph: GraphDef, node: Node) -> Node:
    return next(item for item in graph.node if item.op == "BiasAdd" and node.name in item.input)


def _change_kernel(graph: GraphDef, number: int, change: Callable[[Any], Any]) -> None:
    nodes = index_nodes(graph)
    name = list_convolutions(graph)[number].input[1]
    _write(nodes, name, change(read_constant(nodes, name)))


def _scale(graph: GraphDef, names: Sequence[str], factor: float) -> None:
    nodes = index_nodes(graph)
    for name in names:
        values = read_constant(nodes, name)
        plain = np.int8 if values.dtype.names else values.dtype  # qint8 is no type to compute in
        _write(nodes, name, (values.astype(np.float64) * factor).astype(plain))


def _write(nodes: Mapping[str, Node], name: str, values: Any) -> None:
    """Replace a constant's values; its type and shape stay."""
    tensor = nodes[referenced_name(name)].attr["value"].tensor
    content = np.ascontiguousarray(values).tobytes()
    for field in ("float_val", "half_val", "int_val"):
        tensor.ClearField(field)
    tensor.tensor_content = content
