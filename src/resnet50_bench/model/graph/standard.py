"""Brings any frozen graph of the network to the published one's form.

One input, float32 NHWC images that a profile has preprocessed, called `input_tensor`; one output,
the probabilities, called `softmax_tensor`; nothing that is left of training or of an export. What
was taken as what, and what was changed, is told. Runs in the toolchain's child process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from resnet50_bench.data.profiles import BACKGROUND_CLASSES
from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.model.graph.affine import gather_constants
from resnet50_bench.model.graph.interface import Interface, find_interface
from resnet50_bench.model.graph.leftovers import (
    average_by_mean,
    cancel_transposes,
    fold_constants,
    free_batch,
    remove_dropout,
    remove_passing,
    use_defaults,
)
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    data_format,
    find_reachable,
    index_nodes,
    keep_nodes,
    placeholder_shape,
    referenced_name,
)
from resnet50_bench.model.graph.probe import SIDE
from resnet50_bench.model.graph.rewrite import add_constant
from resnet50_bench.model.graph.structure import count_classes
from resnet50_bench.model.graph.takeover import choose_profile, find_own_preprocessing

if TYPE_CHECKING:
    from resnet50_bench.model.graph.takeover import OwnPreprocessing

_FLOAT, _INT32 = 1, 3
"""Data type numbers of TensorFlow's types.proto."""

