"""How far each operation of a prepared graph is from what it should compute from the same values.

Runs in the toolchain's child process: it executes both graphs with TensorFlow.

The reference is the float32 graph just before it was rounded, cut open between its layers: every
layer gets the values which the prepared graph computed for its inputs. What then differs is the
rounding of one layer, and for that there is a figure to expect:

- int8: the output is rounded to a step, whose error has the variance step^2 / 12, and so is each
  filter's kernel. The finest steps are taken that hold the values seen here.
- bfloat16: 8 significant bits, an error of up to 2^-9 of each value, and of each weight alike.

A right layer is a small multiple of that away. One whose scale, weights, wiring or order is wrong
is away by as much as the values themselves.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.convolutions import FusedConvolution, find_convolutions
from resnet50_bench.model.graph.nodes import GraphDef, index_nodes, referenced_name
from resnet50_bench.model.graph.rewrite import read_constant
from resnet50_bench.model.manifest import LayerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from resnet50_bench.engines.base import Images

CHECKED_IMAGES = 8
"""Every layer has at least 392 values an image: more images would tell nothing new."""

_BATCH_IMAGES = 4
"""The values between all layers are in memory at once: 44 MB an image, twice."""

_FLOAT, _QINT8, _QUINT8, _BFLOAT16 = 1, 11, 12, 14
"""Data type numbers of TensorFlow's types.proto."""

_CUT = "cut/"
_SEEN = "/seen"
"""What is added to names: in front of a tensor that is given, behind one that is read."""

_LEVELS = {_QINT8: 127, _QUINT8: 255}
_BFLOAT16_ROUNDING = 2.0**-9
_KEPT_OPS = frozenset({"MaxPool", "ConcatV2"})


@dataclass(frozen=True, slots=True)
class Layer:
    """One operation that both graphs have.

    Attributes:
        name: of the float32 tensor it writes.
        prepared: the operation of the prepared graph that writes it.
        fused: the convolution it is; None for another operation.
    """

    name: str
    prepared: str
    fused: FusedConvolution | None = None


def plan_layers(reference: GraphDef, prepared: GraphDef) -> tuple[Layer, ...]:
    """Pair the operations of both graphs, from the input to the pooling.

    Raises:
        ModelError: one of the float32 graph is missing in the prepared one.
    """
    found = index_nodes(prepared)
    layers = [_pair(found, INPUT_NAME, INPUT_NAME, None)]
    layers += [
        _pair(found, fused.output, fused.convolution.name, fused)
        for fused in find_convolutions(reference)
    ]
    layers += [
        _pair(found, node.name, node.name, None) for node in reference.node if node.op in _KEPT_OPS
    ]
    return tuple(layers)


def measure_layers(
    reference: GraphDef, prepared: GraphDef, images: Images
) -> tuple[LayerError, ...]:
    """Return the error of every layer, and of what follows the pooling, in the graph's order.

    Args:
        reference: folded, float32, as it was before it was rounded.
        prepared: the same graph in fewer bits.
        images: `(n, 224, 224, 3)`, preprocessed.

    Raises:
        ModelError: a layer is missing in the prepared graph, or holds values that are no numbers.
    """
    layers = plan_layers(reference, prepared)
    _require_numbers(prepared)
    sums = {layer.name: _Sums() for layer in layers} | {OUTPUT_NAME: _Sums()}
    with (
        closing(_Prepared(prepared, layers)) as runner,
        closing(_CutReference(reference, layers)) as cut,
    ):
        for first in range(0, len(images), _BATCH_IMAGES):
            batch = images[first : first + _BATCH_IMAGES]
            seen = runner.run(batch)
            wanted, energies = cut.run(batch, seen)
            for name, values in wanted.items():
                sums[name].add(values, seen[name])
            for name, energy in energies.items():
                sums[name].kernel += energy
    return tuple(sums[name].conclude(name, runner.dtypes.get(name, 1)) for name in sums)


def _pair(
    found: Mapping[str, Any], name: str, operation: str, fused: FusedConvolution | None
) -> Layer:
    rounded = f"{operation}/int8", f"{operation}/bfloat16", name
    for prepared in rounded:
        if prepared in found and found[prepared].op != "Const":
            return Layer(name, prepared, fused)
    raise ModelError(f"the prepared graph has lost the layer {operation}")


