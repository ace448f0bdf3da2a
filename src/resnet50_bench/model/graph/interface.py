"""Which nodes of a frozen graph take the images and give the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    find_reachable,
    index_nodes,
    referenced_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_PASSING = frozenset({"Identity", "Reshape", "Squeeze", "Cast"})
"""Operations through which an answer goes unchanged."""

_CHOOSING = frozenset({"ArgMax", "TopK", "TopKV2"})
"""Operations that read answers and give no probabilities."""

_SHOWN_NAMES = 6


@dataclass(frozen=True, slots=True)
class Interface:
    """Where a graph begins and ends.

    Attributes:
        input_name: the node that takes the images.
        output_name: the node that gives the probabilities, or the logits.
        has_softmax: whether it gives probabilities.
    """

    input_name: str
    output_name: str
    has_softmax: bool


def find_interface(
    graph: GraphDef, input_name: str | None = None, output_name: str | None = None
) -> Interface:
    """Find the input and the output of a graph: as asked, else as the published graph names them,
    else the only ones there are.

    Args:
        graph: any frozen graph.
        input_name: the node that is to take the images; None to find it.
        output_name: the node that is to give the answers; None to find it.

    Raises:
        ModelError: there is none, or there are several and none was asked for.
    """
    nodes = index_nodes(graph)
    output = _find_output(nodes, output_name)
    return Interface(_find_input(nodes, output, input_name), output, nodes[output].op == "Softmax")


def _find_output(nodes: dict[str, Node], asked: str | None) -> str:
    if asked is not None:
        return _pass_back(nodes, _require(nodes, asked, "--output-name"))
    if OUTPUT_NAME in nodes:
        return _pass_back(nodes, OUTPUT_NAME)
    softmaxes = [node.name for node in nodes.values() if node.op == "Softmax"]
    return _choose(softmaxes or _find_ends(nodes), "output", "--output-name")


def _find_ends(nodes: dict[str, Node]) -> list[str]:
    """Name the nodes that depend on an input and that nobody reads, but to choose a class."""
    read = {
        referenced_name(reference)
        for node in nodes.values()
        if node.op not in _CHOOSING
        for reference in node.input
    }
    ends = {
        _pass_back(nodes, node.name)
        for node in nodes.values()
        if node.name not in read
        and node.op not in _CHOOSING
        and node.op not in ("Const", "Placeholder", "NoOp")
        and _list_inputs(nodes, node.name)
    }
    return sorted(ends)


def _find_input(nodes: dict[str, Node], output: str, asked: str | None) -> str:
    if asked is not None:
        return _require(nodes, asked, "--input-name")
    found = _list_inputs(nodes, output)
    return INPUT_NAME if INPUT_NAME in found else _choose(found, "input", "--input-name")


def _list_inputs(nodes: dict[str, Node], output: str) -> list[str]:
    """Name the placeholders that a node depends on; those without a default, if there are any."""
    reachable = find_reachable(nodes, output)
    found = sorted(name for name in reachable if nodes[name].op.startswith("Placeholder"))
    return [name for name in found if nodes[name].op == "Placeholder"] or found


def _pass_back(nodes: dict[str, Node], name: str) -> str:
    """Return the Softmax whose answers a node passes on; the node itself where there is none."""
    at = name
    while at in nodes and nodes[at].op in _PASSING:
        at = referenced_name(nodes[at].input[0])
    return at if at in nodes and nodes[at].op == "Softmax" else name


def _require(nodes: dict[str, Node], asked: str, flag: str) -> str:
    name = referenced_name(asked)
    if name not in nodes:
        raise ModelError(
            f"{flag} {asked}: there is no such node", f"the graph has {_name_some(nodes)}"
        )
    return name


def _choose(found: list[str], what: str, flag: str) -> str:
    if len(found) == 1:
        return found[0]
    if not found:
        raise ModelError(
            f"the model is not ResNet-50 v1.5: there is no {what} in its graph",
            f"{flag} NAME names the node, if there is one",
        )
    raise ModelError(
        f"the model's graph has {len(found)} nodes that may be the {what}: {_name_some(found)}",
        f"{flag} NAME chooses one",
    )


def _name_some(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(listed[:_SHOWN_NAMES])
    return (
        shown if len(listed) <= _SHOWN_NAMES else f"{shown} and {len(listed) - _SHOWN_NAMES} more"
    )
