"""A primitive for each step of a chain, and the weights in the layouts that these ask for.

Primitives and weights are read only, and shared by all threads of the process. What each thread has
of its own is in `chain`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.onednn.arena import Arena, Life, plan_arena
from resnet50_bench.engines.onednn.bands import Band, Pass, Tile, plan_lives
from resnet50_bench.engines.onednn.binding import (
    BIAS,
    ONE_SCALE,
    RESULT,
    SCALE_PER_FILTER,
    SCALES,
    SCRATCHPAD,
    SOURCE,
    WEIGHTS,
    Argument,
    Fusion,
    Layout,
    OneDnn,
    Primitive,
    Window,
    require,
)
from resnet50_bench.engines.onednn.memory import Memory
from resnet50_bench.engines.onednn.network import Kind, Operation, Weights
from resnet50_bench.engines.onednn.plan import DType, Step, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

_WHOLE = Window(size=1, stride=1, padding=(0, 0, 0, 0))
_SCRATCHPAD = "scratchpad of "


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How much of a step a kernel computes; whatever rows of whatever images these are.

    Attributes:
        images: at once.
        rows: of the result.
        reads: rows of the source.
        above, below: rows of zeros around these.
    """

    images: int
    rows: int
    reads: int
    above: int
    below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A step or a part of it, ready to be executed on a thread's own memory.

    Attributes:
        step: what it computes.
        shape: how much of it.
        primitive: the kernel.
        constants: argument -> the memory (`dnnl_memory_t`) of weights, bias and scales.
    """

    step: Step
    shape: Shape
    primitive: Primitive
    constants: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value or a part of it lies: bytes from the begin of a place of the arena."""

    place: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A kernel and what it is executed on.

    Attributes:
        kernel: which.
        spots: argument -> where it lies, in the arena or outside of it.
    """

    kernel: Kernel
    spots: Mapping[int, Spot]


@dataclass(frozen=True, slots=True)
class Move:
    """Rows that are kept go to the begin of their place.

    Attributes:
        place: of an inner value.
        offset: where they lie before, bytes from the begin.
        size: bytes.
    """

    place: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All kernels for one number of images.

    Attributes:
        images: that go through it together.
        passes: what is computed together.
        calls: of each pass, what is done one after the other.
        arena: where values and scratchpads lie.
        lives: what the arena was planned by.
    """

    images: int
    passes: tuple[Pass, ...]
    calls: tuple[tuple[Execution | Move, ...], ...]
    arena: Arena
    lives: tuple[Life, ...]

    def place(self, address: int) -> dict[str, int]:
        """Return the address of each place in an arena that begins at one."""
        return {place: address + offset for place, offset in self.arena.offsets.items()}

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Of each step, the kernel that computes the most rows of it, in the order of the steps."""
        rows: dict[str, Counter[str]] = defaultdict(Counter)
        kernels: dict[tuple[str, str], Kernel] = {}
        for call in (call for calls in self.calls for call in calls):
            if isinstance(call, Execution):
                kernel = call.kernel
                name, kind = kernel.step.result.name, kernel.primitive.implementation
                rows[name][kind] += kernel.shape.images * kernel.shape.rows
                kernels.setdefault((name, kind), kernel)
        steps = (step.result.name for item in self.passes for step in item.steps)
        return tuple(kernels[name, rows[name].most_common(1)[0][0]] for name in steps)


class Workshop:
    """Makes programs of one network, whose weights are reordered once and kept.

    A primitive is made for as many threads of OpenMP as the thread that asks uses then.

    Args:
        library: that makes the primitives.
        weights: of the network.
    """

    def __init__(self, library: OneDnn, weights: Weights) -> None:
        self._library = library
        self._weights = weights
        self._stream = library.create_stream()
        self._placed: dict[str, list[tuple[int, int]]] = {}
        self._memories: list[Memory] = []
        self._arrays: list[npt.NDArray[Any]] = []
        self._plain: dict[str, int] = {}
        self._kernels: dict[tuple[str, Shape, int], Kernel] = {}
        self._makers: dict[Kind, Callable[[Step, Shape], tuple[Primitive, dict[int, int]]]] = {
            Kind.CONVOLUTION: self._convolution,
            Kind.MAX_POOL: self._max_pool,
            Kind.AVERAGE: self._average,
            Kind.CLASSIFIER: self._classifier,
            Kind.SOFTMAX: self._softmax,
        }

    @property
    def weight_bytes(self) -> int:
        """What the reordered kernels take."""
        return sum(memory.size for memory in self._memories)

    def make(self, passes: Sequence[Pass], images: int, threads: int) -> Program:
        """Return the program for so many images.

        Args:
            passes: that compute all steps.
            images: that go through them together.
            threads: of OpenMP, as the thread that asks uses them.

        Raises:
            EngineError: oneDNN lacks an operation in the data type on this CPU.
            HostError: there is not enough memory.
        """
        calls = tuple(tuple(self._plan_calls(item, threads)) for item in passes)
        lives = (*plan_lives(passes, images), *self._plan_scratchpads(passes, calls))
        return Program(
            images=images, passes=tuple(passes), calls=calls, lives=lives, arena=plan_arena(lives)
        )

    def close(self) -> None:
        """Give the weights' memory back, and close where they were read from."""
        for memory in self._memories:
            memory.close()
        self._weights.close()

    def _plan_calls(self, item: Pass, threads: int) -> Iterator[Execution | Move]:
        """Yield what is done in a pass, tile by tile."""
        before = None
        for tile in item.tiles:
            for step, band in zip(item.steps, tile.bands):
                move = _plan_move(step.result, before, tile)
                if move is not None:
                    yield move
                if band is not None:
                    yield self._plan_execution(item, tile, step, band, threads)
            before = tile

    def _plan_execution(
        self, item: Pass, tile: Tile, step: Step, band: Band, threads: int
    ) -> Execution:
        shape = Shape(images=len(tile.images), rows=len(band.rows), reads=len(band.reads),
                      above=band.above, below=band.below)  # fmt: skip
        kernel = self._find_kernel(step, shape, threads)
        spots = {
            SOURCE: _find_spot(step.source, tile, band.reads),
            RESULT: _find_spot(step.result, tile, band.rows),
        }
        if self._count_scratchpad(kernel):
            spots[SCRATCHPAD] = Spot(_name_scratchpad(item), 0)
        return Execution(kernel=kernel, spots=spots)

    def _find_kernel(self, step: Step, shape: Shape, threads: int) -> Kernel:
        """Return the kernel of a step in a shape, made now if there is none yet."""
        key = step.result.name, shape, threads
        kernel = self._kernels.get(key)
        if kernel is None:
            operation = step.operation
            maker = self._reorder if operation is None else self._makers[operation.kind]
            primitive, constants = maker(step, shape)
            kernel = Kernel(step=step, shape=shape, primitive=primitive, constants=constants)
            self._kernels[key] = kernel
        return kernel

    def _count_scratchpad(self, kernel: Kernel) -> int:
        """Return the bytes that a kernel needs while it is executed, and no longer."""
        return self._library.count_bytes(kernel.primitive.layouts[SCRATCHPAD])

    def _plan_scratchpads(
        self, passes: Sequence[Pass], calls: Sequence[Sequence[Execution | Move]]
    ) -> Iterator[Life]:
        """Yield the one that all kernels of a pass use, one after the other."""
        for number, (item, done) in enumerate(zip(passes, calls)):
            size = max(
                (self._count_scratchpad(call.kernel) for call in done
                 if isinstance(call, Execution)), default=0,
            )  # fmt: skip
            if size:
                yield Life(_name_scratchpad(item), size, number, number)

    def _convolution(self, step: Step, shape: Shape) -> tuple[Primitive, dict[int, int]]:
        operation = _require_operation(step)
        inputs = step.source.channels
        sizes = (operation.channels, inputs, operation.window, operation.window)
        is_int8 = step.source.scale is not None
        layouts = {
            SOURCE: _lay_values(step.source, shape.images, shape.reads),
            WEIGHTS: Layout(sizes=sizes, strides=None,
                            dtype=DType.S8 if is_int8 else step.source.dtype),
            BIAS: _lay_row(operation.channels),
            RESULT: _lay_values(step.result, shape.images, shape.rows),
        }  # fmt: skip
        window = _plan_window(operation, shape)
        primitive = self._library.convolution(layouts, window, plan_fusion(step))
        # HWIO, as TensorFlow has it.
        strides = (1, operation.channels, operation.window * inputs * operation.channels,
                   inputs * operation.channels)  # fmt: skip
        given = Layout(sizes=sizes, strides=strides, dtype=DType.S8 if is_int8 else DType.F32)
        constants = self._place_weights(operation, given, primitive)
        if is_int8:
            constants |= self._place_scales(step, operation)
        return primitive, constants

    def _max_pool(self, step: Step, shape: Shape) -> tuple[Primitive, dict[int, int]]:
        operation = _require_operation(step)
        window = _plan_window(operation, shape)
        return self._library.pooling(_lay_both(step, shape), window, average=False), {}

    def _average(self, step: Step, shape: Shape) -> tuple[Primitive, dict[int, int]]:
        window = replace(_WHOLE, size=step.source.side)
        return self._library.pooling(_lay_both(step, shape), window, average=True), {}

    def _classifier(self, step: Step, shape: Shape) -> tuple[Primitive, dict[int, int]]:
        operation = _require_operation(step)
        features, classes = step.source.channels, operation.channels
        layouts = {
            SOURCE: _lay_rows(step.source, shape.images),
            WEIGHTS: Layout(sizes=(classes, features), strides=None, dtype=DType.F32),
            BIAS: _lay_row(classes),
            RESULT: _lay_rows(step.result, shape.images),
        }
        primitive = self._library.inner_product(layouts)
        given = Layout(sizes=(classes, features), strides=(1, classes), dtype=DType.F32)
        return primitive, self._place_weights(operation, given, primitive)

    def _softmax(self, step: Step, shape: Shape) -> tuple[Primitive, dict[int, int]]:
        layouts = {
            SOURCE: _lay_rows(step.source, shape.images),
            RESULT: _lay_rows(step.result, shape.images),
        }
        return self._library.softmax(layouts), {}

    def _reorder(self, step: Step, shape: Shape) -> tuple[Primitive, dict[int, int]]:
        """Bring values into 8 bits or bfloat16, or back."""
        describe = self._library.describe
        scaled = {SOURCE: step.source.scale, RESULT: step.result.scale}
        scales = {argument: scale for argument, scale in scaled.items() if scale is not None}
        primitive = self._library.reorder(
            describe(_lay_values(step.source, shape.images, shape.reads)),
            describe(_lay_values(step.result, shape.images, shape.rows)),
            Fusion(scales=dict.fromkeys(scales, ONE_SCALE)),
        )
        return primitive, {
            SCALES | argument: self._place_row(f"{step.result.name}/{argument}", [scale])
            for argument, scale in scales.items()
        }

    def _place_weights(
        self, operation: Operation, given: Layout, primitive: Primitive
    ) -> dict[int, int]:
        """Return kernel and bias, reordered now if no primitive has asked for such a layout yet."""
        wanted, library = primitive.layouts[WEIGHTS], self._library
        placed = self._placed.setdefault(operation.name, [])
        memory = next((item for layout, item in placed if library.are_equal(layout, wanted)), None)
        if memory is None:
            kept = Memory(library.count_bytes(wanted))
            self._memories.append(kept)
            memory = library.create_memory(wanted, kept.address)
            self._fill(memory, wanted, given, self._weights.kernel(operation.name))
            placed.append((wanted, memory))
        bias = self._place_row(f"{operation.name}/bias", self._weights.bias(operation.name))
        return {WEIGHTS: memory, BIAS: bias}

    def _fill(self, memory: int, wanted: int, given: Layout, array: npt.NDArray[Any]) -> None:
        """Reorder an array into memory."""
        import numpy as np

        library = self._library
        array = np.ascontiguousarray(array)
        layout = library.describe(given)
        reorder = library.reorder(layout, wanted)
        pad = Memory(library.count_bytes(reorder.layouts[SCRATCHPAD]))
        execute(library, self._stream, reorder.handle, {
            SOURCE: library.create_memory(layout, array.ctypes.data),
            RESULT: memory,
            SCRATCHPAD: library.create_memory(reorder.layouts[SCRATCHPAD], pad.address),
        })  # fmt: skip
        pad.close()

    def _place_scales(self, step: Step, operation: Operation) -> dict[int, int]:
        name = operation.name
        return {
            SCALES | SOURCE: self._place_row(f"{name}/source", [step.source.scale]),
            SCALES | WEIGHTS: self._place_row(f"{name}/filters", self._weights.scales(name)),
            SCALES | RESULT: self._place_row(f"{name}/result", [step.result.scale]),
        }

    def _place_row(self, name: str, numbers: Any) -> int:
        """Return the memory of a row of float32 numbers, which is kept under its name."""
        import numpy as np

        if name not in self._plain:
            array = np.ascontiguousarray(numbers, np.float32)
            self._arrays.append(array)
            layout = self._library.describe(_lay_row(len(array)))
            self._plain[name] = self._library.create_memory(layout, array.ctypes.data)
        return self._plain[name]


