"""PyTorch: the exported program, compiled by inductor with its weights frozen.

Its convolutions are oneDNN's, and so is its trace. What lies between them inductor writes as C++
for one size of query and one number of threads, and has the machine's compiler make it; what was
made is kept beside the converted models, and taken again for the same sizes.
"""

from __future__ import annotations

import importlib
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import Evidence, Extra, Form, LoadRequest
from resnet50_bench.engines.callers import CalledModel, SplittingEngine, plan_calls
from resnet50_bench.engines.onednn_trace import TRACE_ENVIRONMENT, parse_trace
from resnet50_bench.errors import EngineError, HostError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from resnet50_bench.engines.base import Images, KernelShare, Loaded, Scores
    from resnet50_bench.engines.callers import Call

MODEL_FILE = "model.pt2"
"""In the folder that the converter fills."""

_FLOAT = Form(graph=Precision.AVX_FP32, converter="resnet50_bench.model.converters.pytorch")
_QUANTIZED = replace(_FLOAT, calibrates=True)
_COMPILER_VARIABLE, _COMPILERS = "CXX", ("g++", "clang++")
_MOST_SIZES = 256
_QUANTIZED_OPERATIONS = "torch.ao.quantization.fx._decomposed"
"""Importing it registers the operations that a quantized program holds."""

_LIBRARIES = ("mkldnn::", "onednn::", "mkl::", "quantized::")
_COMPUTING = frozenset({"aten::clone", "aten::convolution", "aten::addmm", "aten::linear",
                        "aten::add", "aten::relu"})  # fmt: skip
_CACHE_VARIABLE, _CACHE_FOLDER = "TORCHINDUCTOR_CACHE_DIR", "inductor"