_SHAPE = (-1, SIDE, SIDE, 3)
_TO_NCHW = (0, 3, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What a graph was taken for.

    Attributes:
        input_name: the node that took the images.
        output_name: the node that gave the answers.
        changes: what was done, a sentence each; empty where the graph was in this form.
        profile: the preprocessing that the graph did itself; None where it did none.
        pixel_divisor: what the graph expected pixels of 0..255 to be divided by, where it did.
        input_layout: of the images it took: `NHWC` or `NCHW`.
    """

    input_name: str
    output_name: str
    changes: tuple[str, ...]
    profile: str | None = None
    pixel_divisor: float = 1.0
    input_layout: str = "NHWC"


def make_standard(
    graph: GraphDef, input_name: str | None = None, output_name: str | None = None
) -> Standard:
    """Rewrite a float32 graph in place.

    Args:
        graph: the frozen graph.
        input_name: the node that is to take the images; None to find it.
        output_name: the node that is to give the answers; None to find it.

    Raises:
        ModelError: input or output cannot be found, or no profile does what the graph does to its
            images itself.
    """
    ends = find_interface(graph, input_name, output_name)
    layout = _find_layout(graph, ends.input_name)
    changes = [*_name_output(graph, ends), _cut_input(graph, ends.input_name)]
    changes += [
        use_defaults(graph, ends.input_name),
        remove_passing(graph),
        remove_dropout(graph, OUTPUT_NAME),
        fold_constants(graph),
    ]
    own = find_own_preprocessing(graph, ends.input_name)
    profile, divisor = None, 1.0
    if own.changes_values:
        nodes = index_nodes(graph)
        classes = count_classes(nodes, list(graph.node)) or BACKGROUND_CLASSES
        profile, divisor = choose_profile(own, classes)
        changes.append(
            f"left out {_name_steps(own)}, which the profile {profile} does to the images"
        )
    changes += [
        _replace_input(graph, own),
        cancel_transposes(graph),
        average_by_mean(graph),
        free_batch(graph),
        gather_constants(graph),
    ]
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    return Standard(
        input_name=ends.input_name,
        output_name=ends.output_name,
        changes=tuple(change for change in changes if change is not None),
        profile=profile,
        pixel_divisor=divisor,
        input_layout=layout,
    )


def name_ends(
    graph: GraphDef, input_name: str | None = None, output_name: str | None = None
) -> Standard:
    """Give a graph's input and output our names, in place, and change nothing else.

    For graphs that are run as they are. Raises as `make_standard` does.
    """
    ends = find_interface(graph, input_name, output_name)
    layout = _find_layout(graph, ends.input_name)
    changes = [*_name_output(graph, ends), _cut_input(graph, ends.input_name)]
    own = find_own_preprocessing(graph, ends.input_name)
    if not own.changes_values:
        changes.append(_replace_input(graph, own))
    return Standard(
        input_name=ends.input_name,
        output_name=ends.output_name,
        changes=tuple(change for change in changes if change is not None),
        input_layout=layout,
    )


def _name_output(graph: GraphDef, ends: Interface) -> list[str]:
    """Have the probabilities come from `softmax_tensor`, and drop what they do not depend on."""
    keep_nodes(graph, find_reachable(index_nodes(graph), ends.output_name))
    if ends.has_softmax:
        if ends.output_name == OUTPUT_NAME:
            return []
        _rename(graph, ends.output_name, OUTPUT_NAME)
        return [f"took {ends.output_name} as the output"]
    freed = _make_room(graph, OUTPUT_NAME)
    logits = freed if ends.output_name == OUTPUT_NAME else ends.output_name
    node = graph.node.add(name=OUTPUT_NAME, op="Softmax", input=[logits])
    node.attr["T"].type = _FLOAT
    return [f"took {ends.output_name} as the output and added the Softmax that it lacks"]


def _cut_input(graph: GraphDef, name: str) -> str | None:
    """Have the images enter at a node that computes something, where that is asked for."""
    node = index_nodes(graph)[name]
    if node.op == "Placeholder":
        return None
    node.op = "Placeholder"
    del node.input[:]
    node.attr.clear()
    node.attr["dtype"].type = _FLOAT
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    return f"put the images in place of what {name} computes"


def _replace_input(graph: GraphDef, own: OwnPreprocessing) -> str | None:
    """Put `input_tensor` in place of the graph's input and of what it does to the images first."""
    nodes = index_nodes(graph)
    first, last = nodes[own.names[0]], own.names[-1]
    if first.name == INPUT_NAME and not own.changes_values and _is_standard_input(first):
        return None
    is_nchw = _find_reading_layout(graph, last) == "NCHW"
    readers = [
        (node, place)
        for node in graph.node
        for place, reference in enumerate(node.input)
        if referenced_name(reference) == last
    ]
    shape = placeholder_shape(first)
    for name in own.names:
        nodes[name].name = f"{name}/replaced"
    _make_room(graph, INPUT_NAME)
    added = graph.node.add(name=INPUT_NAME, op="Placeholder")
    added.attr["dtype"].type = _FLOAT
    for size in _plan_shape(shape):
        added.attr["shape"].shape.dim.add(size=size)
    entrance = _add_transpose(graph) if is_nchw else INPUT_NAME
    for node, place in readers:
        node.input[place] = entrance
    return f"took {own.names[0]} as the input" + ", with channels before rows" * (
        _is_nchw_shape(shape)
    )


def _plan_shape(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape of the input in NHWC; what is open becomes that of our images."""
    if shape is None or len(shape) != 4:
        return _SHAPE
    sides = (shape[2], shape[3], shape[1]) if _is_nchw_shape(shape) else shape[1:]
    fixed = (size if size > 0 else own for size, own in zip(sides, _SHAPE[1:], strict=True))
    return (-1, *fixed)


def _is_nchw_shape(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 4 and shape[1] == 3 and shape[3] != 3


def _is_standard_input(node: Node) -> bool:
    shape = placeholder_shape(node)
    return (
        node.attr["dtype"].type == _FLOAT
        and shape is not None
        and len(shape) == 4
        and not _is_nchw_shape(shape)
        and min(shape[1:]) > 0
    )


def _find_layout(graph: GraphDef, name: str) -> str:
    """Return the layout of the images that an input takes."""
    node = index_nodes(graph)[name]
    shape = placeholder_shape(node) if node.op == "Placeholder" else None
    if shape is not None and len(shape) == 4:
        return "NCHW" if _is_nchw_shape(shape) else "NHWC"
    return _find_reading_layout(graph, name)


def _find_reading_layout(graph: GraphDef, name: str) -> str:
    """Return the layout in which the first convolutions behind a node compute."""
    waiting, seen = [name], set[str]()
    while waiting:
        at = waiting.pop(0)
        for node in graph.node:
            if at in map(referenced_name, node.input) and node.name not in seen:
                if node.op == "Transpose":
                    return _describe_transposed(graph, node)
                if "Conv2D" in node.op:
                    return data_format(node)
                seen.add(node.name)
                waiting.append(node.name)
    return "NHWC"


def _describe_transposed(graph: GraphDef, node: Node) -> str:
    from resnet50_bench.model.graph.rewrite import read_constant

    order = tuple(int(axis) for axis in read_constant(index_nodes(graph), node.input[1]))
    return "NHWC" if order == _TO_NCHW else "NCHW"


def _add_transpose(graph: GraphDef) -> str:
    name = f"{INPUT_NAME}/to_nchw"
    add_constant(graph, f"{name}/perm", np.array(_TO_NCHW, np.int32))
    node = graph.node.add(name=name, op="Transpose", input=[INPUT_NAME, f"{name}/perm"])
    node.attr["T"].type, node.attr["Tperm"].type = _FLOAT, _INT32
    return name


def _rename(graph: GraphDef, old: str, new: str) -> None:
    _make_room(graph, new)
    index_nodes(graph)[old].name = new
    for node in graph.node:
        for place, reference in enumerate(node.input):
            if referenced_name(reference) == old:
                node.input[place] = reference.replace(old, new, 1)


def _make_room(graph: GraphDef, name: str) -> str:
    """Give another name to a node that has one which is needed; return it."""
    freed = f"{name}/of_the_source"
    if name in index_nodes(graph):
        _rename(graph, name, freed)
    return freed


def _name_steps(own: OwnPreprocessing) -> str:
    names = own.names[1:] or own.names
    return ", ".join(names)