def execute(library: OneDnn, stream: Any, primitive: int, memories: Mapping[int, int]) -> None:
    """Execute a primitive once."""
    arguments = list_arguments(memories)
    require(library.execute(primitive, stream, len(arguments), arguments), "primitive_execute")


def list_arguments(memories: Mapping[int, int]) -> Any:
    """Return arguments as an execution takes them."""
    return (Argument * len(memories))(*(Argument(*item) for item in memories.items()))


def plan_fusion(step: Step) -> Fusion:
    """Return what a convolution does beside its products."""
    operation = _require_operation(step)
    scales = {}
    if step.source.scale is not None:
        scales = {SOURCE: ONE_SCALE, WEIGHTS: SCALE_PER_FILTER, RESULT: ONE_SCALE}
    added = step.added
    total = None if added is None else (added.scale or 1.0, added.dtype)
    return Fusion(scales=scales, sum=total, relu=operation.relu)


def _require_operation(step: Step) -> Operation:
    assert step.operation is not None
    return step.operation


def _name_scratchpad(item: Pass) -> str:
    return _SCRATCHPAD + item.steps[-1].result.name


def _find_spot(value: Value, tile: Tile, rows: range) -> Spot:
    """Return where rows of a tile's images begin."""
    held = tile.held.get(value.place)
    if held is not None:
        return Spot(value.place, (rows.start - held.start) * value.row_bytes)
    return Spot(value.place, (tile.images.start * value.side + rows.start) * value.row_bytes)


