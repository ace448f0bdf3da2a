"""The programs of a network and who runs them: kernels shared, memory a chain's own."""

from __future__ import annotations

import threading
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.engines.onednn.binding import OneDnn
from resnet50_bench.engines.onednn.chain import Chain
from resnet50_bench.engines.onednn.kernels import Program, Workshop
from resnet50_bench.engines.onednn.memory import Memory
from resnet50_bench.engines.onednn.network import read_network
from resnet50_bench.engines.onednn.plan import plan_steps
from resnet50_bench.engines.onednn.ways import plan_passes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resnet50_bench.config import Precision
    from resnet50_bench.engines.base import Images, Scores
    from resnet50_bench.engines.onednn.ways import Way


_BY_LAYERS: Mapping[str, Way] = MappingProxyType({})


class Programs:
    """The programs of a network, one for each number of images, of threads, and way of computing.

    Attributes:
        side: rows and columns of an image.
        classes: of an answer.
        steps: of every chain.
        library: that executes.
        identity: what tells the library, the precision and the operations.

    Args:
        path: the folder that the converter filled.
        precision: what is computed in.
    """

    def __init__(self, path: Path, precision: Precision) -> None:
        network, weights = read_network(path)
        self.side = network.side
        self.classes = network.operations[-1].channels
        self.steps = plan_steps(network, precision)
        self.library = OneDnn()
        operations = msgspec.json.encode(network.operations)
        self.identity = (self.library.runtime, precision.value, sha256(operations).hexdigest())
        self._workshop = Workshop(self.library, weights)
        self._programs: dict[tuple[int, int, frozenset[tuple[str, Way]]], Program] = {}
        self._opened: list[Program] = []
        self._arenas: list[Memory] = []
        self._lock = threading.RLock()

    def open_chain(self, images: int, threads: int, ways: Mapping[str, Way] = _BY_LAYERS) -> Chain:
        """Return a chain of its own for the thread that asks, which `threads` threads compute.

        Args:
            images: that go through it together.
            threads: of OpenMP, as the thread that asks uses them.
            ways: of the stretches that go depth first, by their names.
        """
        with self._lock:
            program = self.find(images, threads, ways)
            arena = Memory(program.arena.size)
            self._arenas.append(arena)
            self._opened.append(program)
            return Chain(self.library, program, program.place(arena.address))

    def find(self, images: int, threads: int, ways: Mapping[str, Way] = _BY_LAYERS) -> Program:
        """Return a program, made now if there is none yet; see `open_chain`."""
        with self._lock:
            key = images, threads, frozenset(ways.items())
            program = self._programs.get(key)
            if program is None:
                passes = plan_passes(self.steps, images, ways)
                program = self._programs[key] = self._workshop.make(passes, images, threads)
            return program

    def list_opened(self) -> tuple[Program, ...]:
        """Return those of the chains that were opened, the largest first."""
        return tuple(sorted(self._opened, key=lambda item: -item.images))

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
        ways: of the stretches that go depth first, by their names.
    """

    def __init__(
        self, programs: Programs, together: int, threads: int, ways: Mapping[str, Way]
    ) -> None:
        self._programs = programs
        self._together = together
        self._threads = threads
        self._ways = ways
        self._chains: dict[int, Chain] = {}

    def __call__(self, images: Images, scores: Scores) -> None:
        """Classify images, and write their scores."""
        source, result = images.ctypes.data, scores.ctypes.data
        for first in range(0, len(images), self._together):
            count = min(self._together, len(images) - first)
            chain = self._chains.get(count)
            if chain is None:
                chain = self._programs.open_chain(count, self._threads, self._ways)
                self._chains[count] = chain
            chain.run(source + first * images.strides[0], result + first * scores.strides[0])