def _require_numbers(graph: GraphDef) -> None:
    """Refuse weights, biases and ranges that are no numbers.

    int8 and Relu make a number of a NaN, and where its channel matters little no layer shows it.
    """
    nodes = index_nodes(graph)
    for node in graph.node:
        if node.op != "Const" or node.attr["dtype"].type not in (_FLOAT, _BFLOAT16):
            continue
        if not np.isfinite(read_constant(nodes, node.name)).all():
            raise ModelError(
                f"the prepared graph is broken at {node.name}: it holds values that are no numbers",
                "check the weights of the source graph: they hold a NaN, or are too large",
            )


class _Sums:
    """What is added up over the batches: squares, and the largest magnitude."""

    def __init__(self) -> None:
        self.error = self.values = self.kernel = self.largest = 0.0
        self.count = 0

    def add(self, wanted: npt.NDArray[np.float32], seen: npt.NDArray[np.float32]) -> None:
        self.error += float(np.square(seen - wanted, dtype=np.float64).sum())
        self.values += float(np.square(wanted, dtype=np.float64).sum())
        self.largest = max(self.largest, float(np.abs(wanted).max()))
        self.count += wanted.size

    def conclude(self, name: str, dtype: int) -> LayerError:
        if dtype in _LEVELS:
            step = self.largest / _LEVELS[dtype]
            rounding = self.count * step**2 / 12 + self.kernel
        else:
            rounding = self.values * _BFLOAT16_ROUNDING**2
        norm = self.values or 1.0
        return LayerError(
            name=name,
            relative_l2=float(np.sqrt(self.error / norm)),
            rounding_l2=float(np.sqrt(rounding / norm)),
        )


class _Prepared:
    """Runs the prepared graph and reads what is between its layers, as float32."""

    def __init__(self, graph: GraphDef, layers: Sequence[Layer]) -> None:
        import tensorflow as tf

        read = type(graph)()
        read.CopyFrom(graph)
        fetches = {layer.name: _read_as_float32(read, layer.prepared) for layer in layers}
        _see_before_sums(read)
        imported = tf.Graph()
        with imported.as_default():
            tf.import_graph_def(read, name="")
        self.dtypes = {
            layer.name: imported.get_tensor_by_name(f"{layer.prepared}:0").dtype.as_datatype_enum
            for layer in layers
        }
        self._fetches = {
            name: imported.get_tensor_by_name(f"{node}:0")
            for name, node in (fetches | {OUTPUT_NAME: OUTPUT_NAME}).items()
        }
        self._session = tf.compat.v1.Session(graph=imported)

    def close(self) -> None:
        self._session.close()

    def run(self, images: Images) -> dict[str, npt.NDArray[np.float32]]:
        values: dict[str, Any] = self._session.run(self._fetches, {f"{INPUT_NAME}:0": images})
        return values


def _read_as_float32(graph: GraphDef, name: str) -> str:
    """Add what converts an operation's output back; return its name."""
    nodes = index_nodes(graph)
    node = nodes[name]
    dtype = _find_dtype(node)
    if dtype not in _LEVELS:
        added = graph.node.add(name=f"{name}{_SEEN}", op="Cast", input=[name])
        added.attr["SrcT"].type, added.attr["DstT"].type = dtype, _FLOAT
        return str(added.name)
    ranges = referenced_name(node.input[0]) if node.op == "ConcatV2" else name
    inputs = [name, f"{ranges}:1", f"{ranges}:2"]
    added = graph.node.add(name=f"{name}{_SEEN}", op="Dequantize", input=inputs)
    added.attr["T"].type, added.attr["dtype"].type = dtype, _FLOAT
    added.attr["mode"].s = b"SCALED"
    return str(added.name)


