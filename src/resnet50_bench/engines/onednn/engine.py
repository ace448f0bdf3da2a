"""oneDNN called directly: what its kernels can do where nothing else takes time.

The yardstick beside the frameworks, most of which compute with the same library.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import Evidence, Extra, Form, LoadRequest
from resnet50_bench.engines.callers import CALLERS_OPTION, SplittingEngine, plan_calls
from resnet50_bench.engines.machine_code.instructions import count_instructions
from resnet50_bench.engines.machine_code.made import read_own_code
from resnet50_bench.engines.onednn.binding import DISTRIBUTION
from resnet50_bench.engines.onednn.choice import Situation, describe_choice
from resnet50_bench.engines.onednn.evidence import parse_kernels, render_code
from resnet50_bench.engines.onednn.kernels import Kernel
from resnet50_bench.engines.onednn.programs import Programs, Runner
from resnet50_bench.engines.onednn.race import DepthFirst, Kept, choose
from resnet50_bench.engines.onednn.threads import Crew, Team, plan_shares
from resnet50_bench.engines.onednn_trace import TRACE_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from resnet50_bench.engines.base import Images, KernelShare, Loaded, Scores
    from resnet50_bench.engines.onednn.race import Each
    from resnet50_bench.engines.onednn.ways import Way

IMAGES_OPTION = "images"
"""`--engine-option images=N`: how many images go through a chain together, at most."""

DEPTH_FIRST_OPTION = "depth_first"
"""`--engine-option depth_first=auto|on|off`: whether bands of rows go through the layers of a block
while they are in the core's cache."""

_FLOAT = Form(graph=Precision.AVX_FP32, converter="resnet50_bench.model.converters.onednn")
_QUANTIZED = replace(_FLOAT, calibrates=True)

_TOGETHER = 4
"""Images of each thread: enough to share the kernels of the last stages, few enough for what the
first ones write to stay near the core."""


class OneDnnEngine(SplittingEngine):
    """Executes oneDNN's primitives one after the other."""

    name = "onednn"
    extra: Extra | None = Extra(name="onednn", packages=((DISTRIBUTION,),))
    forms: Mapping[Precision, Form] = {
        Precision.AVX_FP32: _FLOAT,
        Precision.AVX_INT8: _QUANTIZED,
        Precision.AVX_BFLOAT16: _FLOAT,
        Precision.AMX_BFLOAT32: _FLOAT,
        Precision.AMX_INT8: _QUANTIZED,
        Precision.AMX_BFLOAT16: _FLOAT,
    }
    options = (CALLERS_OPTION, IMAGES_OPTION)
    words: Mapping[str, Sequence[str]] = {DEPTH_FIRST_OPTION: [item.value for item in DepthFirst]}
    trace_environment: Mapping[str, str] = TRACE_ENVIRONMENT

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """One thread as OpenMP's default, and none of its own placement: see `threads`."""
        return {"OMP_NUM_THREADS": "1", "OMP_PROC_BIND": "false"}

    def parse_trace(self, lines: Iterable[str]) -> tuple[KernelShare, ...]:
        """Read oneDNN's trace, and what stands in the code behind it."""
        return parse_kernels(lines)

    def load(self, request: LoadRequest) -> Loaded:
        """Read the network, make the kernels, and start the threads.

        Raises:
            ConfigError: the callers do not divide the threads, or exceed the batch, or depth first
                is asked for where the size of the cache is not known.
            EngineError: oneDNN lacks an operation in the data type on this CPU.
            ModelError: it is no network that the converter wrote.
            HostError: the threads are not where they should be.
        """
        callers = plan_calls(request).callers
        return LoadedModel(request.require_model(self.name), request, callers)


