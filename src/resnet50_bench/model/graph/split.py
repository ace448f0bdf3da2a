"""Splits the convolutions whose kernels are too large for a core's second-level cache.

Runs in the toolchain's child process: it reads and writes TensorFlow's tensors.

In the last stage of ResNet-50 kernels have up to 2.4 million values, and images only 7x7 places.
With AMX such a convolution reaches half the share of the peak that others do: the kernel, it is
inferred, comes anew from the third-level cache for every image. Of two convolutions with half the
filters each, either reads a kernel that stays in the second-level cache. What they compute is the
same. It pays where one core takes several images through an operation by itself (`wants_split`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from resnet50_bench.engines.tensorflow import OUTPUT_NAME
from resnet50_bench.model.graph.convolutions import FusedConvolution, find_convolutions
from resnet50_bench.model.graph.nodes import GraphDef, Node, find_reachable, index_nodes, keep_nodes
from resnet50_bench.model.graph.rewrite import add_constant, read_constant

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_KERNEL_BYTES = 5 << 18
"""1.25 MiB of the 2 MiB second-level cache of a core of SPR, EMR or GNR: activations need their
place too. Of the limits tried it was the fastest: docs/precisions.md has them."""

_FILTER_AXIS = 3
"""Of an HWIO kernel, and of NHWC activations."""

_INT32 = 3
"""Data type number of TensorFlow's types.proto."""


def plan_split(value_bytes: int, limit: int = LARGEST_KERNEL_BYTES) -> Callable[[GraphDef], str]:
    """Return the rewrite for kernels that will be stored in `value_bytes` a value.

    Args:
        value_bytes: 1 for int8, 2 for bfloat16; the graph to rewrite is still float32.
        limit: the largest kernel that is left whole, in bytes.
    """
    return partial(split_large_kernels, largest=limit // value_bytes)


def split_large_kernels(graph: GraphDef, largest: int) -> str:
    """Split each convolution with a larger kernel by filters, and concatenate the parts' outputs.

    Those with a residual sum stay whole: what is added to them would have to be split as well.

    Args:
        graph: folded, NHWC, changed in place.
        largest: values a kernel may have.

    Raises:
        ModelError: the graph is not folded.
    """
    nodes = index_nodes(graph)
    split = 0
    written = 0
    for fused in find_convolutions(graph):
        kernel = read_constant(nodes, fused.convolution.input[1])
        if kernel.size > largest and fused.shortcut is None:
            parts = _count_parts(kernel.size, kernel.shape[_FILTER_AXIS], largest)
            _split(graph, nodes, fused, parts)
            split, written = split + 1, written + parts
    keep_nodes(graph, find_reachable(index_nodes(graph), OUTPUT_NAME))
    return f"split {split} convolutions with large kernels into {written}"


def _count_parts(values: int, filters: int, largest: int) -> int:
    """Return the least number of equal parts that are no larger; a filter is never cut."""
    enough = min(-(-values // largest), filters)
    return next(parts for parts in range(enough, filters + 1) if filters % parts == 0)


def _split(graph: GraphDef, nodes: dict[str, Node], fused: FusedConvolution, parts: int) -> None:
    kernels = np.split(read_constant(nodes, fused.convolution.input[1]), parts, _FILTER_AXIS)
    biases = np.split(read_constant(nodes, fused.bias.input[1]), parts)
    outputs = []
    for number, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        suffix = f"part{number}"
        convolution = _copy(graph, fused.convolution, suffix)
        convolution.input[1] = f"{convolution.name}/kernel"
        add_constant(graph, convolution.input[1], kernel)
        last = _copy(graph, fused.bias, suffix)
        last.input[:] = [convolution.name, f"{last.name}/bias"]
        add_constant(graph, last.input[1], bias)
        if fused.relu is not None:
            biased = last.name
            last = _copy(graph, fused.relu, suffix)
            last.input[:] = [biased]
        outputs.append(last.name)
    _concatenate(graph, nodes[fused.output], outputs)


def _copy(graph: GraphDef, node: Node, suffix: str) -> Node:
    copied = graph.node.add()
    copied.CopyFrom(node)
    copied.name = f"{node.name}/{suffix}"
    return copied


def _concatenate(graph: GraphDef, replaced: Node, parts: list[str]) -> None:
    """Turn the last node of what was split into the concatenation, so that readers find it."""
    axis = f"{replaced.name}/axis"
    add_constant(graph, axis, np.array(_FILTER_AXIS, np.int32))
    dtype = replaced.attr["T"].type
    replaced.op = "ConcatV2"
    replaced.input[:] = [*parts, axis]
    replaced.attr.clear()
    replaced.attr["T"].type = dtype
    replaced.attr["N"].i = len(parts)
    replaced.attr["Tidx"].type = _INT32
