"""Reads a model of any form as a graph of the published one's form, and checks what it made.

Runs in the toolchain's child process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from resnet50_bench.data.profiles import BACKGROUND_CLASSES
from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.formats.kinds import Form
from resnet50_bench.model.formats.model_file import check_model_file
from resnet50_bench.model.formats.source_runtime import (
    NotComparableError,
    SourceRuntime,
    compare_with_source,
)
from resnet50_bench.model.graph.nodes import index_nodes
from resnet50_bench.model.graph.standard import Standard, make_standard, name_ends
from resnet50_bench.model.graph.structure import read_structure
from resnet50_bench.model.manifest import OwnProfile, Reading

if TYPE_CHECKING:
    import numpy.typing as npt

    from resnet50_bench.model.manifest import ModelSource

    Values = npt.NDArray[Any]

_TYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 6: "int8", 9: "int64", 19: "float16"}
"""Data type numbers of TensorFlow's types.proto that images may have."""


Source: TypeAlias = "tuple[Any, Standard, SourceRuntime | None]"
"""The graph in our form, what it was taken for, and what computes the model as it was given."""


def read_model(source: ModelSource) -> tuple[Any, Reading]:
    """Read a model, and compare the graph it became with its own runtime where that is installed.

    Raises:
        ModelError: it cannot be read, is not ResNet-50, or the graph does not answer as it does.
    """
    assert source.path is not None
    file = check_model_file(Path(source.path), source.input_name, source.output_name)
    graph, standard, runtime = _READERS[file.form](source, file.form)
    structure = read_structure(graph)
    check = None
    if runtime is not None and standard.changes:
        check = compare_with_source(
            graph, standard, runtime, structure.classes or BACKGROUND_CLASSES
        )
    return graph, Reading(
        form=file.form.value,
        input_name=standard.input_name,
        output_name=standard.output_name,
        changes=standard.changes,
        check=check,
        preprocessing=_find_own_profile(standard) or source.preprocessing,
        is_quantized=file.is_quantized,
    )


def _find_own_profile(standard: Standard) -> OwnProfile | None:
    if standard.profile is None:
        return None
    return OwnProfile(standard.profile, "the graph did the same itself")


def _read_frozen(source: ModelSource, _: Form) -> Source:
    path = Path(source.path or "")
    graph = read_graph(path)
    original = type(graph).FromString(graph.SerializeToString())
    is_quantized = any("Quantized" in node.op for node in graph.node)
    bring = name_ends if is_quantized else make_standard
    standard = bring(graph, source.input_name, source.output_name)
    return graph, standard, _plan_session(original, standard)


def _plan_session(original: Any, standard: Standard) -> SourceRuntime:
    import tensorflow as tf

    def run(images: Values) -> Values:
        imported = tf.Graph()
        with imported.as_default():
            tf.import_graph_def(original, name="")
        with tf.compat.v1.Session(graph=imported) as session:
            feeds = {f"{standard.input_name}:0": images}
            found: Values = session.run(f"{standard.output_name}:0", feeds)
        return found

    node = index_nodes(original)[standard.input_name]
    dtype = node.attr["dtype"].type if node.op == "Placeholder" else 1
    return SourceRuntime(f"TensorFlow {tf.__version__}", run, _TYPES.get(dtype, "float32"))


def _read_saved_model(source: ModelSource, _: Form) -> Source:
    from resnet50_bench.model.formats.keras_files import freeze_saved_model

    frozen = freeze_saved_model(Path(source.path or ""))
    return _take_frozen(source, frozen)


def _read_keras(source: ModelSource, form: Form) -> Source:
    from resnet50_bench.model.formats.keras_files import freeze_keras

    return _take_frozen(source, freeze_keras(Path(source.path or ""), form))


def _take_frozen(source: ModelSource, frozen: Any) -> Source:
    standard = make_standard(frozen.graph, source.input_name, source.output_name)
    changes = (f"froze the variables, by {frozen.runtime}", *standard.changes)
    return (
        frozen.graph,
        replace(standard, changes=changes),
        SourceRuntime(frozen.runtime, frozen.run),
    )


def _read_onnx(source: ModelSource, _: Form) -> Source:
    from resnet50_bench.model.formats.onnx_graph import read_onnx

    path = Path(source.path or "")
    read = read_onnx(path, source.input_name, source.output_name)
    first = index_nodes(read.graph)[read.ends[0]]
    dtype = _TYPES.get(first.attr["dtype"].type, "float32")
    standard = make_standard(read.graph, *read.ends)
    standard = replace(
        standard,
        input_name=read.input_name,
        output_name=read.output_name,
        changes=("converted from ONNX, node by node", *standard.changes),
        input_layout="NCHW" if read.is_nchw else "NHWC",
    )
    return read.graph, standard, _plan_onnxruntime(path, standard, dtype)


def _plan_onnxruntime(path: Path, standard: Standard, dtype: str) -> SourceRuntime | None:
    try:
        import onnxruntime
    except ImportError:
        return None

    def run(images: Values) -> Values:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        if standard.output_name not in {each.name for each in session.get_outputs()}:
            raise NotComparableError("the output asked for is none that it gives")
        shape = session.get_inputs()[0].shape
        step = shape[0] if isinstance(shape[0], int) else len(images)
        parts = [
            session.run([standard.output_name], {standard.input_name: images[first : first + step]})
            for first in range(0, len(images) // step * step, step)
        ]
        return np.concatenate([part[0] for part in parts])

    return SourceRuntime(f"onnxruntime {onnxruntime.__version__}", run, dtype)


def _read_weights(source: ModelSource, form: Form) -> Source:
    from resnet50_bench.model.formats.torch_file import open_weights
    from resnet50_bench.model.formats.torch_module import plan_module
    from resnet50_bench.model.formats.torch_weights import convert_weights

    file = open_weights(Path(source.path or ""), form, source.base_width)
    graph = convert_weights(file, source.base_width)
    standard = Standard(
        input_name=INPUT_NAME,
        output_name=OUTPUT_NAME,
        changes=("put the weights into a graph of ResNet-50 v1.5",),
        input_layout="NCHW",
    )
    return graph, standard, plan_module(file, source.base_width)


_READERS: dict[Form, Callable[[Any, Form], Source]] = {
    Form.FROZEN_GRAPH: _read_frozen,
    Form.SAVED_MODEL: _read_saved_model,
    Form.KERAS: _read_keras,
    Form.HDF5: _read_keras,
    Form.ONNX: _read_onnx,
    Form.SAFETENSORS: _read_weights,
    Form.TORCH_ZIP: _read_weights,
    Form.TORCH_PICKLE: _read_weights,
}
