"""Which convolution of the model is each line of oneDNN's trace?

A line has a shape and no name. A shape may belong to several layers, which depend on one another:
a layer can only run when what it reads has been computed. So a query's lines are followed through
the model, and a line is taken for a layer of its shape that could run at that moment. Where that
leaves one layer, the line is this layer's, whatever the order of branches was. Two layers may be
left only once in the model: the projection and the expanding convolution of the first block are of
one shape, and run side by side. There the residual sum tells: one of the two has it as a part, and
it is on the same side as in the other three blocks with a projection.

A query begins with the stem, which no other layer is like. A layer that was split by its filters
(`model.graph.split`) is several lines, whose output channels add up to its own.

A query that does not fit, as of several threads whose lines are mixed, is not taken apart: then the
time of a shape is divided equally among its layers, and that is said. Nor is one that goes depth
first: its lines are of bands of rows, or of some of the images, of layers that others have begun
to read. A band has all columns of its layer, and is a part of it by its rows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from resnet50_bench.limits.work import plan_layers
from resnet50_bench.model.graph.architecture import Network, plan_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.engines.onednn_trace import Call
    from resnet50_bench.limits.work import Layer

_PROBLEM = re.compile(
    r"mb(?P<images>\d+)_(?:g1)?ic(?P<inputs>\d+)oc(?P<outputs>\d+)_"
    r"ih\d+oh(?P<rows>\d+)kh(?P<kernel>\d+)sh(?P<stride>\d+)\w*?(?:_iw\d+ow(?P<side>\d+)\w*)?"
)
_LARGEST = 2**31


class Shape(NamedTuple):
    """What tells layers apart: channels in and out, side of the output, of the kernel, stride.

    The side of the input is left out: where the padding is an operation of its own it is larger.
    """

    inputs: int
    outputs: int
    side: int
    kernel: int
    stride: int


@dataclass(slots=True)
class LayerTime:
    """What one convolution took, in all the queries that were counted.

    Attributes:
        layer: of the model.
        calls: kernels executed for it; of a layer that was split several in a query.
        passes: how often its weights were gone through, once in each query; depth first, how many
            queries as of the other layers its images are.
        images: taken through it.
        time_ms: of all its kernels.
        added_images: of these, those whose kernel added the shortcut, too.
        kinds: the milliseconds in each data type and instruction set.
    """

    layer: Layer
    calls: float = 0
    passes: float = 0
    images: float = 0
    time_ms: float = 0.0
    added_images: float = 0
    kinds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))

    def add(self, call: Call, time_ms: float, images: int, share: float = 1.0) -> None:
        """Count a kernel, or the share of it that is this layer's."""
        shape, _, rows = _read_problem(call.problem)
        outputs = shape.outputs if shape is not None else 0
        part = share * rows * outputs / self.layer.output_shape[2]
        self.calls += share
        self.passes += part
        self.images += images * part
        self.time_ms += time_ms * share
        self.added_images += images * part * call.adds
        self.kinds[call.dtype, call.isa] += time_ms * share

    @property
    def kind(self) -> tuple[str, str]:
        """The data type and instruction set that most of the time was spent in."""
        return max(self.kinds, key=lambda kind: self.kinds[kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTimes:
    """The convolutions of a trace.

    Attributes:
        layers: in the model's order; () where the trace is of no model known here.
        queries: that were taken apart.
        shared: the layers whose time is a part of that of several of one shape, by their names.
        problem: why lines could not be told apart, or belong to no layer; None where all is told.
    """

    layers: tuple[LayerTime, ...] = ()
    queries: int = 0
    shared: frozenset[str] = frozenset()
    problem: str | None = None


def _count_queries(layers: Sequence[LayerTime]) -> None:
    """Have a query be of as many images in every layer as in those that take most at once.

    Depth first, the kernels of a layer are gone through once for each image of a query.
    """
    together = max((item.images / item.passes for item in layers if item.passes), default=1.0)
    for item in layers:
        item.passes = item.images / together


@dataclass(slots=True)
class _Step:
    """A line of a query and the layer it was taken for."""

    place: int
    call: Call
    time_ms: float
    images: int


class LayerClock:
    """Follows a trace through the model; `add` is made for `engines.onednn_trace.parse_trace`.

    Args:
        network: the model that ran.
    """

    def __init__(self, network: Network | None = None) -> None:
        network = network or plan_network()
        self._model = _Model(network)
        self._exact = [LayerTime(layer) for layer in self._model.layers]
        self._even = [LayerTime(layer) for layer in self._model.layers]
        self._steps: list[_Step] = []
        self._left = self._model.count_outputs()
        self._is_open = False
        self._queries = 0
        self._unsure: set[int] = set()
        self._mixed = 0
        self._foreign: str | None = None

    def add(self, call: Call, time_ms: float) -> None:
        """Take the next line."""
        if call.primitive != "convolution":
            return
        shape, images, rows = _read_problem(call.problem)
        places = self._model.find(shape) if shape is not None else ()
        if shape is None or not places:
            self._foreign = self._foreign or call.problem
            return
        for place in places:
            self._even[place].add(call, time_ms, images, 1 / len(places))
        if rows < 1:
            self._mixed += 1
            self._drop()
            return
        if places == (0,) and self._left[0] in (0, self._model.outputs[0]):
            self._close()
            self._is_open = True
        if self._is_open:
            self._follow(places, shape, _Step(0, call, time_ms, images))

    def finish(self) -> LayerTimes:
        """Return what the lines were; a last query that was cut off is not counted."""
        if not any(self._left):
            self._close()
        if self._foreign is not None:
            return LayerTimes(
                problem=f"{self._foreign} is no convolution of the model this run was of"
            )
        if not self._queries and not any(item.calls for item in self._even):
            return LayerTimes(problem="there is no convolution in it")
        names = [layer.name for layer in self._model.layers]
        if self._mixed or not self._queries:
            _count_queries(self._even)
            shared = {names[place] for group in self._model.groups for place in group}
            return LayerTimes(
                layers=tuple(self._even),
                shared=frozenset(shared),
                problem=(
                    "lines of several queries are mixed, some are missing, or layers were "
                    "computed depth first: the time of a shape is divided equally among its layers"
                ),
            )
        return LayerTimes(
            layers=tuple(self._exact),
            queries=self._queries,
            shared=frozenset(names[place] for place in self._unsure),
        )

    def _follow(self, places: Sequence[int], shape: Shape, step: _Step) -> None:
        """Give the line to the layer that could run now."""
        ready = [
            place
            for place in places
            if self._left[place] >= shape.outputs
            and all(self._left[before] == 0 for before in self._model.before[place])
        ]
        if not ready:
            self._mixed += 1
            self._drop()
            return
        # Several are ready where the order says nothing: the pair is sorted out at the end.
        step.place = ready[0]
        self._left[step.place] -= shape.outputs
        self._steps.append(step)

    def _close(self) -> None:
        """Count a query that is whole, and forget the lines of any other."""
        if not self._is_open:
            return
        if any(self._left):
            self._mixed += 1
        else:
            self._settle_pair()
            for step in self._steps:
                self._exact[step.place].add(step.call, step.time_ms, step.images)
            self._queries += 1
        self._drop()

    def _drop(self) -> None:
        self._steps = []
        self._left = self._model.count_outputs()
        self._is_open = False

    def _settle_pair(self) -> None:
        """Tell the projection of the first block from its twin, where their order does not.

        With both of them behind the 3x3 convolution between them, either may have been first.
        """
        projection, spatial, expand = self._model.twins
        order = [step.place for step in self._steps]
        pair = [step for step in self._steps if step.place in (projection, expand)]
        if order.index(projection) < order.index(spatial):
            return
        side = self._find_side_of_sums()
        summing = [step for step in pair if step.call.adds]
        if side is None or len(summing) != 1 or len(pair) != 2:
            self._unsure |= {projection, expand}
            middle_ms = sum(step.time_ms for step in pair) / len(pair)
            for step in pair:
                step.time_ms = middle_ms
            return
        for step in pair:
            with_sum = step in summing
            step.place = projection if with_sum == (side == 0) else expand

    def _find_side_of_sums(self) -> int | None:
        """0 where the projections of the other stages add, 1 where their twins do; else None."""
        adding = {step.place for step in self._steps if step.call.adds}
        sides = {
            (projection in adding, expand in adding)
            for projection, expand in self._model.projections[1:]
        }
        if sides == {(True, False)}:
            return 0
        return 1 if sides == {(False, True)} else None


class _Model:
    """The convolutions, their shapes, and which must have run before which.

    Attributes:
        layers: in the graph's order; a layer's place in it stands for it.
        outputs: channels of each.
        before: the places that each one needs.
        groups: the places of equal shape.
        twins: the first block's projection, 3x3 and expanding convolution.
        projections: projection and expanding convolution of each block that has one.
    """

    def __init__(self, network: Network) -> None:
        convolutions = network.convolutions
        self.layers = plan_layers(network)[: len(convolutions)]
        self.outputs = tuple(layer.output_shape[2] for layer in self.layers)
        self.before = _find_needs(network)
        self._by_shape: dict[Shape, list[int]] = defaultdict(list)
        for place, layer in enumerate(self.layers):
            self._by_shape[_read_shape(layer)].append(place)
        self.groups = [places for places in self._by_shape.values() if len(places) > 1]
        first = network.blocks[0]
        self.projections = [
            (block.projection.index, block.expand.index)
            for block in network.blocks
            if block.projection is not None
        ]
        self.twins = (self.projections[0][0], first.spatial.index, first.expand.index)

    def count_outputs(self) -> list[int]:
        """The channels that each layer has yet to write in a query."""
        return list(self.outputs)

    def find(self, shape: Shape) -> tuple[int, ...]:
        """Return the layers of this shape, or those that it is a part of."""
        if shape in self._by_shape:
            return tuple(self._by_shape[shape])
        return tuple(
            place
            for whole, places in self._by_shape.items()
            for place in places
            if whole._replace(outputs=shape.outputs) == shape and whole.outputs % shape.outputs == 0
        )


def _find_needs(network: Network) -> list[tuple[int, ...]]:
    """The layers whose outputs each layer reads, the shortcut's of a block's input included."""
    needs: list[tuple[int, ...]] = [()] * len(network.convolutions)
    inputs: tuple[int, ...] = (network.stem.index,)
    for block in network.blocks:
        needs[block.reduce.index] = inputs
        needs[block.spatial.index] = (block.reduce.index,)
        needs[block.expand.index] = (block.spatial.index,)
        ends: tuple[int, ...] = (block.expand.index,)
        if block.projection is not None:
            needs[block.projection.index] = inputs
            ends = (block.projection.index, block.expand.index)
        inputs = ends
    return needs


def _read_shape(layer: Layer) -> Shape:
    return Shape(
        inputs=layer.input_shape[2],
        outputs=layer.output_shape[2],
        side=layer.output_shape[0],
        kernel=layer.kernel,
        stride=layer.stride,
    )


class _Problem(NamedTuple):
    """What a line tells: the shape, if any, the images, and the share of the layer's rows."""

    shape: Shape | None
    images: int
    rows: float


@lru_cache(maxsize=4096)
def _read_problem(problem: str) -> _Problem:
    """Return a convolution's shape, and how much of it was computed."""
    match = _PROBLEM.fullmatch(problem)
    if match is None:
        return _Problem(None, 0, 0.0)
    found = {name: int(text[:12]) for name, text in match.groupdict().items() if text is not None}
    images, rows = found.pop("images"), found.pop("rows")
    shape = Shape(**{"side": rows, **found})
    if not 0 < images < _LARGEST or 0 in shape or not 0 < rows <= shape.side:
        return _Problem(None, 0, 0.0)
    return _Problem(shape, images, rows / shape.side)