class PyTorchEngine(SplittingEngine):
    """Runs the program as inductor compiled it; oneDNN computes its convolutions."""

    name = "pytorch"
    extra: Extra | None = Extra(name="pytorch", packages=(("torch",), ("torchao",)))
    forms: Mapping[Precision, Form] = {
        Precision.AVX_FP32: _FLOAT,
        Precision.AVX_INT8: _QUANTIZED,
        Precision.AVX_BFLOAT16: _FLOAT,
        Precision.AMX_INT8: _QUANTIZED,
        Precision.AMX_BFLOAT16: _FLOAT,
    }
    trace_environment: Mapping[str, str] = TRACE_ENVIRONMENT

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """One thread for numpy and as OpenMP's default; PyTorch is told its own when it loads.

        Inductor compiles in this process: its workers would go on while queries are measured.
        """
        return {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}

    def parse_trace(self, lines: Iterable[str]) -> tuple[KernelShare, ...]:
        """Read oneDNN's trace."""
        return parse_trace(lines).kernels

    def load(self, request: LoadRequest) -> Loaded:
        """Import PyTorch, load the program, and compile it for the size of a query.

        Raises:
            ConfigError: the callers do not divide the threads, or exceed the batch.
            EngineError: there is no C++ compiler.
            ModelError: it is no program that PyTorch can load or compile.
        """
        calls = plan_calls(request)
        path = request.require_model(self.name)
        require_compiler(os.environ)
        os.environ.setdefault(_CACHE_VARIABLE, str(plan_cache(path)))
        return CalledModel(
            CompiledProgram(path / MODEL_FILE, request.threads // calls.at_once), calls
        )


class CompiledProgram:
    """The exported program, compiled once for each number of images that is asked for.

    Args:
        path: of the program.
        threads: that compute each operation, the one that calls among them.
    """

    def __init__(self, path: Path, threads: int) -> None:
        import torch
        import torch._dynamo.config
        import torch._inductor.config

        torch._inductor.config.freezing = True
        torch._inductor.config.cpp.threads = threads
        # Beyond it PyTorch would go on without compiling, and say nothing.
        torch._dynamo.config.recompile_limit = _MOST_SIZES
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        self._torch = torch
        self._threads = threads
        self._use_threads()
        self._module = _load(torch, path)
        self._lock = threading.Lock()
        self._compiled: dict[int, Callable[[Any], Any]] = {}

    def find(self, images: int) -> Call:
        """Return what classifies so many images in the thread that asks, reading them in place.

        Callers may ask at the same time.

        Raises:
            ModelError: it cannot be compiled.
        """
        self._use_threads()
        with self._lock:
            if images not in self._compiled:
                self._compiled[images] = self._compile(images)
        compiled, torch = self._compiled[images], self._torch

        def call(batch: Images) -> Scores:
            with torch.no_grad():
                scores: Scores = compiled(torch.from_numpy(batch)).numpy()
            return scores

        return call

    def evidence(self, images: int) -> Evidence:
        """Run one batch of zeros with PyTorch's profiler on, and count the operations it names.

        Those that inductor has written itself, a pooling and an average, have no names there.
        """
        import numpy as np

        call, zeros = self.find(images), np.zeros((images, 224, 224, 3), np.float32)
        activities = [self._torch.profiler.ProfilerActivity.CPU]
        with self._torch.profiler.profile(activities=activities) as profile:
            call(zeros)
        threads = self._torch.get_num_threads()
        return Evidence(
            runtime=f"pytorch {self._torch.__version__}",
            fused_ops=select_operations({item.key: item.count for item in profile.key_averages()}),
            notes=(f"operations are computed by {threads} threads of OpenMP",),
        )

    def list_kernels(self) -> Iterable[str]:
        """Return nothing: oneDNN prints them."""
        return ()

    def close(self) -> None:
        """Release all."""
        self._compiled.clear()

    def _compile(self, images: int) -> Callable[[Any], Any]:
        torch = self._torch
        compiled: Callable[[Any], Any] = torch.compile(self._module, dynamic=False)
        try:
            # Freezing asks that no gradients can be wanted.
            with torch.no_grad():
                compiled(torch.zeros(images, 224, 224, 3))
        except Exception as error:  # whatever a compiler may meet
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"PyTorch cannot compile the model: {reason}",
                "it needs a C++ compiler and Python's headers (apt-get install g++ python3-dev)",
            ) from error
        return compiled

    def _use_threads(self) -> None:
        """Have the operations that this thread calls computed by so many threads.

        Raises:
            HostError: PyTorch takes another number.
        """
        self._torch.set_num_threads(self._threads)
        taken = self._torch.get_num_threads()
        if taken != self._threads:
            raise HostError(
                f"PyTorch was told to compute with {self._threads} threads and takes {taken}",
                "leave OMP_THREAD_LIMIT and the like out of --customer-env",
            )


ENGINE = PyTorchEngine()


def require_compiler(environ: Mapping[str, str]) -> None:
    """See that there is what compiles C++.

    Raises:
        EngineError: there is not.
    """
    named = environ.get(_COMPILER_VARIABLE)
    if not any(shutil.which(name) for name in ([named] if named else _COMPILERS)):
        raise EngineError(
            "the pytorch engine compiles the model, and there is no C++ compiler: "
            + (f"{_COMPILER_VARIABLE}={named} is none" if named else "neither g++ nor clang++"),
            "apt-get install g++, or name one in the environment variable CXX",
        )


def select_operations(counts: Mapping[str, int]) -> dict[str, int]:
    """Return those that compute or copy images, of all that PyTorch's profiler names."""
    return {
        name: count
        for name, count in sorted(counts.items())
        if name.startswith(_LIBRARIES) or name in _COMPUTING
    }


def plan_cache(model_path: Path) -> Path:
    """Return where inductor keeps what it compiled: beside the converted models."""
    return model_path.parent.parent.parent / _CACHE_FOLDER


def _load(torch: Any, path: Path) -> Any:
    """Return the program as a module.

    Raises:
        ModelError: it cannot be read.
    """
    importlib.import_module(_QUANTIZED_OPERATIONS)
    try:
        return torch.export.load(path).module()
    except Exception as error:  # its exceptions have no common base
        raise ModelError(f"PyTorch cannot load {path}: {error}") from error
