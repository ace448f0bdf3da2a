"""Reads what network a frozen graph is, and says what keeps it from being ResNet-50 v1.5."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.model.graph.architecture import BASE_WIDTH, CLASSES, plan_network
from resnet50_bench.model.graph.nodes import (
    GraphDef,
    Node,
    constant_shape,
    data_format,
    find_reachable,
    find_source,
    index_nodes,
    placeholder_shape,
    spatial_stride,
)

CONVOLUTIONS = 53
INPUT_SIZES = (224, 224, 3)

_SUPPORTED_OPS = frozenset(
    {
        *("Placeholder", "Const", "Identity", "Pad", "Conv2D", "BiasAdd", "Relu", "MaxPool"),
        *("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Add", "AddV2"),
        *("Mean", "Squeeze", "Reshape", "MatMul", "Softmax", "Transpose"),
    }
)
_VARIABLE_OPS = frozenset({"Variable", "VariableV2", "VarHandleOp", "ReadVariableOp"})
_DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 14: "bfloat16", 19: "float16"}
"""The DataType numbers of TensorFlow's types.proto that an input may have."""

_QUANTIZED = "Quantize"
"""What the names of 8-bit operations have in them: `QuantizeV2`, `QuantizedConv2DWithBias...`."""

_QUANTIZED_GRAPH_OPS = frozenset({"AvgPool", "Max", "Min", "Cast", "ConcatV2"})
"""Float operations that quantized graphs have besides."""

_LEAVING = frozenset({"Dequantize", "Requantize", "RequantizePerChannel", "RequantizationRange"})

_TRAINED_INPUTS = {"Conv2D": (1,), "MatMul": (1,), "BiasAdd": (1,)}


@dataclass(frozen=True, slots=True)
class Structure:
    """What a graph says about itself; None where it does not say.

    Attributes:
        convolutions: how many convolutions, int8 ones included, the output depends on.
        batch_norms: how many batch norms; 0 when they are folded.
        pads: how many Pad operations.
        parameters: trained values: kernels, biases, and two per batch-norm channel.
        stride_in: kernel of the strided convolutions inside the blocks: `3x3` is v1.5, `1x1` v1.
        input_name: the input's node.
        input_dtype: the input's data type.
        input_shape: the input's shape, -1 where any size goes.
        output_name: the output's node.
        classes: columns of the output.
        data_format: `NHWC` or `NCHW`.
        ops: how often each operation occurs.
    """

    convolutions: int
    batch_norms: int
    pads: int
    parameters: int
    stride_in: str | None
    input_name: str | None
    input_dtype: str | None
    input_shape: tuple[int, ...] | None
    output_name: str | None
    classes: int | None
    data_format: str
    ops: dict[str, int]


def read_structure(graph: GraphDef) -> Structure:
    """Describe the part of a GraphDef that `softmax_tensor` depends on, all of it without one."""
    nodes = index_nodes(graph)
    has_output = OUTPUT_NAME in nodes
    used = find_reachable(nodes, OUTPUT_NAME) if has_output else set(nodes)
    found = [node for node in graph.node if node.name in used]
    ops = Counter(node.op for node in found)
    source = nodes.get(INPUT_NAME)
    placeholder = source if source is not None and source.op == "Placeholder" else None
    convolutions = [node for node in found if "Conv2D" in node.op]
    return Structure(
        convolutions=len(convolutions),
        batch_norms=sum(count for op, count in ops.items() if op.startswith("FusedBatchNorm")),
        pads=ops["Pad"],
        parameters=sum(_trained_values(nodes, node) for node in found),
        stride_in=_stride_place(nodes, convolutions),
        input_name=INPUT_NAME if placeholder is not None else None,
        input_dtype=_dtype_name(placeholder) if placeholder is not None else None,
        input_shape=placeholder_shape(placeholder) if placeholder is not None else None,
        output_name=OUTPUT_NAME if has_output else None,
        classes=count_classes(nodes, found),
        data_format="NCHW" if any(data_format(node) == "NCHW" for node in found) else "NHWC",
        ops=dict(sorted(ops.items())),
    )


def find_problems(structure: Structure, base_width: int = BASE_WIDTH) -> list[str]:
    """Say what keeps the graph from being ResNet-50 v1.5, one sentence each.

    Args:
        structure: what the graph says about itself.
        base_width: channels after the stem that the parameter count is expected for.
    """
    return [
        *_interface_problems(structure),
        *_operation_problems(structure),
        *_network_problems(structure, base_width),
    ]


