"""An ONNX model as a frozen TensorFlow graph. Runs in the toolchain's child process.

Node by node, and only the operations of ResNet-50, so that what the file does is what is checked
and measured. ONNX has channels before rows; here every image is stored with channels last from the
start, kernels are turned, and Transposes between the two layouts need not be done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.libraries import require_library
from resnet50_bench.model.graph.probe import SIDE
from resnet50_bench.model.graph.rewrite import add_constant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

_FLOAT = 1
"""Data type number of TensorFlow's types.proto, and of ONNX's TensorProto."""

_TENSORFLOW_TYPES = {1: 1, 2: 4, 3: 6, 6: 3, 7: 9, 10: 19, 11: 2}
"""ONNX's numbers of input types -> TensorFlow's: float, uint8, int8, int32, int64, half, double."""

_PASSING = frozenset({"Identity", "Dropout"})
_ARITHMETIC = {"Add": "AddV2", "Sub": "Sub", "Mul": "Mul", "Div": "RealDiv"}
_NO_ANSWERS = frozenset({"ArgMax", "TopK"})
_NAME = re.compile(r"[^A-Za-z0-9_.\-/]")

_TO_NHWC, _TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What stands for a value of the ONNX graph.

    Attributes:
        name: of our node.
        rank: 4 for images and what becomes of them, 2 for features and answers.
        is_nchw: whether the file has its channels before its rows.
        is_positive: whether no value is below zero.
    """

    name: str
    rank: int = 4
    is_nchw: bool = True
    is_positive: bool = False


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """What was read.

    Attributes:
        graph: the frozen graph.
        input_name: of the images, in the file.
        output_name: of the answers, in the file.
        ends: our nodes for the two.
        is_nchw: whether the file takes channels before rows.
    """

    graph: Any
    input_name: str
    output_name: str
    ends: tuple[str, str]
    is_nchw: bool


def read_onnx(path: Path, input_name: str | None, output_name: str | None) -> OnnxGraph:
    """Read an ONNX model.

    Raises:
        ModelError: it is damaged, has operations that ResNet-50 has not, or onnx is missing.
    """
    require_library(path, "onnx")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path))
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"the model {path} ({path.stat().st_size:,} bytes) cannot be read as ONNX: {error}",
            "download it again, with the files of weights beside it, if it has any",
        ) from error
    return _Converter(model.graph, path).convert(input_name, output_name)


