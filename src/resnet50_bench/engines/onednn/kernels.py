"""A primitive for each step of a chain, and the weights in the layouts that these ask for.

Primitives and weights are read only, and shared by all threads of the process. What each thread has
of its own is in `chain`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.onednn.arena import Arena, Life, plan_arena
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
from resnet50_bench.engines.onednn.plan import DType, Step, Value, plan_lives

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

_WHOLE = Window(size=1, stride=1, padding=(0, 0, 0, 0))
_SCRATCHPAD = "scratchpad of "


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A step, ready to be executed on a thread's own memory.

    Attributes:
        step: what it computes.
        primitive: the kernel.
        values: argument -> descriptor and place of what lies in the arena, or outside of it.
        constants: argument -> the memory (`dnnl_memory_t`) of weights, bias and scales.
    """

    step: Step
    primitive: Primitive
    values: Mapping[int, tuple[Any, str]]
    constants: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All kernels for one number of images.

    Attributes:
        images: that go through it together.
        kernels: in the order of their execution.
        arena: where values and scratchpads lie.
        lives: what the arena was planned by.
    """

    images: int
    kernels: tuple[Kernel, ...]
    arena: Arena
    lives: tuple[Life, ...]


class Workshop:
    """Makes programs of one network, whose weights are reordered once and kept.

    A primitive is made for as many threads of OpenMP as the thread that calls uses then.

    Args:
        library: that makes the primitives.
        steps: of the chain.
        weights: of the network.
    """

    def __init__(self, library: OneDnn, steps: Sequence[Step], weights: Weights) -> None:
        self._library = library
        self._steps = steps
        self._weights = weights
        self._stream = library.create_stream()
        self._placed: dict[str, list[tuple[int, int]]] = {}
        self._memories: list[Memory] = []
        self._arrays: list[npt.NDArray[Any]] = []
        self._plain: dict[str, int] = {}
        self._makers: dict[Kind, Callable[[Step, int], tuple[Primitive, dict[int, int]]]] = {
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

    def make(self, images: int) -> Program:
        """Return the program for so many images.

        Raises:
            EngineError: oneDNN lacks an operation in the data type on this CPU.
            HostError: there is not enough memory.
        """
        kernels = tuple(self._make_kernel(step, images) for step in self._steps)
        lives = (*plan_lives(self._steps, images), *self._plan_scratchpads(kernels))
        return Program(images=images, kernels=kernels, lives=lives, arena=plan_arena(lives))

    def close(self) -> None:
        """Give the weights' memory back, and close where they were read from."""
        for memory in self._memories:
            memory.close()
        self._weights.close()

    def _make_kernel(self, step: Step, images: int) -> Kernel:
        operation = step.operation
        maker = self._reorder if operation is None else self._makers[operation.kind]
        primitive, constants = maker(step, images)
        values = {
            SOURCE: (primitive.layouts[SOURCE], step.source.place),
            RESULT: (primitive.layouts[RESULT], step.result.place),
        }
        if self._library.count_bytes(primitive.layouts[SCRATCHPAD]):
            values[SCRATCHPAD] = (primitive.layouts[SCRATCHPAD], _SCRATCHPAD + step.result.name)
        return Kernel(step=step, primitive=primitive, values=values, constants=constants)

    def _plan_scratchpads(self, kernels: Sequence[Kernel]) -> list[Life]:
        """What a primitive needs while it is executed, and no longer."""
        found = [
            (number, *kernel.values[SCRATCHPAD])
            for number, kernel in enumerate(kernels)
            if SCRATCHPAD in kernel.values
        ]
        return [
            Life(place, self._library.count_bytes(layout), number, number)
            for number, layout, place in found
        ]

    def _convolution(self, step: Step, images: int) -> tuple[Primitive, dict[int, int]]:
        operation = _require_operation(step)
        inputs = step.source.channels
        sizes = (operation.channels, inputs, operation.window, operation.window)
        is_int8 = step.source.scale is not None
        layouts = {
            SOURCE: _lay_values(step.source, images),
            WEIGHTS: Layout(sizes=sizes, strides=None,
                            dtype=DType.S8 if is_int8 else step.source.dtype),
            BIAS: _lay_row(operation.channels),
            RESULT: _lay_values(step.result, images),
        }  # fmt: skip
        window = Window(size=operation.window, stride=operation.stride, padding=operation.padding)
        primitive = self._library.convolution(layouts, window, plan_fusion(step))
        # HWIO, as TensorFlow has it.
        strides = (1, operation.channels, operation.window * inputs * operation.channels,
                   inputs * operation.channels)  # fmt: skip
        given = Layout(sizes=sizes, strides=strides, dtype=DType.S8 if is_int8 else DType.F32)
        constants = self._place_weights(operation, given, primitive)
        if is_int8:
            constants |= self._place_scales(step, operation)
        return primitive, constants

    def _max_pool(self, step: Step, images: int) -> tuple[Primitive, dict[int, int]]:
        operation = _require_operation(step)
        window = Window(size=operation.window, stride=operation.stride, padding=operation.padding)
        return self._library.pooling(_lay_both(step, images), window, average=False), {}

    def _average(self, step: Step, images: int) -> tuple[Primitive, dict[int, int]]:
        window = replace(_WHOLE, size=step.source.side)
        return self._library.pooling(_lay_both(step, images), window, average=True), {}

    def _classifier(self, step: Step, images: int) -> tuple[Primitive, dict[int, int]]:
        operation = _require_operation(step)
        features, classes = step.source.channels, operation.channels
        layouts = {
            SOURCE: _lay_rows(step.source, images),
            WEIGHTS: Layout(sizes=(classes, features), strides=None, dtype=DType.F32),
            BIAS: _lay_row(classes),
            RESULT: _lay_rows(step.result, images),
        }
        primitive = self._library.inner_product(layouts)
        given = Layout(sizes=(classes, features), strides=(1, classes), dtype=DType.F32)
        return primitive, self._place_weights(operation, given, primitive)

    def _softmax(self, step: Step, images: int) -> tuple[Primitive, dict[int, int]]:
        layouts = {
            SOURCE: _lay_rows(step.source, images),
            RESULT: _lay_rows(step.result, images),
        }
        return self._library.softmax(layouts), {}

    def _reorder(self, step: Step, images: int) -> tuple[Primitive, dict[int, int]]:
        """Bring values into 8 bits or bfloat16, or back."""
        describe = self._library.describe
        scaled = {SOURCE: step.source.scale, RESULT: step.result.scale}
        scales = {argument: scale for argument, scale in scaled.items() if scale is not None}
        primitive = self._library.reorder(
            describe(_lay_values(step.source, images)),
            describe(_lay_values(step.result, images)),
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


def _lay_values(value: Value, images: int) -> Layout:
    """Channels last."""
    side, channels = value.side, value.channels
    return Layout(
        sizes=(images, channels, side, side),
        strides=(side * side * channels, 1, side * channels, channels),
        dtype=value.dtype,
    )


def _lay_both(step: Step, images: int) -> dict[int, Layout]:
    return {SOURCE: _lay_values(step.source, images), RESULT: _lay_values(step.result, images)}


def _lay_rows(value: Value, images: int) -> Layout:
    return Layout(sizes=(images, value.channels), strides=(value.channels, 1), dtype=value.dtype)


def _lay_row(count: int) -> Layout:
    return Layout(sizes=(count,), strides=(1,), dtype=DType.F32)