class LoadedModel:
    """A network that is asked by one thread, whose query several may share, or by streams.

    Args:
        path: the folder that the converter filled.
        request: what was asked for.
        callers: how many threads split a query of `run`.
    """

    def __init__(self, path: Path, request: LoadRequest, callers: int) -> None:
        self._programs = Programs(path, request.precision)
        self._request = request
        self._crews: list[Crew] = []
        self._orders: list[str] = []
        try:
            self._run = None if request.streams else self._open(request.threads, callers)
        except BaseException:
            self.close()
            raise

    def run(self, images: Images) -> Scores:
        """Classify one batch."""
        if self._run is None:  # of a model for streams
            self._run = self._open(1, 1)
        return self._run(images)

    def open_stream(self, threads: int) -> Callable[[Images], Scores]:
        """Return `run` for a stream; with several threads each classifies its part of a batch."""
        return self._open(threads, threads)

    def evidence(self) -> Evidence:
        """Count the primitives by the kernels that oneDNN has made for them."""
        program = self._programs.list_opened()[0]
        return Evidence(
            runtime=self._programs.library.runtime,
            fused_ops=count_kernels(program.kernels),
            notes=(self._programs.describe(),),
            order="; ".join(dict.fromkeys(self._orders)),
        )

    def list_kernels(self) -> Iterable[str]:
        """Return which instructions oneDNN's code has; the kernels oneDNN prints itself."""
        return (render_code(count_instructions(read_own_code())),) if self._request.trace else ()

    def close(self) -> None:
        """End the callers and release the network."""
        for crew in self._crews:
            crew.close()
        self._programs.close()

    def _open(self, threads: int, callers: int) -> Callable[[Images], Scores]:
        """Return what classifies a batch with so many threads; called by the thread that asks."""
        import numpy as np

        programs, batch_size = self._programs, self._request.batch_size
        together = int(self._request.options.get(IMAGES_OPTION, _TOGETHER * (threads // callers)))
        chains = self._plan_chains(threads, callers, together)
        if self._request.trace:  # one after the other: the lines of callers would be mixed
            threads, callers = threads // callers, 1
        split: Callable[[Images, Scores], None]
        shares = plan_shares(sorted(os.sched_getaffinity(0)), threads, callers)
        if callers == 1:
            Team(shares[0], chains.threads)
            ways = self._choose(chains, lambda work: [work()])
            split = Runner(programs, together, chains.threads, ways)
        else:
            crew = Crew(shares, chains.threads)
            self._crews.append(crew)
            ways = self._choose(chains, crew.do)
            crew.open(lambda: Runner(programs, together, chains.threads, ways))
            split = crew

        def run(images: Images) -> Scores:
            scores = np.empty((len(images), programs.classes), np.float32)
            split(np.ascontiguousarray(images, np.float32), scores)
            return scores

        first = min(batch_size, together * callers)
        run(np.zeros((first, programs.side, programs.side, 3), np.float32))
        return run

    def _plan_chains(self, threads: int, callers: int, together: int) -> Situation:
        """Return which chains compute at the same time, and on how many images."""
        return Situation(
            images=min(together, -(-self._request.batch_size // callers)),
            threads=threads // callers,
            chains=callers,
            cpus=tuple(sorted(os.sched_getaffinity(0))),
            instances=self._request.instances,
        )

    def _choose(self, chains: Situation, each: Each) -> Mapping[str, Way]:
        """Return the stretches that go depth first, and note why."""
        request = self._request
        wanted = DepthFirst(request.options.get(DEPTH_FIRST_OPTION, DepthFirst.AUTO.value))
        kept = Kept(request.kept, measures=not request.trace)
        choice = choose(self._programs, wanted, chains, each, kept)
        self._orders.append(describe_choice(choice, self._programs.steps, chains.images))
        return choice.ways


ENGINE = OneDnnEngine()


def count_kernels(kernels: Iterable[Kernel]) -> dict[str, int]:
    """Return how often each kernel stands in a program, with what is fused into it."""
    counts: Counter[str] = Counter()
    for kernel in kernels:
        operation = kernel.step.operation
        name = "reorder" if operation is None else operation.kind.value
        fused = []
        if operation is not None:
            fused = ["Add"] * (operation.adds is not None) + ["Relu"] * operation.relu
        counts[f"{name}[{','.join([kernel.primitive.implementation, *fused])}]"] += 1
    return dict(counts)
