"""Layers as an ONNX model, written with ONNX's own helper.

Not by a converter of TensorFlow graphs: what is to be written is a handful of operations whose
weights are known, and each of them should stand in the file as the runtime fuses it best. The
images come with channels last, as from every feed; the first operation turns them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.model.converters.layers import Kind, Layer
from resnet50_bench.model.graph.probe import SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

BATCH = "batch"
"""What the model calls its number of images; an engine fixes it when it loads."""

_OPSET, _IR_VERSION = 17, 8
"""ONNX 1.12's: what ONNX Runtime reads since 1.12, and nothing here needs a later one."""

_OIHW = (3, 2, 0, 1)
_TO_NCHW = (0, 3, 1, 2)
_FLOAT = 1
"""`TensorProto.FLOAT` of onnx.proto."""


def write_onnx(layers: Sequence[Layer]) -> Any:
    """Return the layers as a `ModelProto`: images float32 `(batch, 224, 224, 3)` to answers.

    Args:
        layers: as `read_layers` gives them.
    """
    import onnx

    writer = _Writer()
    for layer in layers:
        writer.write(layer)
    classes = next(layer.kernel for layer in layers if layer.kind is Kind.CLASSIFIER)
    assert classes is not None
    graph = onnx.helper.make_graph(
        writer.nodes,
        "resnet50v1_5",
        [onnx.helper.make_tensor_value_info(INPUT_NAME, _FLOAT, [BATCH, SIDE, SIDE, 3])],
        [onnx.helper.make_tensor_value_info(OUTPUT_NAME, _FLOAT, [BATCH, classes.shape[1]])],
        writer.constants,
    )
    model = onnx.helper.make_model(
        graph,
        producer_name="resnet50-bench",
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


class _Writer:
    """Writes the operations of each layer; the last of them has the layer's name."""

    def __init__(self) -> None:
        import onnx

        self._make_node = onnx.helper.make_node
        self._from_array = onnx.numpy_helper.from_array
        self._operations: dict[Kind, Callable[[Layer], None]] = {
            Kind.CONVOLUTION: self._convolution,
            Kind.SUM: self._sum,
            Kind.MAX_POOL: self._max_pool,
            Kind.AVERAGE: self._average,
            Kind.CLASSIFIER: self._classifier,
            Kind.SOFTMAX: self._softmax,
        }
        self._images = f"{INPUT_NAME}/nchw"
        self.constants: list[Any] = []
        self.nodes: list[Any] = [
            self._make_node("Transpose", [INPUT_NAME], [self._images], self._images, perm=_TO_NCHW)
        ]

    def write(self, layer: Layer) -> None:
        self._operations[layer.kind](layer)

    def _convolution(self, layer: Layer) -> None:
        assert layer.kernel is not None
        inputs = [*self._inputs(layer), self._constant(layer, "kernel", layer.kernel, _OIHW)]
        if layer.bias is not None:
            inputs.append(self._constant(layer, "bias", layer.bias))
        self._add(layer, "Conv", inputs, kernel_shape=[layer.window] * 2,
                  strides=[layer.stride] * 2, pads=layer.padding)  # fmt: skip

    def _sum(self, layer: Layer) -> None:
        self._add(layer, "Add", self._inputs(layer))

    def _max_pool(self, layer: Layer) -> None:
        self._add(layer, "MaxPool", self._inputs(layer), kernel_shape=[layer.window] * 2,
                  strides=[layer.stride] * 2, pads=layer.padding)  # fmt: skip

    def _average(self, layer: Layer) -> None:
        pooled = f"{layer.name}/pooled"
        self._node("GlobalAveragePool", self._inputs(layer), pooled)
        self._node("Flatten", [pooled], layer.name, axis=1)

    def _classifier(self, layer: Layer) -> None:
        assert layer.kernel is not None
        inputs = [*self._inputs(layer), self._constant(layer, "kernel", layer.kernel)]
        if layer.bias is not None:
            inputs.append(self._constant(layer, "bias", layer.bias))
        self._add(layer, "Gemm", inputs)

    def _softmax(self, layer: Layer) -> None:
        self._add(layer, "Softmax", self._inputs(layer), axis=1)

    def _inputs(self, layer: Layer) -> list[str]:
        return [self._images if name == INPUT_NAME else name for name in layer.inputs]

    def _add(self, layer: Layer, op: str, inputs: list[str], **attributes: Any) -> None:
        """Write an operation, and a Relu behind it where the layer has one."""
        result = f"{layer.name}/{op}" if layer.relu else layer.name
        self._node(op, inputs, result, **attributes)
        if layer.relu:
            self._node("Relu", [result], layer.name)

    def _node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(self._make_node(op, inputs, [output], output, **attributes))

    def _constant(
        self, layer: Layer, kind: str, value: npt.NDArray[Any], order: tuple[int, ...] | None = None
    ) -> str:
        name = f"{layer.name}/{kind}"
        turned = value if order is None else value.transpose(order)
        self.constants.append(self._from_array(np.ascontiguousarray(turned, np.float32), name))
        return name
