"""OpenVINO's CPU plugin: one compiled model, a stream of its own for each caller.

A query is made synchronously, and OpenVINO computes such a one in the thread that asks: with a
stream for each thread of an instance nothing is handed on, and every thread keeps to its CPUs. With
fewer streams, the others of the instance's threads come from OpenVINO's pool, which is started by
this process and so has its CPUs; OpenVINO's own pinning is off, as it would pin by its own map of
the machine and not by the instance's slot.

What ran is read from the execution graph and its counters, and from the code made for it (`trace`).
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from resnet50_bench.config import Precision
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
from resnet50_bench.engines.callers import CalledModel, SplittingEngine, plan_calls
from resnet50_bench.engines.machine_code.instructions import count_instructions
from resnet50_bench.engines.machine_code.made import read_own_code
from resnet50_bench.engines.openvino.trace import parse_kernels, render_trace
from resnet50_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from resnet50_bench.engines.callers import Call

MODEL_FILE = "model.xml"
"""What the converter leaves in its folder, beside the weights."""

_IMAGE_SHAPE = (224, 224, 3)
_FLOAT = Form(graph=Precision.AVX_FP32)
_QUANTIZED = Form(
    graph=Precision.AVX_FP32,
    converter="resnet50_bench.engines.openvino.quantize",
    calibrates=True,
    version=2,
)
_HINTS = {Precision.AVX_BFLOAT16: "bf16", Precision.AMX_BFLOAT16: "bf16"}
"""`INFERENCE_PRECISION_HINT`; what an int8 model leaves in floating point stays in float32."""


class OpenVinoEngine(SplittingEngine):
    """Runs the graph in one compiled model of the CPU plugin."""

    name = "openvino"
    extra: Extra | None = Extra(name="openvino", packages=(("openvino",), ("nncf",)))
    forms: Mapping[Precision, Form] = {
        Precision.AVX_FP32: _FLOAT,
        Precision.AVX_INT8: _QUANTIZED,
        Precision.AVX_BFLOAT16: _FLOAT,
        Precision.AMX_INT8: _QUANTIZED,
        Precision.AMX_BFLOAT16: _FLOAT,
    }

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """One thread for numpy; OpenVINO is told its own when it compiles."""
        return {"OMP_NUM_THREADS": "1"}

    def parse_trace(self, lines: Iterable[str]) -> tuple[KernelShare, ...]:
        """Read the nodes of the execution graph and their times."""
        return parse_kernels(lines)

    def load(self, request: LoadRequest) -> Loaded:
        """Import OpenVINO and compile the model.

        Raises:
            ConfigError: the callers do not divide the threads, or exceed the batch.
            ModelError: the file is none that OpenVINO can read, or it does not compute as it was
                told to.
        """
        calls = plan_calls(request)
        path = request.require_model(self.name)
        import openvino

        settings = plan_settings(request.precision, request.threads, calls.at_once)
        return CalledModel(CompiledModels(openvino, path, settings, counts=request.trace), calls)


def plan_settings(precision: Precision, threads: int, streams: int) -> dict[str, Any]:
    """Return what OpenVINO is told when it compiles, by its own names.

    Args:
        precision: to compute in.
        threads: of the instance: one for each of its CPUs.
        streams: callers that make queries at the same time, each in its own stream.
    """
    return {
        "INFERENCE_PRECISION_HINT": _HINTS.get(precision, "f32"),
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,
        "SCHEDULING_CORE_TYPE": "ANY_CORE",
    }


class CompiledModels:
    """A model, compiled once for each number of images that is asked for.

    Args:
        openvino: the module.
        path: of the graph, or of the folder with the converted one.
        settings: see `plan_settings`.
        counts: whether the time of each node is counted, which costs some.
    """

    def __init__(
        self, openvino: Any, path: Path, settings: dict[str, Any], *, counts: bool
    ) -> None:
        self._openvino = openvino
        self._settings = settings
        self._counts = counts
        self._core = openvino.Core()
        file = path / MODEL_FILE if path.is_dir() else path
        try:
            self._model = self._core.read_model(file)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"OpenVINO cannot read the model {file}: {reason}") from error
        self._lock = threading.Lock()
        self._compiled: dict[int, Any] = {}
        self._requests: list[Any] = []

    def find(self, images: int) -> Call:
        """Return what classifies so many images in a stream of its own, reading them in place.

        Callers may ask at the same time.

        Raises:
            ModelError: the model was not compiled as it was told to.
        """
        with self._lock:
            request = self._compile(images).create_infer_request()
            self._requests.append(request)

        def call(batch: Images) -> Scores:
            scores: Scores = request.infer([batch], share_inputs=True)[0]
            return scores

        return call

    def evidence(self, images: int) -> Evidence:
        """Read the graph that OpenVINO executes: its operations, how each is implemented."""
        return Evidence(
            runtime=f"openvino {self._openvino.__version__.partition('-')[0]}",
            fused_ops=count_operations(
                node.get_rt_info() for node in _list_nodes(self._compile(images))
            ),
        )

    def list_kernels(self) -> Iterable[str]:
        """Return the nodes of the last queries with their times, and what stands in their code."""
        runtimes = {
            node.get_friendly_name(): _read(node.get_rt_info(), "runtimePrecision")
            for compiled in self._compiled.values()
            for node in _list_nodes(compiled)
        }
        counters = (item for request in self._requests for item in request.profiling_info)
        return render_trace(counters, runtimes, count_instructions(read_own_code()))

    def close(self) -> None:
        """Release all."""
        self._requests.clear()
        self._compiled.clear()

    def _compile(self, images: int) -> Any:
        if images not in self._compiled:
            self._model.reshape([images, *_IMAGE_SHAPE])
            properties = self._settings | {"PERF_COUNT": self._counts}
            compiled = self._core.compile_model(self._model, "CPU", properties)
            require_settings(self._settings, compiled.get_property)
            self._compiled[images] = compiled
        return self._compiled[images]


def require_settings(wanted: Mapping[str, Any], read: Callable[[str], Any]) -> None:
    """Read back how a model was compiled.

    Args:
        wanted: see `plan_settings`.
        read: returns a property of the compiled model.

    Raises:
        ModelError: one is not as it was asked for.
    """
    for name, value in wanted.items():
        found = read(name)
        if _spell(found) != _spell(value):
            raise ModelError(
                f"OpenVINO was told {name}={_spell(value)} and took {_spell(found)}",
                "it knows fewer CPUs than the instance has, or not the data type: look at "
                "`r50 doctor`",
            )


def _spell(value: Any) -> str:
    """A value as OpenVINO's properties have it: `<Type: 'float32'>` is `f32`."""
    named = getattr(value, "get_type_name", None)
    text = named() if named is not None else getattr(value, "name", value)
    return str(text)


ENGINE = OpenVinoEngine()


def count_operations(nodes: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the operations of an execution graph by type, implementation and data type.

    E.g. `Convolution[brgconv_avx512_1x1_I8]`. What was computed when the model was compiled, and
    what only gives a tensor another shape, is none.

    Args:
        nodes: of each what OpenVINO tells of it, `layerType` and `primitiveType` among it.
    """
    counts = Counter(
        f"{_read(node, 'layerType')}[{_read(node, 'primitiveType')}]"
        for node in nodes
        if not _read(node, "primitiveType").startswith("unknown")
    )
    return dict(sorted(counts.items()))


def _list_nodes(compiled: Any) -> list[Any]:
    nodes: list[Any] = compiled.get_runtime_model().get_ordered_ops()
    return nodes


def _read(node: Mapping[str, Any], name: str) -> str:
    value = node[name] if name in node else "unknown"  # noqa: SIM401 - OpenVINO's has no `get`
    return str(getattr(value, "value", value))
