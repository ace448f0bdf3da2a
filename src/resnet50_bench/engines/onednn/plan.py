"""The steps of a chain: each operation with the data types it reads and writes, and where.

Between the images and the average all is in one data type: float32, bfloat16, or 8 bits, unsigned
behind a ReLU and signed elsewhere, with one scale for each value, as in TensorFlow's 8-bit graph.
From the average on it is float32, as in every graph that is prepared here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from resnet50_bench.config import Precision
from resnet50_bench.engines.onednn.network import IMAGES, Kind, Operation
from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnet50_bench.engines.onednn.network import Network

_CHANNELS = 3
_BFLOAT16 = (Precision.AVX_BFLOAT16, Precision.AMX_BFLOAT16)


class DType(IntEnum):
    """`dnnl_data_type_t` of dnnl_types.h, oneDNN 3."""

    BF16 = 2
    F32 = 3
    S8 = 5
    U8 = 6

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return _SIZES[self]

    @property
    def largest(self) -> int:
        """The magnitude that 8 bits reach on both sides of zero, or from zero on."""
        return {DType.S8: 127, DType.U8: 255}[self]


_SIZES = {DType.BF16: 2, DType.F32: 4, DType.S8: 1, DType.U8: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a step reads or writes: for each image rows x columns x channels, channels last.

    Attributes:
        name: of the value.
        place: the name of its memory, which it has from the value that was added to it, if any.
        side: rows and columns.
        channels: of each.
        dtype: of a number.
        scale: what 1 stands for, in 8 bits; None in others.
    """

    name: str
    place: str
    side: int
    channels: int
    dtype: DType
    scale: float | None = None

    def count_bytes(self, images: int) -> int:
        """Of so many images."""
        return images * self.side * self.row_bytes

    @property
    def row_bytes(self) -> int:
        """Of a row of an image."""
        return self.side * self.channels * self.dtype.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One execution.

    Attributes:
        operation: what is computed; None where values go from one data type to another.
        source: what it reads.
        result: what it writes.
        added: what its result's memory holds before, and is added; None for nothing.
    """

    operation: Operation | None
    source: Value
    result: Value
    added: Value | None = None


def plan_steps(network: Network, precision: Precision) -> tuple[Step, ...]:
    """Return the steps from a query's images to its answers.

    Raises:
        ModelError: a value is needed after another was added to it.
    """
    steps = tuple(_Planner(network, precision).plan())
    _require_last_use(steps)
    return steps


class _Planner:
    """Goes through the operations, and knows the values that they have given."""

    def __init__(self, network: Network, precision: Precision) -> None:
        self._network = network
        self._dtype = DType.BF16 if precision in _BFLOAT16 else DType.F32
        self._values = {
            IMAGES: Value(name=IMAGES, place=IMAGES, side=network.side, channels=_CHANNELS,
                          dtype=DType.F32)
        }  # fmt: skip

    def plan(self) -> Iterable[Step]:
        yield from self._convert(IMAGES, self._describe(IMAGES, relu=False))
        for operation in self._network.operations:
            if operation.kind is Kind.AVERAGE:
                yield from self._convert(operation.source, (DType.F32, None))
            yield self._plan_operation(operation)

    def _convert(self, name: str, wanted: tuple[DType, float | None]) -> Iterable[Step]:
        """Yield what makes another data type of a value, which is read from then on."""
        source = self._values[name]
        if source.dtype is wanted[0]:
            return
        place = f"{name} in {wanted[0].name.lower()}"
        result = replace(source, name=place, place=place, dtype=wanted[0], scale=wanted[1])
        self._values[name] = result
        yield Step(operation=None, source=source, result=result)

    def _plan_operation(self, operation: Operation) -> Step:
        source = self._values[operation.source]
        added = None if operation.adds is None else self._values[operation.adds]
        dtype, scale = source.dtype, source.scale
        if operation.kind is Kind.CONVOLUTION:
            dtype, scale = self._describe(operation.name, relu=operation.relu)
        result = Value(name=operation.name, place=operation.name if added is None else added.place,
                       side=operation.side, channels=operation.channels, dtype=dtype,
                       scale=scale)  # fmt: skip
        self._values[operation.name] = result
        return Step(operation=operation, source=source, result=result, added=added)

    def _describe(self, name: str, *, relu: bool) -> tuple[DType, float | None]:
        """Return data type and scale of what the images or a convolution give."""
        if not self._network.limits:
            return self._dtype, None
        dtype = DType.U8 if relu else DType.S8
        return dtype, self._network.limits[name] / dtype.largest


def _require_last_use(steps: Sequence[Step]) -> None:
    """See that nothing reads a value after its memory has become that of a sum."""
    gone: set[str] = set()
    for step in steps:
        if step.source.name in gone or (step.added is not None and step.added.name in gone):
            raise ModelError(
                f"{step.result.name} reads a value that another one was added to before",
                "choose --engine tensorflow, which runs the graph as it is",
            )
        if step.added is not None:
            gone.add(step.added.name)