def _interface_problems(structure: Structure) -> list[str]:
    problems = []
    if structure.input_name is None:
        problems.append(f"there is no input named {INPUT_NAME}")
    else:
        if structure.input_dtype != "float32":
            problems.append(f"the input {INPUT_NAME} is {structure.input_dtype}, not float32")
        shape = structure.input_shape
        if shape is None or len(shape) != 4 or shape[1:] != INPUT_SIZES:
            found = "unknown" if shape is None else f"({', '.join(map(str, shape))})"
            problems.append(f"the input {INPUT_NAME} has shape {found}, not (N, 224, 224, 3)")
    if structure.output_name is None:
        problems.append(f"there is no output named {OUTPUT_NAME}")
    if structure.classes not in (CLASSES, CLASSES - 1):
        problems.append(
            f"the classifier has {structure.classes or 'no'} classes, neither 1000 nor {CLASSES} "
            "(1000 after the background class at index 0)"
        )
    return problems


def _operation_problems(structure: Structure) -> list[str]:
    variables = [op for op in structure.ops if op in _VARIABLE_OPS]
    if variables:
        return [f"the graph is not frozen: it holds variables ({', '.join(variables)})"]
    unsupported = [op for op in structure.ops if not _is_supported(op, structure)]
    if unsupported:
        return [f"the graph has operations ResNet-50 does not: {', '.join(unsupported)}"]
    return []


def _is_supported(op: str, structure: Structure) -> bool:
    """Whether ResNet-50 has the operation, in 8 bits where the graph has such at all."""
    if op in _SUPPORTED_OPS:
        return True
    is_quantized = any(_QUANTIZED in each for each in structure.ops)
    return is_quantized and (_QUANTIZED in op or op in _LEAVING or op in _QUANTIZED_GRAPH_OPS)


def _network_problems(structure: Structure, base_width: int) -> list[str]:
    problems = []
    if structure.convolutions != CONVOLUTIONS:
        problems.append(f"there are {structure.convolutions} convolutions, not {CONVOLUTIONS}")
    if structure.batch_norms not in (0, CONVOLUTIONS):
        problems.append(
            f"there are {structure.batch_norms} batch norms, neither {CONVOLUTIONS} nor 0 (folded)"
        )
    if structure.stride_in == "1x1":
        problems.append(
            "the stride is in the first 1x1 convolution of a block: ResNet-50 v1, not v1.5"
        )
    elif structure.stride_in is None:
        problems.append("no block has its stride in the 3x3 convolution, as ResNet-50 v1.5 does")
    folded = structure.batch_norms == 0
    expected = plan_network(base_width).parameters(structure.classes or CLASSES, folded=folded)
    if structure.parameters != expected:
        problems.append(f"there are {structure.parameters:,} parameters, not {expected:,}")
    return problems


def _stride_place(nodes: dict[str, Node], convolutions: list[Node]) -> str | None:
    """Tell v1.5 (three strided 3x3) from v1 (six strided 1x1, three of them projections).

    Each may have been split into several.
    """
    strided: Counter[tuple[int, ...]] = Counter()
    for node in convolutions:
        kernel = find_source(nodes, node.input[1])
        if kernel is not None and kernel.op == "Const" and spatial_stride(node) == 2:
            strided[constant_shape(kernel)[:2]] += 1
    spatial, pointwise = strided[(3, 3)], strided[(1, 1)]
    if spatial == 0:
        return "1x1" if pointwise >= 6 else None
    return "3x3" if spatial >= 3 and pointwise >= 3 else None


def _trained_values(nodes: dict[str, Node], node: Node) -> int:
    positions: tuple[int, ...] = _TRAINED_INPUTS.get(node.op, ())
    if node.op.startswith("FusedBatchNorm") or (
        _QUANTIZED in node.op and ("Conv2D" in node.op or "MatMul" in node.op)
    ):
        positions = (1, 2)
    total = 0
    for position in positions:
        constant = find_source(nodes, node.input[position])
        if constant is not None and constant.op == "Const":
            total += math.prod(constant_shape(constant))
    return total


def count_classes(nodes: dict[str, Node], found: list[Node]) -> int | None:
    """Return the columns of the classifier; None where there is none."""
    for node in found:
        if "MatMul" in node.op:
            kernel = find_source(nodes, node.input[1])
            if kernel is not None and kernel.op == "Const":
                shape = constant_shape(kernel)
                return shape[0] if node.attr["transpose_b"].b else shape[-1]
    return None


def _dtype_name(placeholder: Node) -> str:
    number = placeholder.attr["dtype"].type
    return _DTYPES.get(number, f"data type number {number}")
