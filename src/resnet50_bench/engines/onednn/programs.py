"""The programs of a network and who runs them: kernels shared, memory a chain's own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from resnet50_bench.engines.onednn.binding import OneDnn
from resnet50_bench.engines.onednn.chain import Chain
from resnet50_bench.engines.onednn.kernels import Program, Workshop
from resnet50_bench.engines.onednn.memory import Memory
from resnet50_bench.engines.onednn.network import read_network
from resnet50_bench.engines.onednn.plan import plan_steps

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.config import Precision
    from resnet50_bench.engines.base import Images, Scores


class Programs:
    """The programs of a network, one for each number of images and of threads that was asked for.

    Args:
        path: the folder that the converter filled.
        precision: what is computed in.
    """

    def __init__(self, path: Path, precision: Precision) -> None:
        network, weights = read_network(path)
        self.side = network.side
        self.classes = network.operations[-1].channels
        self.library = OneDnn()
        self._workshop = Workshop(self.library, plan_steps(network, precision), weights)
        self._programs: dict[tuple[int, int], Program] = {}
        self._arenas: list[Memory] = []
        self._lock = threading.Lock()

    def open_chain(self, images: int, threads: int) -> Chain:
        """Return a chain of its own for the thread that asks, which `threads` threads compute."""
        with self._lock:
            program = self.find(images, threads)
            arena = Memory(program.arena.size)
            self._arenas.append(arena)
            places = program.arena.offsets.items()
            addresses = {place: arena.address + offset for place, offset in places}
            return Chain(self.library, program, addresses)

    def find(self, images: int, threads: int) -> Program:
        """Return a program, made now if there is none yet."""
        program = self._programs.get((images, threads))
        if program is None:
            program = self._programs[images, threads] = self._workshop.make(images)
        return program

    def list_all(self) -> tuple[Program, ...]:
        """Return those that there are, the largest first."""
        return tuple(sorted(self._programs.values(), key=lambda item: -item.images))

    def describe(self) -> str:
        """Say what lies in memory."""
        arenas = sum(arena.size for arena in self._arenas)
        return (
            f"weights take {self._workshop.weight_bytes:,} bytes, the values of "
            f"{len(self._arenas)} chains {arenas:,}"
        )

    def close(self) -> None:
        """Release all."""
        for arena in self._arenas:
            arena.close()
        self._workshop.close()
        self.library.close()


class Runner:
    """Takes any number of images through chains, some at a time, in the thread that opened it.

    Args:
        programs: of the network.
        together: images that go through a chain together, at most.
        threads: that compute each primitive.
    """

    def __init__(self, programs: Programs, together: int, threads: int) -> None:
        self._programs = programs
        self._together = together
        self._threads = threads
        self._chains: dict[int, Chain] = {}

    def __call__(self, images: Images, scores: Scores) -> None:
        """Classify images, and write their scores."""
        source, result = images.ctypes.data, scores.ctypes.data
        for first in range(0, len(images), self._together):
            count = min(self._together, len(images) - first)
            chain = self._chains.get(count)
            if chain is None:
                chain = self._programs.open_chain(count, self._threads)
                self._chains[count] = chain
            chain.run(source + first * images.strides[0], result + first * scores.strides[0])
