"""The contract between a worker and the runtime that executes the model.

A runtime's file imports its framework inside `load`, never at module level, so that naming an
engine costs nothing and only a worker, already pinned, pays for the import.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from resnet50_bench.errors import ModelError

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


UNKNOWN_ISA = "unknown"
"""The instruction set of a kernel whose runtime does not tell, and which was not seen."""


@dataclass(frozen=True, slots=True)
class KernelShare:
    """The share of a probe batch's time that one kind of kernel took.

    Attributes:
        primitive: what it computes, in oneDNN's word: `convolution`, `inner_product`, ...
        dtype: the data type it computed in: `f32`, `bf16`, `u8s8`, ...
        isa: the instruction set named by the implementation, e.g. `avx512_core_bf16`, or
            `UNKNOWN_ISA`.
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
        order: in which order layers and their rows are computed, where the engine chooses it, and
            what the choice was made by; None where it does not.
    """

    runtime: str
    fused_ops: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    order: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """The packages an engine's runtime comes in.

    Attributes:
        name: of this package's extra: `pip install 'resnet50-bench[NAME]'`.
        packages: the distributions that must be there, each under any of its names; the first
            group is the runtime's own.
    """

    name: str
    packages: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What an engine loads for a precision, and what it is made of.

    Attributes:
        graph: the precision whose prepared graph it is, or is made of.
        converter: the module whose `convert(ConvertRequest)` makes it; None where the prepared
            graph itself is loaded. It may import any framework: it runs in a process of its own.
        calibrates: the conversion looks at images.
        version: raised whenever the converter would make something else of the same graph.
    """

    graph: Precision
    converter: str | None = None
    calibrates: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest:
    """What a converter is given; it returns what it did, a sentence each.

    Attributes:
        graph: the prepared graph, as TensorFlow loads it.
        precision: what the conversion is for.
        output: an empty folder; all that is in it afterwards is kept, and is the `model_path` that
            the engine loads.
        images: to calibrate with, as in a query; none where the form does not calibrate.
        on_progress: is told one sentence for people at a time.
    """

    graph: Path
    precision: Precision
    output: Path
    images: Images
    on_progress: Callable[[str], None]


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

    def list_kernels(self) -> Iterable[str]:
        """Return lines on the kernels of the last query, as `Engine.parse_trace` reads them.

        Asked of a model that was loaded with `LoadRequest.trace`; () where the runtime has printed
        them itself.
        """

    def close(self) -> None:
        """Release the model; the object is not used afterwards."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What an engine needs to load the model.

    Attributes:
        model_path: the prepared graph, or the folder that the form's converter filled; None for
            engines that need no model.
        precision: what to compute in.
        threads: how many threads may compute, one per core of the slot.
        batch_size: images per query.
        streams: how many streams make queries at once, each on its share of the threads; 0 when
            only `run` is called.
        instance: the index of this instance, from 0.
        instances: of the run on this host.
        kept: the folder where an engine may keep what it has measured on this host for the next
            load; None to measure nothing.
        options: engine-specific settings (`--engine-option KEY=VALUE`).
        trace: the kernels of a query will be asked for; nothing is measured.
    """

    model_path: Path | None
    precision: Precision
    threads: int
    batch_size: int
    streams: int = 0
    instance: int = 0
    instances: int = 1
    kept: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    trace: bool = False

    def require_model(self, engine: str) -> Path:
        """Return where the model is.

        Raises:
            ModelError: nowhere, and this engine needs one.
        """
        if self.model_path is None:
            raise ModelError(f"the {engine} engine needs a model", "name one with --model")
        return self.model_path


class Engine(Protocol):
    """A runtime that can execute the model.

    Attributes:
        name: as the user writes it after `--engine`.
        extra: what has to be installed; None for nothing.
        forms: the precisions it has, and what it loads for each; empty when it needs no model.
        needs_model: whether `load` reads a model.
        traces: whether it can tell which kernels ran.
        trace_environment: the variables that make a process print a trace of its kernels on
            stdout, which costs time; empty when `list_kernels` tells them instead.
    """

    name: str
    extra: Extra | None
    forms: Mapping[Precision, Form]
    needs_model: bool
    traces: bool
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
    "zentf": "resnet50_bench.engines.zentf",
    "openvino": "resnet50_bench.engines.openvino",
    "onnxruntime": "resnet50_bench.engines.onnxruntime",
    "pytorch": "resnet50_bench.engines.pytorch",
    "onednn": "resnet50_bench.engines.onednn",
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
