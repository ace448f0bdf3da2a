"""The contract between a worker and the runtime that executes the model.

A runtime's file imports its framework inside `load`, never at module level, so that naming an
engine costs nothing and only a worker, already pinned, pays for the import.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from resnet50_bench.config import Precision

Images: TypeAlias = "npt.NDArray[np.float32]"
"""float32, NHWC `(N, 224, 224, 3)`, RGB, channel means subtracted."""

Scores: TypeAlias = "npt.NDArray[np.float32]"
"""float32 `(N, 1001)` softmax probabilities, index 0 is the background class; or `(N, 1000)`."""


@dataclass(frozen=True, slots=True)
class KernelShare:
    """The share of a probe batch's time that one kind of kernel took.

    Attributes:
        primitive: what it computes, in oneDNN's word: `convolution`, `inner_product`, ...
        dtype: the data type it computed in: `f32`, `bf16`, `u8s8`, ...
        isa: the instruction set named by the implementation, e.g. `avx512_core_bf16`.
        time_share: fraction of the probe's primitive time, 0..1.
        calls: how many times it ran.
    """

    primitive: str
    dtype: str
    isa: str
    time_share: float
    calls: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the runtime itself says it executed.

    Attributes:
        runtime: the runtime's name and version, e.g. `tensorflow 2.21.0`.
        fused_ops: how often each fused operation stands in the graph as executed, e.g.
            `{"Conv2D[BiasAdd,Relu]": 33}`.
        notes: what the runtime could not tell, and why.
    """

    runtime: str
    fused_ops: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Loaded(Protocol):
    """A model in memory, ready to answer queries from one thread, or from several streams."""

    def run(self, images: Images) -> Scores:
        """Classify one batch; raises whatever the runtime raises, never answers with less."""

    def open_stream(self, threads: int) -> Callable[[Images], Scores]:
        """Return `run` for one of several streams, called in the stream's own thread.

        All its computing is done by that thread, and by threads it starts, which have its affinity.

        Args:
            threads: how many threads the stream computes with.
        """

    def evidence(self) -> Evidence:
        """Read what really runs from the runtime; called outside the measured window."""

    def close(self) -> None:
        """Release the model; the object is not used afterwards."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What an engine needs to load the model.

    Attributes:
        model_path: the prepared graph; None for engines that need no model.
        precision: what to compute in.
        threads: how many threads may compute, one per core of the slot.
        batch_size: images per query.
        streams: how many streams make queries at once, each on its share of the threads; 0 when
            only `run` is called.
        instance: the index of this instance, from 0.
        options: engine-specific settings (`--engine-option KEY=VALUE`).
    """

    model_path: Path | None
    precision: Precision
    threads: int
    batch_size: int
    streams: int = 0
    instance: int = 0
    options: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """A runtime that can execute the model.

    Attributes:
        name: as the user writes it after `--engine`.
        needs_model: whether `load` reads a prepared graph.
        trace_environment: the variables that make a process print a trace of its kernels on
            stdout, which costs time; empty when the runtime has no trace.
    """

    name: str
    needs_model: bool
    trace_environment: Mapping[str, str]

    def option_problems(self, options: Mapping[str, str]) -> list[str]:
        """Say what is wrong with the engine options, one sentence each; imports no framework."""

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """The variables to set before the process starts; imports no framework."""

    def parse_trace(self, lines: Iterable[str]) -> tuple[KernelShare, ...]:
        """Read the kernels and their shares of time from a trace; () when it has none."""

    def images_alone(self, request: LoadRequest) -> int:
        """Return how many images of a query one thread takes through each operation by itself.

        0 where the threads of an instance share every operation; imports no framework.

        Raises:
            ConfigError: the options do not fit the threads or the batch, as in `load`.
        """

    def load(self, request: LoadRequest) -> Loaded:
        """Import the framework and load the model."""


ENGINES: dict[str, str] = {
    "tensorflow": "resnet50_bench.engines.tensorflow",
    "null": "resnet50_bench.engines.null",
}
"""Engine name -> the module whose `ENGINE` it is."""


def load_engine(name: str) -> Engine:
    """Return the engine called `name`, without importing its framework.

    Raises:
        KeyError: no engine has that name.
    """
    engine: Engine = importlib.import_module(ENGINES[name]).ENGINE
    return engine
