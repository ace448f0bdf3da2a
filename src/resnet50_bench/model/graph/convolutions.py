"""Finds the convolutions of a folded graph, each with what is computed inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.nodes import GraphDef, Node, index_nodes, referenced_name

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class FusedConvolution:
    """A convolution and what is computed with it: BiasAdd, then Add and Relu or only Relu.

    Attributes:
        convolution: the Conv2D.
        bias: its BiasAdd.
        shortcut: what is added to it, by name; None where nothing is.
        relu: the Relu at its end; None where there is none.
    """

    convolution: Node
    bias: Node
    shortcut: str | None
    relu: Node | None

    @property
    def output(self) -> str:
        """The name of the last node, whose output others read."""
        last: Node = self.bias if self.relu is None else self.relu
        return str(last.name)

    @property
    def steps(self) -> tuple[str, ...]:
        """What follows the Conv2D: `BiasAdd`, `Add` and `Relu`, those it has."""
        added = () if self.shortcut is None else ("Add",)
        return ("BiasAdd", *added, *(() if self.relu is None else ("Relu",)))


def find_convolutions(graph: GraphDef) -> list[FusedConvolution]:
    """Group each convolution with what TensorFlow can compute inside it, in the graph's order.

    Where both sides of an Add are convolutions, the first side takes the Add.

    Raises:
        ModelError: a convolution has no BiasAdd of its own: batch norms are not folded.
    """
    nodes = index_nodes(graph)
    biases = {referenced_name(node.input[0]): node for node in graph.node if node.op == "BiasAdd"}
    relus = {referenced_name(node.input[0]): node for node in graph.node if node.op == "Relu"}
    sums = _find_sums(nodes, relus)
    found = []
    for node in graph.node:
        if node.op == "Conv2D":
            if node.name not in biases:
                raise ModelError(f"{node.name} has no BiasAdd: its batch norm is not folded")
            bias = biases[node.name]
            shortcut, relu = sums.get(bias.name, (None, relus.get(bias.name)))
            found.append(FusedConvolution(node, bias, shortcut, relu))
    return found


def _find_sums(
    nodes: Mapping[str, Node], relus: Mapping[str, Node]
) -> dict[str, tuple[str | None, Node | None]]:
    """Map the BiasAdd in front of each residual sum to the sum's other side and its Relu."""
    sums: dict[str, tuple[str | None, Node | None]] = {}
    for node in nodes.values():
        if node.op in ("Add", "AddV2"):
            sides = [referenced_name(reference) for reference in node.input]
            main = next((side for side in sides if nodes[side].op == "BiasAdd"), None)
            if main is None or node.name not in relus:
                raise ModelError(f"{node.name} is no residual sum of a folded graph")
            (other,) = (side for side in sides if side != main)
            sums[main] = (other, relus[node.name])
    return sums