def _see_before_sums(graph: GraphDef) -> None:
    """Have each tensor read before a residual sum is written over it.

    The int8 convolutions with a sum compute it in the place of their last tensor, and do not ask
    whether somebody else still needs that (TensorFlow 2.21 ends with a segmentation fault).
    """
    names = {node.name for node in graph.node}
    for node in graph.node:
        if node.op.startswith("QuantizedConv2D") and "Sum" in node.op:
            seen = f"{referenced_name(node.input[-3])}{_SEEN}"
            if seen in names:
                node.input.append(f"^{seen}")


def _find_dtype(node: Any) -> int:
    """Return the data type of an operation's first output, as `types.proto` numbers it."""
    for attribute in ("out_type", "DstT", "T"):
        if attribute in node.attr:
            return int(node.attr[attribute].type)
    raise ModelError(f"{node.op} {node.name} does not say its data type")


class _CutReference:
    """The float32 graph, each of whose layers reads values that are given."""

    def __init__(self, reference: GraphDef, layers: Sequence[Layer]) -> None:
        import tensorflow as tf

        nodes = index_nodes(reference)
        self._kernels = {
            layer.name: read_constant(nodes, layer.fused.convolution.input[1])
            for layer in layers
            if layer.fused is not None
        }
        graph = _cut(reference, [layer.name for layer in layers])
        imported = tf.Graph()
        with imported.as_default():
            tf.import_graph_def(graph, name="")
            self._fetches = {
                layer.name: imported.get_tensor_by_name(f"{layer.name}:0") for layer in layers
            }
            self._fetches[OUTPUT_NAME] = imported.get_tensor_by_name(f"{OUTPUT_NAME}:0")
            self._energies = {
                layer.name: _sum_patches(tf, imported, layer.fused, self._kernels[layer.name].shape)
                for layer in layers
                if layer.fused is not None
            }
        self._placeholders = {
            node.name for node in graph.node if node.name.startswith(_CUT)
        }  # a tensor nobody reads has none
        self._session = tf.compat.v1.Session(graph=imported)

    def close(self) -> None:
        self._session.close()

    def run(
        self, images: Images, seen: Mapping[str, npt.NDArray[np.float32]]
    ) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, float]]:
        """Return what each layer should give, and what rounding its kernel adds to its error."""
        feeds = {
            f"{_CUT}{name}:0": values
            for name, values in seen.items()
            if f"{_CUT}{name}" in self._placeholders
        }
        feeds[f"{INPUT_NAME}:0"] = images
        wanted, patches = self._session.run((self._fetches, self._energies), feeds)
        return wanted, {
            name: float(patches[name]) * _sum_kernel_rounding(kernel)
            for name, kernel in self._kernels.items()
        }


def _cut(reference: GraphDef, names: Iterable[str]) -> GraphDef:
    """Copy the graph, with a placeholder in front of every reader of a named tensor."""
    graph = type(reference)()
    graph.CopyFrom(reference)
    cut = set(names)
    added = set()
    for node in graph.node:
        for place, reference_name in enumerate(node.input):
            name = referenced_name(reference_name)
            if name in cut:
                node.input[place] = f"{_CUT}{name}"
                added.add(name)
    for name in sorted(added):
        graph.node.add(name=f"{_CUT}{name}", op="Placeholder").attr["dtype"].type = 1
    return graph


def _sum_patches(tf: Any, imported: Any, fused: FusedConvolution, shape: tuple[int, ...]) -> Any:
    """Sum the squares of all values that a filter meets, over all its places."""
    convolution = imported.get_operation_by_name(fused.convolution.name)
    ones = tf.ones((*shape[:3], 1), tf.float32)
    return tf.reduce_sum(
        tf.raw_ops.Conv2D(
            input=tf.square(convolution.inputs[0]),
            filter=ones,
            strides=convolution.get_attr("strides"),
            padding=convolution.get_attr("padding").decode(),
            explicit_paddings=convolution.get_attr("explicit_paddings"),
        )
    )


def _sum_kernel_rounding(kernel: npt.NDArray[np.float32]) -> float:
    """Sum the variances of one weight's rounding to 8 bits, over the filters."""
    steps = np.abs(kernel).max(axis=(0, 1, 2)).astype(np.float64) / _LEVELS[_QINT8]
    return float(np.square(steps).sum() / 12)