def _plan_move(value: Value, before: Tile | None, tile: Tile) -> Move | None:
    """Return what has to be moved before rows of a value are written, if anything."""
    held = tile.held.get(value.place)
    if held is None or before is None or before.images != tile.images:
        return None
    gone, kept = held.start - before.held[value.place].start, before.held[value.place].stop
    if not gone or kept <= held.start:
        return None
    return Move(value.place, gone * value.row_bytes, (kept - held.start) * value.row_bytes)


def _plan_window(operation: Operation, shape: Shape) -> Window:
    _, left, _, right = operation.padding
    return Window(
        size=operation.window,
        stride=operation.stride,
        padding=(shape.above, left, shape.below, right),
    )


def _lay_values(value: Value, images: int, rows: int) -> Layout:
    """Channels last; rows of one image, or whole images, which are one piece of memory."""
    side, channels = value.side, value.channels
    return Layout(
        sizes=(images, channels, rows, side),
        strides=(rows * side * channels, 1, side * channels, channels),
        dtype=value.dtype,
    )


def _lay_both(step: Step, shape: Shape) -> dict[int, Layout]:
    return {
        SOURCE: _lay_values(step.source, shape.images, shape.reads),
        RESULT: _lay_values(step.result, shape.images, shape.rows),
    }


def _lay_rows(value: Value, images: int) -> Layout:
    return Layout(sizes=(images, value.channels), strides=(value.channels, 1), dtype=value.dtype)


def _lay_row(count: int) -> Layout:
    return Layout(sizes=(count,), strides=(1,), dtype=DType.F32)
