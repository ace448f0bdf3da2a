"""What a graph does to its images before the first convolution, and who does it instead.

A graph may hold its own preprocessing: a conversion from bytes, means subtracted, a division, red
and blue exchanged. The images that are measured with are preprocessed by a profile before they
come; so what the graph does itself is left out of it, and the profile that does the same belongs
to the graph. What no profile does is refused: a network answers to nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from resnet50_bench.data.profiles import (
    PROFILES,
    Profile,
    find_profile,
    list_variants,
    name_usual_profile,
)
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    find_source,
    index_nodes,
    referenced_name,
)
from resnet50_bench.model.graph.rewrite import read_constant

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Values = npt.NDArray[np.float64]

_ARITHMETIC = frozenset({"Sub", "Add", "AddV2", "BiasAdd", "Mul", "RealDiv", "Div"})
_RESIZING = frozenset({"ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor"})
_PASSING = frozenset({"Identity", "Cast", "Placeholder", "PlaceholderWithDefault"})
_TO_NCHW = [0, 3, 1, 2]
_SIDES = [224, 224]

_FLOAT = 1
"""Data type number of TensorFlow's types.proto."""

PIXEL_RANGES = (1.0, 255.0)
"""What the images' values are divided by before a graph is fed with them: 0..255, or 0..1."""


@dataclass(frozen=True, slots=True)
class OwnPreprocessing:
    """What a graph does itself: `scale * value + offset`, channel by channel.

    Attributes:
        names: its nodes, from the input on; the last one's output enters the network.
        scale: three factors, for red, green and blue.
        offset: three summands.
        bgr: whether blue comes first in its output.
        from_bytes: whether it begins with whole numbers.
    """

    names: tuple[str, ...]
    scale: Values = field(default_factory=lambda: np.ones(3))
    offset: Values = field(default_factory=lambda: np.zeros(3))
    bgr: bool = False
    from_bytes: bool = False

    @property
    def changes_values(self) -> bool:
        """Whether its output differs from its input."""
        plain = np.allclose(self.scale, 1.0) and np.allclose(self.offset, 0.0)
        return self.bgr or self.from_bytes or not plain

    def describe(self) -> str:
        """Say what it does."""
        scale, offset = (
            ", ".join(f"{value:.6g}" for value in values) for values in (self.scale, self.offset)
        )
        return f"value * ({scale}) + ({offset}){', blue first' * self.bgr}"


def find_own_preprocessing(graph: GraphDef, input_name: str) -> OwnPreprocessing:
    """Follow a graph from its input as long as it only converts the values of pixels."""
    nodes = index_nodes(graph)
    readers: dict[str, list[Node]] = defaultdict(list)
    for node in graph.node:
        for reference in node.input:
            readers[referenced_name(reference)].append(node)
    own = _Follower(nodes, input_name)
    at = nodes[input_name]
    while own.take(at) and len(readers[at.name]) == 1:
        at = readers[at.name][0]
    return own.conclude()


def choose_profile(own: OwnPreprocessing, classes: int) -> tuple[str, float]:
    """Name the profile that does the same, and what the graph expects pixels to be divided by.

    Args:
        own: what the graph does.
        classes: of the model; the profile usual for so many is tried first.

    Raises:
        ModelError: no profile does.
    """
    usual = name_usual_profile(classes)
    for base in (usual, *(name for name in PROFILES if name != usual)):
        variants = (item.profile_name for item in list_variants(PROFILES[base]))
        for name in (base, *(variant for variant in variants if variant.startswith(f"{base}/"))):
            for divisor in PIXEL_RANGES:
                if _is_same(own, find_profile(name), divisor):
                    return name, divisor
    raise ModelError(
        f"the graph prepares its images itself, by {own.describe()}, which no profile does",
        f"--input-name NAME names the node behind it ({own.names[-1]} is the last of it), and "
        "--preprocessing how images are to be prepared",
    )


