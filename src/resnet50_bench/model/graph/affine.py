"""Puts additions and multiplications of constants where the other rewrites look for them.

Biases come as Add, as BiasAdd before a batch norm, or as what is left of a batch norm that was
written in single operations: `x * (gamma / sqrt(variance)) + (beta - ...)`. All of that is a
convolution with one BiasAdd, or with one batch norm. Runs in the toolchain's child process.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    data_format,
    find_source,
    index_nodes,
    referenced_name,
)
from resnet50_bench.model.graph.rewrite import add_constant, read_constant

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.float64]

_SUMS = ("Add", "AddV2", "BiasAdd", "Sub")
_PRODUCTS = ("Mul", "RealDiv", "Div")


@dataclass(frozen=True, slots=True)
class _Chain:
    """A convolution or matrix product and the constants its output is computed with.

    Attributes:
        head: the Conv2D or MatMul.
        steps: the nodes behind it, in order.
        scale: what they multiply each channel with, in all.
        offset: what they add then.
        batch_norm: what reads the last of them, if it is one.
    """

    head: Node
    steps: tuple[Node, ...]
    scale: Values
    offset: Values
    batch_norm: Node | None

    @property
    def is_plain(self) -> bool:
        """Whether nothing has to be changed."""
        if self.batch_norm is not None:
            return not self.steps
        return [step.op for step in self.steps] in ([], ["BiasAdd"])


def gather_constants(graph: GraphDef) -> str | None:
    """Rewrite in place; say what was done, None where nothing was."""
    nodes = index_nodes(graph)
    readers: dict[str, list[Node]] = defaultdict(list)
    for node in graph.node:
        for reference in node.input:
            readers[referenced_name(reference)].append(node)
    heads = [node for node in graph.node if node.op in ("Conv2D", "MatMul")]
    chains = [_find_chain(nodes, readers, head) for head in heads]
    changed = [chain for chain in chains if chain is not None and not chain.is_plain]
    for chain in changed:
        _rewrite(graph, nodes, chain)
    if not changed:
        return None
    return f"put what is added to {len(changed)} layers, or multiplied with them, into their biases"


def _find_chain(
    nodes: dict[str, Node], readers: dict[str, list[Node]], head: Node
) -> _Chain | None:
    """Return what follows a head; None where its kernel is no constant."""
    kernel = find_source(nodes, head.input[1])
    if kernel is None or kernel.op != "Const":
        return None
    values = read_constant(nodes, head.input[1])
    filters = values.shape[0] if _is_transposed(head) else values.shape[-1]
    scale, offset = np.ones(filters), np.zeros(filters)
    steps: list[Node] = []
    at = head
    while len(readers[at.name]) == 1:
        node = readers[at.name][0]
        if node.op == "Identity":
            at = node
            continue
        operand = _read_operand(nodes, node, at.name, filters)
        if operand is None:
            is_norm = node.op.startswith("FusedBatchNorm")
            return _Chain(head, tuple(steps), scale, offset, node if is_norm else None)
        if node.op in _PRODUCTS:
            factor = operand if node.op == "Mul" else 1 / operand
            scale, offset = scale * factor, offset * factor
        else:
            offset = offset + (-operand if node.op == "Sub" else operand)
        steps.append(node)
        at = node
    return _Chain(head, tuple(steps), scale, offset, None)


def _read_operand(nodes: dict[str, Node], node: Node, source: str, filters: int) -> Values | None:
    """Return what a node adds or multiplies with, one number per filter; None for another node."""
    if node.op not in (*_SUMS, *_PRODUCTS) or len(node.input) != 2:
        return None
    place = 1 if referenced_name(node.input[0]) == source else 0
    if place == 0 and node.op not in ("Add", "AddV2", "Mul"):
        return None
    operand = find_source(nodes, node.input[place])
    if operand is None or operand.op != "Const":
        return None
    value = read_constant(nodes, node.input[place]).astype(np.float64)
    return np.broadcast_to(value.reshape(-1), filters) if value.size in (1, filters) else None


def _rewrite(graph: GraphDef, nodes: dict[str, Node], chain: _Chain) -> None:
    if not np.allclose(chain.scale, 1.0, rtol=0, atol=0):
        _scale_kernel(graph, nodes, chain)
    if chain.batch_norm is not None:
        mean = read_constant(nodes, chain.batch_norm.input[3]).astype(np.float64)
        chain.batch_norm.input[0] = chain.head.name
        chain.batch_norm.input[3] = f"{chain.batch_norm.name}/mean_less_bias"
        values = (mean - chain.offset).astype(np.float32)
        add_constant(graph, chain.batch_norm.input[3], values)
        return
    last = chain.steps[-1]
    bias = f"{last.name}/gathered_bias"
    add_constant(graph, bias, chain.offset.astype(np.float32))
    dtype = last.attr["T"].type
    last.op = "BiasAdd"
    last.input[:] = [chain.head.name, bias]
    last.attr.clear()
    last.attr["T"].type = dtype
    last.attr["data_format"].s = data_format(chain.head).encode()


def _is_transposed(head: Node) -> bool:
    return "transpose_b" in head.attr and bool(head.attr["transpose_b"].b)


def _scale_kernel(graph: GraphDef, nodes: dict[str, Node], chain: _Chain) -> None:
    kernel = read_constant(nodes, chain.head.input[1]).astype(np.float64)
    by_rows = _is_transposed(chain.head)
    scaled: Any = kernel * (chain.scale[:, None] if by_rows else chain.scale)
    chain.head.input[1] = f"{chain.head.name}/scaled_kernel"
    add_constant(graph, chain.head.input[1], scaled.astype(np.float32))
