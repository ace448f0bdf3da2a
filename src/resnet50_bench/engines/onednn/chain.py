"""What one thread executes: every kernel after the other, on memory of its own.

All arguments are made beforehand. An execution is one call from Python, which lets go of the
interpreter's lock; there is nothing else between two kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.onednn.binding import OneDnn, require
from resnet50_bench.engines.onednn.kernels import Program, list_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping


class Chain:
    """A program on the memory of one thread.

    Attributes:
        calls: the arguments of `OneDnn.execute`, for each kernel of the program.

    Args:
        library: that executes.
        program: what is executed.
        addresses: of each place of the program's arena.
    """

    def __init__(self, library: OneDnn, program: Program, addresses: Mapping[str, int]) -> None:
        self._library = library
        stream = library.create_stream()
        self._outside: list[int] = []
        self.calls = [
            (kernel.primitive.handle, stream, len(arguments), arguments)
            for kernel in program.kernels
            for arguments in [
                list_arguments(self._place(kernel.values, addresses) | dict(kernel.constants))
            ]
        ]

    def run(self, images: int, scores: int) -> None:
        """Take images through it.

        Args:
            images: the address of float32 `(program.images, side, side, 3)`.
            scores: the address of float32 `(program.images, classes)`, which is written.
        """
        execute, set_handle = self._library.execute, self._library.set_handle
        source, result = self._outside
        set_handle(source, images)
        set_handle(result, scores)
        for primitive, stream, count, arguments in self.calls:
            status = execute(primitive, stream, count, arguments)
            if status:
                require(status, "primitive_execute")

    def _place(
        self, values: Mapping[int, tuple[Any, str]], addresses: Mapping[str, int]
    ) -> dict[int, int]:
        """Return the memory of each value; what lies outside of the arena is told at each run."""
        memories = {}
        for argument, (layout, place) in values.items():
            memory = self._library.create_memory(layout, addresses.get(place, 0))
            memories[argument] = memory
            if place not in addresses:
                self._outside.append(memory)
        return memories
