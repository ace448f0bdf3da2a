"""The thin model in the forms that models come in, each written from the same weights."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from resnet50_bench.model.formats.torch_names import NORMS, find_names
from resnet50_bench.model.graph.architecture import Block, Convolution, Network
from resnet50_bench.model.graph.nodes import bypass_nodes
from resnet50_bench.model.graph.weights import EPSILON, Weights

_SIDES = [224, 224]


# Frozen graphs


def wrap(
    graph: Any,
    before: Callable[[Any], Any] | None = None,
    behind: Callable[[Any], Any] | None = None,
) -> Any:
    """The graph as a part of another, with something in front of it or before its classifier.

    Args:
        before: makes the images of a new graph's input, which it creates too; gets `tf`.
        behind: makes of the features what the classifier gets.
    """
    import tensorflow as tf

    outer = tf.Graph()
    with outer.as_default():
        mapped = {}
        if before is not None:
            mapped["input_tensor:0"] = before(tf)
        if behind is not None:
            (features,) = tf.import_graph_def(
                graph, mapped, return_elements=["resnet_model/Squeeze:0"], name="features"
            )
            mapped = {"resnet_model/Squeeze:0": behind(features)}
        tf.import_graph_def(graph, mapped, name="net")
    return outer.as_graph_def()


def find_node(graph: Any, name: str) -> Any:
    return next(node for node in graph.node if node.name == name)


def rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        node.name = new if node.name == old else node.name
        node.input[:] = [new if name == old else name for name in node.input]


def take_nchw_images(graph: Any) -> None:
    """Have an NCHW graph take NCHW images: its Transpose goes."""
    bypass_nodes(graph, lambda node: node.op == "Transpose")
    shape = find_node(graph, "input_tensor").attr["shape"].shape
    for dim, size in zip(shape.dim, (-1, 3, *_SIDES), strict=True):
        dim.size = size


def write_batch_norms_out(graph: Any) -> None:
    """Replace each batch norm by the single operations that compute it."""
    from resnet50_bench.model.graph.rewrite import add_constant

    def add(name: str, op: str, *inputs: str) -> str:
        graph.node.add(name=name, op=op, input=inputs).attr["T"].type = 1
        return name

    for node in [node for node in graph.node if node.op == "FusedBatchNorm"]:
        source, gamma, beta, mean, variance = node.input
        name = node.name
        add_constant(graph, f"{name}/epsilon", np.float32(EPSILON))
        add(f"{name}/wide", "AddV2", variance, f"{name}/epsilon")
        add(f"{name}/rsqrt", "Rsqrt", f"{name}/wide")
        add(f"{name}/factor", "Mul", f"{name}/rsqrt", gamma)
        add(f"{name}/scaled", "Mul", source, f"{name}/factor")
        add(f"{name}/shift", "Mul", mean, f"{name}/factor")
        add(f"{name}/rest", "Sub", beta, f"{name}/shift")
        node.op = "AddV2"
        node.input[:] = [f"{name}/scaled", f"{name}/rest"]
        node.attr.clear()
        node.attr["T"].type = 1


# PyTorch


def name_torch_values(network: Network, weights: Weights) -> dict[str, Any]:
    """The weights by torchvision's names, in PyTorch's order of axes."""
    names, _ = find_names({"conv1.weight": ()}, network.stem.filters)
    values: dict[str, Any] = {}
    for layer, found in zip(names.layers, weights.convolutions, strict=True):
        values[layer.kernel] = found.kernel.transpose(3, 2, 0, 1)
        norm = (found.gamma, found.beta, found.mean, found.variance)
        values |= {f"{layer.norm}.{name}": value for name, value in zip(NORMS, norm, strict=True)}
        values[f"{layer.norm}.num_batches_tracked"] = np.array(7, np.int64)
    values["fc.weight"], values["fc.bias"] = weights.dense_kernel.T, weights.dense_bias
    return {name: np.ascontiguousarray(value) for name, value in values.items()}


def write_torch_zip(path: Path, values: dict[str, Any], *, pickled: bytes | None = None) -> None:
    """A file as torch.save writes it since 1.6."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled or pickle_state_dict(values))
        archive.writestr("archive/byteorder", b"little")
        for key, value in enumerate(values.values()):
            archive.writestr(f"archive/data/{key}", value.tobytes())
        archive.writestr("archive/version", b"3\n")


def write_torch_pickles(path: Path, values: dict[str, Any]) -> None:
    """A file as torch.save wrote it before 1.6."""
    import pickle

    out = io.BytesIO()
    for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(item, out, protocol=2)
    out.write(pickle_state_dict(values, before_zip=True))
    keys = sorted(str(key) for key in range(len(values)))
    pickle.dump(keys, out, protocol=2)
    listed = list(values.values())
    for key in keys:
        out.write(listed[int(key)].size.to_bytes(8, "little") + listed[int(key)].tobytes())
    path.write_bytes(out.getvalue())