def _is_same(own: OwnPreprocessing, profile: Profile, divisor: float) -> bool:
    """Whether `own` of pixels that were divided is what a profile makes of pixels."""
    if own.from_bytes and divisor != 1:
        return False
    stds = np.asarray(profile.stds)
    scale, offset = 1 / (profile.divisor * stds), -np.asarray(profile.means) / stds
    return (
        own.bgr == profile.bgr
        and np.allclose(own.scale / divisor, scale, rtol=2e-3)
        and np.allclose(own.offset, offset, rtol=2e-3, atol=2e-3 * float(np.abs(scale).max()))
    )


class _Follower:
    """Adds up what one node after the other does."""

    def __init__(self, nodes: dict[str, Node], input_name: str) -> None:
        self._nodes = nodes
        self._names: list[str] = []
        self._scale, self._offset = np.ones(3), np.zeros(3)
        self._bgr = self._from_bytes = False
        shape = [dim.size for dim in nodes[input_name].attr["shape"].shape.dim]
        self._is_nchw = len(shape) == 4 and shape[1] == 3

    def take(self, node: Node) -> bool:
        """Whether the node belongs to the preprocessing."""
        actions: dict[str, Callable[[Node], bool]] = dict.fromkeys(_ARITHMETIC, self._compute)
        actions |= dict.fromkeys(_RESIZING, self._resize)
        actions |= dict.fromkeys(_PASSING, self._pass)
        actions |= {"Transpose": self._transpose, "ReverseV2": self._reverse,
                    "StridedSlice": self._slice}  # fmt: skip
        taken = node.op in actions and actions[node.op](node)
        if taken:
            self._names.append(node.name)
        return taken

    def conclude(self) -> OwnPreprocessing:
        """Return the sum of it."""
        return OwnPreprocessing(
            tuple(self._names), self._scale, self._offset, self._bgr, self._from_bytes
        )

    def _pass(self, node: Node) -> bool:
        self._from_bytes = self._from_bytes or (
            node.op == "Cast" and node.attr["SrcT"].type != _FLOAT
        )
        return True

    def _compute(self, node: Node) -> bool:
        places = [
            place
            for place, reference in enumerate(node.input)
            if (source := find_source(self._nodes, reference)) is not None and source.op == "Const"
        ]
        if len(places) != 1:
            return False
        value = read_constant(self._nodes, node.input[places[0]]).astype(np.float64).reshape(-1)
        if value.size not in (1, 3):
            return False
        value = np.broadcast_to(value, 3)
        # What was said of red is now said of the channel that comes first.
        value = value[::-1] if self._bgr else value
        if node.op in ("Mul", "RealDiv", "Div"):
            if node.op != "Mul" and places[0] == 0:
                return False
            factor = value if node.op == "Mul" else 1 / value
            self._scale, self._offset = self._scale * factor, self._offset * factor
        elif node.op == "Sub" and places[0] == 0:
            self._scale, self._offset = -self._scale, value - self._offset
        else:
            self._offset = self._offset + (-value if node.op == "Sub" else value)
        return True

    def _transpose(self, node: Node) -> bool:
        order = read_constant(self._nodes, node.input[1]).tolist()
        self._is_nchw = order == _TO_NCHW
        return order in (_TO_NCHW, [0, 2, 3, 1])

    def _resize(self, node: Node) -> bool:
        """To the side that images have already, which changes nothing."""
        return bool(read_constant(self._nodes, node.input[1]).tolist() == _SIDES)

    def _reverse(self, node: Node) -> bool:
        axes = read_constant(self._nodes, node.input[1]).reshape(-1).tolist()
        channels = 1 if self._is_nchw else 3
        return self._exchange(is_whole=axes in ([channels], [channels - 4]))

    def _slice(self, node: Node) -> bool:
        """Of the form `[..., ::-1]`."""
        steps = read_constant(self._nodes, node.input[3]).reshape(-1).tolist()
        return self._exchange(is_whole=steps[-1] == -1 and set(steps[:-1]) <= {1})

    def _exchange(self, *, is_whole: bool) -> bool:
        """Red and blue, where that is all a node does."""
        self._bgr = self._bgr != is_whole
        return is_whole
