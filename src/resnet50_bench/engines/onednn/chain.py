"""What one thread executes: every kernel after the other, on memory of its own.

All arguments are made beforehand. An execution is one call from Python, which lets go of the
interpreter's lock; there is nothing else between two kernels.
"""

from __future__ import annotations

import ctypes
from ctypes import c_size_t, c_void_p
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.onednn.binding import RESULT, SOURCE, OneDnn, require
from resnet50_bench.engines.onednn.kernels import Execution, Move, Program, list_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Call = tuple[Callable[..., int | None], tuple[Any, ...]]

_move = ctypes.CDLL(None).memmove
_move.argtypes = (c_void_p, c_void_p, c_size_t)
_move.restype = None


class Chain:
    """A program on the memory of one thread.

    Attributes:
        calls: what is called with which arguments, for each pass of the program; what an execution
            returns is its status.

    Args:
        library: that executes.
        program: what is executed.
        addresses: of each place of the program's arena.
    """

    def __init__(self, library: OneDnn, program: Program, addresses: Mapping[str, int]) -> None:
        self._library = library
        self._stream = library.create_stream()
        self._addresses = addresses
        self._outside: dict[int, list[tuple[int, int]]] = {SOURCE: [], RESULT: []}
        self.calls: list[list[Call]] = [
            [
                self._plan_move(call) if isinstance(call, Move) else self._plan_execution(call)
                for call in calls
            ]
            for calls in program.calls
        ]
        self._all = [call for calls in self.calls for call in calls]

    def place(self, images: int, scores: int) -> None:
        """Tell where the images are and the scores go, for the next calls.

        Args:
            images: the address of float32 `(program.images, side, side, 3)`.
            scores: the address of float32 `(program.images, classes)`, which is written.
        """
        set_handle = self._library.set_handle
        for argument, address in ((SOURCE, images), (RESULT, scores)):
            for memory, offset in self._outside[argument]:
                set_handle(memory, address + offset)

    def run(self, images: int, scores: int) -> None:
        """Take images through it; see `place`."""
        self.place(images, scores)
        execute_all(self._all)

    def _plan_move(self, move: Move) -> Call:
        address = self._addresses[move.place]
        return _move, (address, address + move.offset, move.size)

    def _plan_execution(self, execution: Execution) -> Call:
        kernel = execution.kernel
        memories = dict(kernel.constants)
        for argument, spot in execution.spots.items():
            begin = self._addresses.get(spot.place)
            memory = self._library.create_memory(
                kernel.primitive.layouts[argument], 0 if begin is None else begin + spot.offset
            )
            if begin is None:  # what lies outside of the arena is told at each run
                self._outside[argument].append((memory, spot.offset))
            memories[argument] = memory
        arguments = list_arguments(memories)
        return self._library.execute, (
            kernel.primitive.handle, self._stream, len(arguments), arguments
        )  # fmt: skip


def execute_all(calls: Iterable[Call]) -> None:
    """Do calls of a chain, one after the other."""
    for call, arguments in calls:
        status = call(*arguments)
        if status:
            require(status, "primitive_execute")