def pickle_state_dict(values: dict[str, Any], *, before_zip: bool = False) -> bytes:
    """The program that rebuilds the tensors, opcode by opcode, without PyTorch."""
    out = [b"\x80\x02ccollections\nOrderedDict\n)R("]
    for key, (name, value) in enumerate(values.items()):
        strides = [step // value.itemsize for step in value.strides]
        kind = {"float32": "Float", "float16": "Half", "int64": "Long"}[str(value.dtype)]
        out += [
            _text(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            _text("storage"),
            f"ctorch\n{kind}Storage\n".encode(),
            *(_text(str(key)), _text("cpu"), _number(value.size), b"N" * before_zip, b"tQ"),
            *(_number(0), _numbers(value.shape), _numbers(strides)),
            b"\x89ccollections\nOrderedDict\n)RtR",
        ]
    return b"".join([*out, b"u."])


def _text(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def _number(number: int) -> bytes:
    return b"J" + number.to_bytes(4, "little")


def _numbers(numbers: Any) -> bytes:
    return b"(" + b"".join(_number(number) for number in numbers) + b"t"


# ONNX


def write_onnx(path: Path, network: Network, weights: Weights, *, folded: bool = False) -> None:
    """A model as torch.onnx exports it: NCHW, no softmax; batch norms folded or not."""
    import onnx
    from onnx import TensorProto, helper

    writer = _OnnxWriter(weights, folded=folded)
    answers = writer.write(network)
    graph = helper.make_graph(
        writer.nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, *_SIDES])],
        [helper.make_tensor_value_info(answers, TensorProto.FLOAT, ["N", 1001])],
        writer.values,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


class _OnnxWriter:
    def __init__(self, weights: Weights, *, folded: bool) -> None:
        self._weights = weights
        self._folded = folded
        self.nodes: list[Any] = []
        self.values: list[Any] = []

    def write(self, network: Network) -> str:
        values = self._relu(self._convolve(network.stem, "input"))
        values = self._add("MaxPool", values, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        for block in network.blocks:
            values = self._add_block(block, values)
        values = self._add("Flatten", self._add("GlobalAveragePool", values), axis=1)
        kernel = self._keep("fc.weight", self._weights.dense_kernel.T)
        bias = self._keep("fc.bias", self._weights.dense_bias)
        return self._add("Gemm", values, kernel, bias, transB=1)

    def _add_block(self, block: Block, values: str) -> str:
        shortcut = values
        if block.projection is not None:
            shortcut = self._convolve(block.projection, values)
        for layer in (block.reduce, block.spatial):
            values = self._relu(self._convolve(layer, values))
        return self._relu(self._add("Add", self._convolve(block.expand, values), shortcut))

    def _convolve(self, layer: Convolution, values: str) -> str:
        found = self._weights.convolutions[layer.index]
        kernel = found.kernel.transpose(3, 2, 0, 1)
        factor = found.gamma / np.sqrt(found.variance + np.float32(EPSILON))
        if self._folded:
            kernel = kernel * factor[:, None, None, None]
        inputs = [values, self._keep(f"conv{layer.index}.weight", kernel)]
        if self._folded:
            bias = found.beta - found.mean * factor
            inputs.append(self._keep(f"conv{layer.index}.bias", bias))
        side = (layer.kernel - 1) // 2
        values = self._add(
            "Conv",
            *inputs,
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[side] * 4,
        )
        if self._folded:
            return values
        norm = (found.gamma, found.beta, found.mean, found.variance)
        names = [self._keep(f"bn{layer.index}.{place}", each) for place, each in enumerate(norm)]
        return self._add("BatchNormalization", values, *names, epsilon=EPSILON)

    def _relu(self, values: str) -> str:
        return self._add("Relu", values)

    def _add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"/{operation}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operation, inputs, [f"{name}_output_0"], name=name, **attributes)
        )
        return f"{name}_output_0"

    def _keep(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        kept = np.ascontiguousarray(value, np.float32)
        self.values.append(numpy_helper.from_array(kept, name))
        return name


# Keras


def make_keras_model(network: Network, weights: Weights, *, v1: bool = False) -> Any:
    """The model as Keras layers, with Keras's own epsilon and with biases before batch norms."""
    import keras

    images = keras.Input((224, 224, 3), name="images")
    found = iter(weights.convolutions)

    def convolve(values: Any, layer: Convolution, stride: int | None = None) -> Any:
        stride = layer.stride if stride is None else stride
        if layer.kernel > 1:
            values = keras.layers.ZeroPadding2D((layer.kernel - 1) // 2)(values)
        conv = keras.layers.Conv2D(layer.filters, layer.kernel, strides=stride)
        norm = keras.layers.BatchNormalization(epsilon=EPSILON)
        values = norm(conv(values))
        own = next(found)
        bias = np.linspace(-0.1, 0.1, layer.filters, dtype=np.float32)
        conv.set_weights([own.kernel, bias])
        norm.set_weights([own.gamma, own.beta, own.mean + bias, own.variance])
        return values

    def add_block(values: Any, block: Block) -> Any:
        shortcut = values
        if block.projection is not None:
            shortcut = convolve(values, block.projection)
        strides = (block.spatial.stride, 1) if v1 else (1, block.spatial.stride)
        for layer, stride in zip((block.reduce, block.spatial), strides, strict=True):
            values = keras.layers.Activation("relu")(convolve(values, layer, stride))
        values = keras.layers.Add()([convolve(values, block.expand), shortcut])
        return keras.layers.Activation("relu")(values)

    values = keras.layers.Activation("relu")(convolve(images, network.stem))
    values = keras.layers.ZeroPadding2D(1)(values)
    values = keras.layers.MaxPooling2D(3, strides=2)(values)
    for block in network.blocks:
        values = add_block(values, block)
    values = keras.layers.GlobalAveragePooling2D()(values)
    values = keras.layers.Dropout(0.5)(values)
    dense = keras.layers.Dense(1001, activation="softmax")
    model = keras.Model(images, dense(values))
    dense.set_weights([weights.dense_kernel, weights.dense_bias])
    return model
