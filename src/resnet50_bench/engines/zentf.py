"""TensorFlow with AMD's plug-in zentf: the same session and graph, ZenDNN's operations in it.

The plug-in brings a oneDNN of its own, with OpenMP's threads: all of an instance's work on each
operation. Its oneDNN has its trace. It has no 8-bit convolutions for TensorFlow's quantized graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import Evidence, Extra, Form, Loaded, LoadRequest
from resnet50_bench.engines.callers import CalledModel, plan_calls
from resnet50_bench.engines.tensorflow import (
    GraphSession,
    TensorFlowEngine,
    open_session,
    read_graph,
)
from resnet50_bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

STOCK = "tensorflow"
"""The engine that is always measured beside it."""


class ZenTfEngine(TensorFlowEngine):
    """TensorFlow's engine with the plug-in's operations turned on."""

    name = "zentf"
    extra: Extra | None = Extra(
        name="zentf", packages=(("zentf",), ("tensorflow-cpu", "tensorflow"))
    )
    forms: Mapping[Precision, Form] = {
        item: Form(graph=item) for item in (Precision.AVX_FP32, Precision.AVX_BFLOAT16)
    }

    def option_problems(self, options: Mapping[str, str]) -> list[str]:
        """It has none: OpenMP's threads cannot be shared out to callers."""
        return [f"--engine-option {name}: the zentf engine has no options" for name in options]

    def environment(self, precision: Precision, threads: int) -> dict[str, str]:
        """Turn the plug-in's operations on, and TensorFlow's of oneDNN off (zentf's README)."""
        return super().environment(precision, threads) | {
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "TF_ENABLE_ZENDNN_OPTS": "1",
        }

    def images_alone(self, request: LoadRequest) -> int:
        """All threads work on each operation; streams would each have as many.

        Raises:
            ConfigError: streams are asked for.
        """
        if request.streams:
            raise ConfigError(
                ["--engine zentf: every query takes all of OpenMP's threads, so it has no streams: "
                 "leave out --weight-sharing; --mode accuracy takes --engine tensorflow"]
            )  # fmt: skip
        return 0

    def load(self, request: LoadRequest) -> Loaded:
        """Import TensorFlow, which loads the plug-in, and load the graph.

        Raises:
            ModelError: the file is not a graph TensorFlow can read.
        """
        path = request.require_model(self.name)
        import tensorflow as tf

        graph = read_graph(tf, path)
        session = open_session(tf, graph, threads=request.threads, plugins=True)
        return CalledModel(ZenGraph(tf, session), plan_calls(request))


class ZenGraph(GraphSession):
    """The graph in a session with the plug-in."""

    def evidence(self, images: int) -> Evidence:
        """Read the executed graph, and which plug-in it is."""
        from importlib import metadata

        found = super().evidence(images)
        return Evidence(
            runtime=f"{found.runtime} with zentf {metadata.version('zentf')}",
            fused_ops=found.fused_ops,
            notes=found.notes,
        )


ENGINE = ZenTfEngine()
