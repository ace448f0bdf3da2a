"""ONNX Runtime with its own CPU kernels (MLAS): one session, threads inside it.

The model is made once by `model.converters.onnxruntime`: the folded graph, for 8 bits with the
quantizer that comes with ONNX Runtime. Its number of images is fixed when it is loaded.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import Evidence, Extra, Form, LoadRequest
from resnet50_bench.engines.callers import CalledModel, SplittingEngine, plan_calls
from resnet50_bench.engines.machine_code.executed import sample_kinds
from resnet50_bench.engines.onnxruntime.profile import parse_lines, read_operations, render_lines
from resnet50_bench.errors import HostError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from resnet50_bench.engines.base import Images, KernelShare, Loaded, Scores
    from resnet50_bench.engines.callers import Call

MODEL_FILE = "model.onnx"
"""In the folder that the converter fills."""

BATCH = "batch"
"""What the model calls its number of images."""

_FLOAT = Form(graph=Precision.AVX_FP32, converter="resnet50_bench.model.converters.onnxruntime")
_QUANTIZED = replace(_FLOAT, calibrates=True)
_PROVIDERS = ["CPUExecutionProvider"]
_SPINNING = "session.intra_op.allow_spinning"
_AFFINITIES = "session.intra_op_thread_affinities"
_ERRORS_ONLY = 3
_TASKS = Path("/proc/self/task")
_PINNED_WITHIN_S = 5.0
_POLL_S = 0.001


class OnnxRuntimeEngine(SplittingEngine):
    """Runs the model in one `InferenceSession`.

    float32 and 8 bits: its CPU provider has no convolution in bfloat16. With which instructions it
    computes, AMX among them, it decides by the CPU alone and cannot be told.
    """

    name = "onnxruntime"
    extra: Extra | None = Extra(name="onnxruntime", packages=(("onnxruntime",), ("onnx",)))
    forms: Mapping[Precision, Form] = {
        Precision.AVX_FP32: _FLOAT,
        Precision.AVX_INT8: _QUANTIZED,
        Precision.AMX_INT8: _QUANTIZED,
    }

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """One thread for numpy; ONNX Runtime is told its own by its session."""
        return {"OMP_NUM_THREADS": "1"}

    def parse_trace(self, lines: Iterable[str]) -> tuple[KernelShare, ...]:
        """Read what `list_kernels` told."""
        return parse_lines(lines)

    def load(self, request: LoadRequest) -> Loaded:
        """Import ONNX Runtime and load the model.

        Raises:
            ConfigError: the callers do not divide the threads, or exceed the batch.
            ModelError: it is not a model that ONNX Runtime can read.
            HostError: its threads are not where they should be.
        """
        calls = plan_calls(request)
        path = request.require_model(self.name) / MODEL_FILE
        sessions = Sessions(path, request.threads, calls.at_once)
        if request.trace:
            return TracedModel(sessions, request.batch_size)
        return CalledModel(sessions, calls)


class Sessions:
    """Opens a session of one model for each number of images that is asked for.

    Args:
        path: the ONNX model.
        threads: of the instance.
        calls: made at the same time, at most one for each thread. An operation is computed by the
            thread that calls and by those of the session, which are the rest.
    """

    def __init__(self, path: Path, threads: int, calls: int) -> None:
        import onnxruntime

        self._runtime = onnxruntime
        self._path = path
        self._own = threads - calls
        cpus = sorted(os.sched_getaffinity(0))
        self._cpus = plan_affinities(self._own, cpus) if len(cpus) == threads else ()
        self._lock = threading.Lock()
        self._is_checked = False
        self._calls: dict[int, Call] = {}
        self.runtime = f"onnxruntime {onnxruntime.__version__}"

    def find(self, images: int) -> Call:
        """Return what classifies so many images; callers may ask at the same time.

        Raises:
            ModelError: ONNX Runtime cannot load the model.
        """
        with self._lock:
            if images not in self._calls:
                self._calls[images] = find_call(self.open(images))
            return self._calls[images]

    def open(self, images: int, profile: Path | None = None) -> Any:
        """Return a session for queries of so many images.

        Args:
            images: in each query.
            profile: how the names of its profile begin; None for none.

        Raises:
            ModelError: ONNX Runtime cannot load the model.
            HostError: the threads of the first session are not where they should be. Of others, too
                many threads come and go meanwhile.
        """
        before = set(_TASKS.iterdir())
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._own + 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.add_free_dimension_override_by_name(BATCH, images)
        options.add_session_config_entry(_SPINNING, "1")
        if self._cpus:
            # Processors count from 1, and the thread that calls is not among those it pins.
            text = ";".join(str(cpu + 1) for cpu in self._cpus)
            options.add_session_config_entry(_AFFINITIES, text)
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        try:
            session = self._runtime.InferenceSession(str(self._path), options, providers=_PROVIDERS)
        except Exception as error:  # its exceptions have no common base
            raise ModelError(f"ONNX Runtime cannot load {self._path}: {error}") from error
        if not self._is_checked:
            check_threads(self._own, self._cpus, lambda: _read_affinities(before))
            self._is_checked = True
        return session

    def evidence(self, images: int) -> Evidence:
        """Run one batch of zeros in a session that keeps a profile, and count its operations."""
        import numpy as np

        zeros = np.zeros((images, 224, 224, 3), np.float32)
        with tempfile.TemporaryDirectory() as folder:
            session = self.open(images, Path(folder) / "profile")
            find_call(session)(zeros)
            operations = read_operations(_read_events(session), 0)
        counts = {item.name: item.calls for item in operations}
        return Evidence(
            runtime=self.runtime,
            fused_ops=dict(sorted(counts.items())),
            notes=(self.describe(),),
        )

    def list_kernels(self) -> Iterable[str]:
        """Return nothing: no profile is kept."""
        return ()

    def describe(self) -> str:
        """Say which threads compute."""
        if not self._own:
            return "operations are computed by the thread that calls"
        where = f", pinned to CPUs {', '.join(map(str, self._cpus))}" if self._cpus else ""
        return (
            f"operations are computed by the thread that calls and {self._own} of the session"
            f"{where}, which spin while they wait"
        )

    def close(self) -> None:
        """Release all."""
        self._calls.clear()


class TracedModel:
    """The model in a session that keeps a profile of its queries.

    Args:
        sessions: opens it.
        images: of a query.
    """

    def __init__(self, sessions: Sessions, images: int) -> None:
        self._runtime = sessions.runtime
        self._folder = tempfile.TemporaryDirectory()
        self._session = sessions.open(images, Path(self._folder.name) / "profile")
        self._call = find_call(self._session)
        self._queries: list[Images] = []

    def run(self, images: Images) -> Scores:
        """Classify one batch."""
        self._queries.append(images)
        return self._call(images)

    def open_stream(self, threads: int) -> Call:
        """Return `run`: one batch is traced."""
        return self.run

    def evidence(self) -> Evidence:
        """Tell no more than the name: nothing is measured."""
        return Evidence(runtime=self._runtime)

    def list_kernels(self) -> Iterable[str]:
        """Return the operations of the last query, and the instructions seen while it is repeated.

        Where no instructions can be sampled the lines hold none, and nothing is proven.
        """
        *_, images = self._queries
        kinds = _sample(lambda: self._call(images))
        operations = read_operations(_read_events(self._session), len(self._queries) - 1)
        return tuple(render_lines(operations, kinds))

    def close(self) -> None:
        """Remove the profile."""
        self._folder.cleanup()


ENGINE = OnnxRuntimeEngine()


def plan_affinities(own: int, cpus: Sequence[int]) -> tuple[int, ...]:
    """Return the CPU of each thread that a session starts.

    The thread that calls is the program's own and keeps all CPUs of its slot; the kernel puts it
    on the one that is left. Several that call cannot be told apart from here: then the session's
    threads, too, keep all.

    Args:
        own: threads of the session.
        cpus: of the process, one for each thread that computes.

    Returns:
        Empty where the threads keep all CPUs.
    """
    return tuple(cpus[1:]) if own and own == len(cpus) - 1 else ()


def check_threads(own: int, cpus: Sequence[int], read: Callable[[], list[set[int]]]) -> None:
    """See that a session started as many threads as it was told, each where it was told.

    Each of them goes to its CPU by itself, so some may not be there yet.

    Args:
        own: how many it was told to start.
        cpus: for each of them; empty where they keep all of the slot.
        read: returns the CPUs of each that was started.

    Raises:
        HostError: they are not there in time.
    """
    wanted = [{cpu} for cpu in cpus] if cpus else [os.sched_getaffinity(0)] * own
    end = time.monotonic() + _PINNED_WITHIN_S
    while sorted(map(sorted, found := read())) != sorted(map(sorted, wanted)):
        if time.monotonic() > end:
            seen = "; ".join(",".join(map(str, sorted(each))) for each in found) or "none"
            where = f" on CPUs {', '.join(map(str, cpus))}" if cpus else ""
            raise HostError(
                f"ONNX Runtime was told to start {own} threads of its own{where}; the threads that "
                f"it started may run on CPUs: {seen}",
                "run with one core for each instance (--cores-per-instance 1), or another --engine",
            )
        time.sleep(_POLL_S)


def _read_affinities(before: set[Path]) -> list[set[int]]:
    """Return the CPUs of each thread of this process that was not there before."""
    started = [int(task.name) for task in _TASKS.iterdir() if task not in before]
    return [os.sched_getaffinity(task) for task in started]


def find_call(session: Any) -> Call:
    """Return what classifies images in a session."""
    (source,), (result,) = session.get_inputs(), session.get_outputs()
    names, feed, run = [result.name], source.name, session.run

    def call(images: Images) -> Scores:
        scores: Scores = run(names, {feed: images})[0]
        return scores

    return call


def _sample(work: Callable[[], object]) -> Mapping[tuple[str, str], int]:
    try:
        return sample_kinds(work)
    except (OSError, RuntimeError):  # no x86-64, no /proc/self/mem
        return {}


def _read_events(session: Any) -> list[dict[str, Any]]:
    """End a session's profile and return what it holds."""
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_bytes())
    return events
