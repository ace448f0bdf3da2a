"""An engine that computes nothing and fails on demand: for tests, and to measure r50 itself.

Options (`--engine-option 'KEY=VALUE ...'`):

- `query_ms`: how long a query takes, in ms; default 1. With 0 a run is as long as its
  `--steps`: a minimum time would fill the memory with samples.
- `answer`: `flat`, every class alike; or `image`, a class that follows from the image's values
  alone, so that it can be told which image an answer belongs to; default `flat`.
- `fault`: `kill`, `exit`, `raise`, `hang`, `oom` or `shape`: how it fails.
- `fault_instance`: which instance fails; default 0.
- `fault_query`: at which call of `run`, warm-up included, from 0; -1 is while loading; default -1.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.engines.base import (
    Evidence,
    Extra,
    Form,
    Images,
    KernelShare,
    Loaded,
    LoadRequest,
    Scores,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    import numpy.typing as npt

    from resnet50_bench.config import Precision

_PATTERNS = {
    "query_ms": (r"\d+(\.\d+)?", "a number of milliseconds"),
    "answer": (r"flat|image", "flat or image"),
    "fault": (r"kill|exit|raise|hang|oom|shape", "kill, exit, raise, hang, oom or shape"),
    "fault_instance": (r"\d+", "a whole number"),
    "fault_query": (r"-1|\d+", "a whole number, or -1 for while loading"),
}
_CLASSES = 1001
_SPARE_BYTES = 1 << 30


class NullEngine:
    """Answers every query with the same scores after a chosen time."""

    name = "null"
    extra: Extra | None = None
    forms: Mapping[Precision, Form] = {}
    needs_model = False
    traces = False
    trace_environment: Mapping[str, str] = {}

    def option_problems(self, options: Mapping[str, str]) -> list[str]:
        """Say what is wrong with the options; see the module for what there is."""
        problems = []
        for name, value in options.items():
            if name not in _PATTERNS:
                known = ", ".join(_PATTERNS)
                problems.append(f"--engine-option {name}: the null engine has only {known}")
            elif not re.fullmatch(_PATTERNS[name][0], value):
                problems.append(f"--engine-option {name}={value}: must be {_PATTERNS[name][1]}")
        return problems

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """Nothing but one thread for numpy."""
        return {"OMP_NUM_THREADS": "1"}

    def parse_trace(self, lines: Iterable[str]) -> tuple[KernelShare, ...]:
        """No kernel ever runs."""
        return ()

    def images_alone(self, request: LoadRequest) -> int:
        """There are no operations."""
        return 0

    def load(self, request: LoadRequest) -> Loaded:
        """Be ready at once."""
        options = request.options
        fault = options.get("fault")
        if request.instance != int(options.get("fault_instance", "0")):
            fault = None
        fault_query = int(options.get("fault_query", "-1"))
        if fault is not None and fault_query < 0:
            _fail(fault)
        query_s = float(options.get("query_ms", "1")) / 1000
        model = ScriptedModel(query_s, fault, fault_query, request.batch_size)
        return ImageModel(model) if options.get("answer") == "image" else model


class ScriptedModel:
    """Sleeps for the time of a query, and fails at the chosen one."""

    def __init__(
        self, query_s: float, fault: str | None, fault_query: int, batch_size: int
    ) -> None:
        self._query_s = query_s
        self._fault = fault
        self._fault_query = fault_query
        self._calls = 0
        self._scores = _make_scores(batch_size)

    def run(self, images: Images) -> Scores:
        """Wait, then answer with equal scores for every class."""
        call = self._calls
        self._calls += 1
        if self._fault is not None and call >= self._fault_query:
            if self._fault == "shape":
                return self._scores[:, :1]
            _fail(self._fault)
        if self._query_s:
            time.sleep(self._query_s)
        if len(images) != len(self._scores):  # of a job that follows another
            self._scores = _make_scores(len(images))
        return self._scores

    def open_stream(self, threads: int) -> Callable[[Images], Scores]:
        """Return `run`: it computes nothing, on however many threads."""
        return self.run

    def evidence(self) -> Evidence:
        """Nothing was computed."""
        return Evidence(runtime="null", notes=("the null engine computes nothing",))

    def list_kernels(self) -> Iterable[str]:
        """No kernel ever runs."""
        return ()

    def close(self) -> None:
        """Nothing to release."""


class ImageModel:
    """Answers each image with a class that follows from its values."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    def run(self, images: Images) -> Scores:
        """Give half of the probability to one class, see `classify`."""
        scores = self._model.run(images).copy()
        scores /= 2
        for place, image in enumerate(images):
            scores[place, classify(image)] += 0.5
        return scores

    def open_stream(self, threads: int) -> Callable[[Images], Scores]:
        """Return `run`."""
        return self.run

    def evidence(self) -> Evidence:
        """Nothing was computed."""
        return self._model.evidence()

    def list_kernels(self) -> Iterable[str]:
        """No kernel ever runs."""
        return ()

    def close(self) -> None:
        """Nothing to release."""


def classify(image: npt.NDArray[np.float32]) -> int:
    """Return the class, 1..1000, that the null engine's `answer=image` gives to an image."""
    return 1 + int(abs(float(image.sum(dtype="float64")))) % (_CLASSES - 1)


def _make_scores(batch_size: int) -> Scores:
    import numpy as np

    return np.full((batch_size, _CLASSES), 1 / _CLASSES, np.float32)


def _fail(fault: str) -> None:
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "exit":
        os._exit(5)
    if fault == "hang":
        while True:
            time.sleep(3600)
    if fault == "oom":
        _exhaust_memory()
    if fault == "raise":
        raise RuntimeError("the null engine was told to fail")


def _exhaust_memory() -> None:
    """Allocate beyond a limit set on this process alone, so that no other process suffers."""
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + _SPARE_BYTES, hard))
    import numpy as np

    np.ones(2 * _SPARE_BYTES, np.uint8)


ENGINE = NullEngine()