class _Converter:
    """Writes one node of ours, or two, for each of the file."""

    def __init__(self, source: Any, path: Path) -> None:
        import tensorflow as tf
        from onnx import numpy_helper

        self._source = source
        self._path = path
        self._graph = tf.compat.v1.GraphDef()
        self._to_array = numpy_helper.to_array
        self._constants: dict[str, npt.NDArray[Any]] = {
            each.name: numpy_helper.to_array(each) for each in source.initializer
        }
        self._tensors: dict[str, _Tensor] = {}
        self._operations: dict[str, Callable[[Any], _Tensor]] = {
            "Conv": self._convolve,
            "BatchNormalization": self._normalize,
            "Relu": self._relu,
            "MaxPool": self._pool,
            "Pad": self._pad,
            "GlobalAveragePool": self._average,
            "AveragePool": self._average,
            "ReduceMean": self._average,
            "Flatten": self._flatten,
            "Reshape": self._flatten,
            "Squeeze": self._flatten,
            "Gemm": self._classify,
            "MatMul": self._classify,
            "Softmax": self._softmax,
            "Transpose": self._transpose,
            "Cast": self._cast,
            **dict.fromkeys(_PASSING, self._pass),
            **dict.fromkeys(_ARITHMETIC, self._compute),
        }

    def convert(self, input_name: str | None, output_name: str | None) -> OnnxGraph:
        makers = {name: node for node in self._source.node for name in node.output}
        output = self._find_output(makers, output_name)
        needed = _find_needed(makers, output)
        source = self._add_input(self._find_input(needed, input_name))
        for node in self._source.node:
            if node.output[0] not in needed or node.output[0] in self._tensors:
                continue
            if node.op_type == "Constant":
                self._constants[node.output[0]] = self._to_array(_read(node)["value"])
            elif node.op_type in self._operations:
                self._tensors[node.output[0]] = self._operations[node.op_type](node)
            else:
                raise self._refuse(node, "ResNet-50 has no such operation")
        first = self._tensors[source]
        ends = (first.name, self._tensors[output].name)
        return OnnxGraph(self._graph, source, output, ends, first.is_nchw)

    def _find_output(self, makers: dict[str, Any], asked: str | None) -> str:
        names = [each.name for each in self._source.output]
        if asked is not None:
            if asked not in makers:
                raise ModelError(
                    f"--output-name {asked}: {self._path} has no such value",
                    f"its outputs are {', '.join(names)}",
                )
            return asked
        found = [name for name in names if makers[name].op_type not in _NO_ANSWERS]
        softmaxes = [name for name in found if makers[name].op_type == "Softmax"]
        found = softmaxes or found
        if len(found) != 1:
            raise ModelError(
                f"{self._path} has {len(found)} outputs that may be the answers: "
                f"{', '.join(found or names)}",
                "--output-name NAME chooses one",
            )
        return str(found[0])

    def _find_input(self, needed: set[str], asked: str | None) -> Any:
        found = [
            each
            for each in self._source.input
            if each.name in needed and each.name not in self._constants
        ]
        chosen = [each for each in found if asked in (None, each.name)]
        if len(chosen) != 1:
            given = f"--input-name {asked}: " if asked is not None else ""
            raise ModelError(
                f"{given}{self._path} has {len(found)} inputs: "
                f"{', '.join(each.name for each in found)}",
                "--input-name NAME chooses one",
            )
        return chosen[0]

    def _add_input(self, described: Any) -> str:
        tensor_type = described.type.tensor_type
        sizes = [dim.dim_value or -1 for dim in tensor_type.shape.dim]
        is_nchw = len(sizes) == 4 and sizes[3] != 3
        if is_nchw:
            sizes = [sizes[axis] for axis in _TO_NHWC]
        node = self._graph.node.add(name=_name(described.name), op="Placeholder")
        node.attr["dtype"].type = _TENSORFLOW_TYPES.get(tensor_type.elem_type, _FLOAT)
        open_sizes = (-1, SIDE, SIDE, 3)
        for size, ours in zip(sizes if len(sizes) == 4 else open_sizes, open_sizes, strict=True):
            node.attr["shape"].shape.dim.add(size=size if size > 0 else ours)
        self._tensors[described.name] = _Tensor(node.name, is_nchw=is_nchw)
        return str(described.name)

    def _convolve(self, node: Any) -> _Tensor:
        attributes = _read(node)
        if attributes.get("group", 1) != 1 or set(attributes.get("dilations", [1])) != {1}:
            raise self._refuse(node, "ResNet-50 has no groups and no dilations")
        kernel = self._constant(node, 1).transpose(2, 3, 1, 0)
        strides = attributes.get("strides", [1, 1])
        source, padding = self._place(node, attributes, kernel.shape[:2], strides)
        name = _name(node.output[0])
        weights = self._add_constant(f"{name}/kernel", kernel)
        conv = f"{name}/Conv2D" if len(node.input) > 2 else name
        added = self._add(conv, "Conv2D", source, weights)
        added.attr["strides"].list.i[:] = [1, *strides, 1]
        added.attr["padding"].s = padding
        if len(node.input) > 2:
            bias = self._add_constant(f"{name}/bias", self._constant(node, 2))
            self._add(name, "BiasAdd", conv, bias)
        return _Tensor(name)

    def _place(
        self, node: Any, attributes: dict[str, Any], kernel: Any, strides: Any
    ) -> tuple[str, bytes]:
        """Return what a window reads, with a Pad of its own where it needs one, and its padding."""
        source = self._tensor(node, 0)
        if attributes.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
            return source.name, b"SAME"
        pads = list(attributes.get("pads", [0, 0, 0, 0]))
        if not any(pads):
            return source.name, b"VALID"
        if set(strides) == {1} and all(2 * pad + 1 == kernel[0] for pad in pads):
            return source.name, b"SAME"
        return self._add_pad(f"{_name(node.output[0])}/Pad", source.name, pads), b"VALID"

    def _add_pad(self, name: str, source: str, pads: list[int]) -> str:
        top, left, bottom, right = pads
        sides = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        added = self._add(name, "Pad", source, self._add_constant(f"{name}/paddings", sides))
        added.attr["Tpaddings"].type = 3
        return name

    def _pool(self, node: Any) -> _Tensor:
        attributes = _read(node)
        kernel, strides = attributes["kernel_shape"], attributes.get("strides", [1, 1])
        source = self._tensor(node, 0)
        pads = list(attributes.get("pads", [0, 0, 0, 0]))
        if any(pads) and not source.is_positive:
            raise self._refuse(node, "what it pads may be negative, so that zeros change it")
        # One row more below is what TensorFlow adds by itself, and what rounding up amounts to.
        if pads == [0, 0, 1, 1] or (attributes.get("ceil_mode") and not any(pads)):
            place = source.name, b"SAME"
        elif attributes.get("ceil_mode"):
            raise self._refuse(node, "it rounds up and pads")
        else:
            place = self._place(node, attributes | {"pads": pads}, kernel, strides)
        added = self._add(_name(node.output[0]), "MaxPool", place[0])
        added.attr["ksize"].list.i[:] = [1, *kernel, 1]
        added.attr["strides"].list.i[:] = [1, *strides, 1]
        added.attr["padding"].s = place[1]
        return _Tensor(added.name, is_positive=source.is_positive)

    def _pad(self, node: Any) -> _Tensor:
        attributes, source = _read(node), self._tensor(node, 0)
        pads = attributes.get("pads") or self._constant(node, 1).tolist()
        if len(pads) != 8 or attributes.get("mode", b"constant") != b"constant":
            raise self._refuse(node, "it does not add zeros around images")
        rows = 2 if source.is_nchw else 1
        sides = [pads[rows], pads[rows + 1], pads[rows + 4], pads[rows + 5]]
        name = self._add_pad(_name(node.output[0]), source.name, [int(side) for side in sides])
        return _Tensor(name, is_nchw=source.is_nchw, is_positive=source.is_positive)

    def _normalize(self, node: Any) -> _Tensor:
        name = _name(node.output[0])
        values = [
            self._add_constant(f"{name}/{what}", self._constant(node, place).astype(np.float32))
            for place, what in enumerate(("gamma", "beta", "mean", "variance"), 1)
        ]
        added = self._add(name, "FusedBatchNormV3", self._tensor(node, 0).name, *values)
        added.attr["U"].type = _FLOAT
        added.attr["epsilon"].f = _read(node).get("epsilon", 1e-5)
        added.attr["is_training"].b = False
        return _Tensor(name)

    def _relu(self, node: Any) -> _Tensor:
        source = self._tensor(node, 0)
        name = self._add(_name(node.output[0]), "Relu", source.name).name
        return _Tensor(name, source.rank, source.is_nchw, is_positive=True)

    def _average(self, node: Any) -> _Tensor:
        """Over all places of an image, whatever its sides are called."""
        attributes, source = _read(node), self._tensor(node, 0)
        if node.op_type == "ReduceMean":
            axes = attributes.get("axes") or self._constant(node, 1).tolist()
            wanted = [2, 3] if source.is_nchw else [1, 2]
            if sorted(axis % 4 for axis in axes) != wanted:
                raise self._refuse(node, "it is no mean over the places of an image")
        elif node.op_type == "AveragePool" and list(attributes["kernel_shape"]) != [7, 7]:
            raise self._refuse(node, "it is no mean over the places of an image")
        name = _name(node.output[0])
        axes_name = self._add_constant(f"{name}/axes", np.array([1, 2], np.int32))
        keeps = node.op_type != "ReduceMean" or bool(attributes.get("keepdims", 1))
        added = self._add(name, "Mean", source.name, axes_name)
        added.attr["keep_dims"].b = keeps
        added.attr["Tidx"].type = 3
        return _Tensor(name, 4 if keeps else 2)

    def _flatten(self, node: Any) -> _Tensor:
        """One place an image becomes none; what is flat already stays so."""
        source = self._tensor(node, 0)
        if source.rank == 2:
            return source
        added = self._add(_name(node.output[0]), "Squeeze", source.name)
        added.attr["squeeze_dims"].list.i[:] = [1, 2]
        return _Tensor(added.name, 2)

    def _classify(self, node: Any) -> _Tensor:
        attributes = _read(node)
        if attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
            raise self._refuse(node, "it is scaled")
        kernel = self._constant(node, 1)
        kernel = kernel.T if attributes.get("transB", 0) else kernel
        name = _name(node.output[0])
        product = f"{name}/MatMul" if len(node.input) > 2 else name
        source = self._tensor(node, 0).name
        self._add(product, "MatMul", source, self._add_constant(f"{name}/kernel", kernel))
        if len(node.input) > 2:
            bias = self._add_constant(f"{name}/bias", self._constant(node, 2).reshape(-1))
            self._add(name, "BiasAdd", product, bias)
        return _Tensor(name, 2)

    def _softmax(self, node: Any) -> _Tensor:
        return _Tensor(
            self._add(_name(node.output[0]), "Softmax", self._tensor(node, 0).name).name, 2
        )

    def _transpose(self, node: Any) -> _Tensor:
        """Nothing is to be done: the images are stored with channels last throughout."""
        source, order = self._tensor(node, 0), list(_read(node)["perm"])
        if source.rank != 4 or order != (_TO_NHWC if source.is_nchw else _TO_NCHW):
            raise self._refuse(node, "it is no change between the two layouts of images")
        return _Tensor(source.name, 4, not source.is_nchw, source.is_positive)

    def _cast(self, node: Any) -> _Tensor:
        source = self._tensor(node, 0)
        maker = next(each for each in self._graph.node if each.name == source.name)
        if maker.op != "Placeholder":
            return source
        added = self._add(_name(node.output[0]), "Cast", source.name)
        del added.attr["T"]
        added.attr["SrcT"].type, added.attr["DstT"].type = maker.attr["dtype"].type, _FLOAT
        return _Tensor(added.name, is_nchw=source.is_nchw)

    def _pass(self, node: Any) -> _Tensor:
        return self._tensor(node, 0)

    def _compute(self, node: Any) -> _Tensor:
        sources = [self._tensors.get(name) for name in node.input]
        tensors = [source for source in sources if source is not None]
        if not tensors:
            raise self._refuse(node, "it computes with constants alone")
        name = _name(node.output[0])
        inputs = [
            source.name
            if source is not None
            else self._add_constant(f"{name}/value", self._flat_constant(node, place, tensors[0]))
            for place, source in enumerate(sources)
        ]
        self._add(name, _ARITHMETIC[node.op_type], *inputs)
        return _Tensor(name, tensors[0].rank, tensors[0].is_nchw)

    def _flat_constant(self, node: Any, place: int, beside: _Tensor) -> npt.NDArray[Any]:
        """A number, or one for each channel: the last axis here, whichever it is in the file."""
        value = self._constant(node, place)
        channels = max(value.shape, default=1)
        axis = -3 if beside.rank == 4 and beside.is_nchw else -1
        is_of_channels = value.size == 1 or (
            value.size == channels and value.ndim >= -axis and value.shape[axis] == channels
        )
        if not is_of_channels:
            raise self._refuse(node, f"its constant has shape {value.shape}")
        return value.reshape(-1).astype(np.float32)

    def _tensor(self, node: Any, place: int) -> _Tensor:
        if node.input[place] not in self._tensors:
            raise self._refuse(node, f"its input {node.input[place]} is no image or feature")
        return self._tensors[node.input[place]]

    def _constant(self, node: Any, place: int) -> npt.NDArray[Any]:
        if node.input[place] not in self._constants:
            raise self._refuse(node, f"its input {node.input[place]} is no constant")
        return self._constants[node.input[place]]

    def _add(self, name: str, operation: str, *inputs: str) -> Any:
        node = self._graph.node.add(name=name, op=operation, input=inputs)
        node.attr["T"].type = _FLOAT
        return node

    def _add_constant(self, name: str, value: npt.NDArray[Any]) -> str:
        kept = value.astype(np.float32) if value.dtype.kind == "f" else value
        add_constant(self._graph, name, np.ascontiguousarray(kept))
        return name

    def _refuse(self, node: Any, why: str) -> ModelError:
        return ModelError(
            f"{self._path} is not ResNet-50 v1.5: {node.op_type} {node.name or node.output[0]}: "
            f"{why}",
            "give --model a ResNet-50 v1.5 in float32, as torch.onnx exports it",
        )


def _find_needed(makers: dict[str, Any], output: str) -> set[str]:
    """Name the values that the output depends on; the shape of a Reshape is not asked for."""
    needed: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in makers:
            node = makers[name]
            waiting.extend(node.input[:1] if node.op_type == "Reshape" else node.input)
    return needed


def _read(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _name(name: str) -> str:
    """Return a name as TensorFlow allows it."""
    return _NAME.sub("_", name).lstrip("/_-") or "value"
