"""Writes oneDNN's lines of queries that never ran, layer by layer.

The line of the layer at place N of the model takes N + 1 ms, so that a time tells whose it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.limits.work import Layer, plan_layers
from resnet50_bench.model.graph.architecture import Network, plan_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONVOLUTIONS = 53
PROJECTIONS = (1, 11, 24, 43)
EXPANDS = (4, 14, 27, 46)
"""Places of the convolutions of the four blocks that have a projection."""

_LINE = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:{isa},forward_training,"
    "src:{source}::blocked:acdb::f0 wei:{weights}:a:blocked:Acdb64a::f0 "
    "dst:{source}::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:{post},"
    "alg:convolution_direct,{problem},{time_ms:g}"
)
_TYPES = {"f32": ("f32", "f32"), "bf16": ("bf16", "bf16"), "int8": ("u8", "s8")}


def list_layers(network: Network | None = None) -> tuple[Layer, ...]:
    """The convolutions, without the classifier."""
    return plan_layers(network or plan_network())[:CONVOLUTIONS]


def find_residuals(network: Network | None = None) -> set[int]:
    """Places of the last convolution of each block."""
    return {block.expand.index for block in (network or plan_network()).blocks}


def write_line(
    layer: Layer,
    time_ms: float,
    *,
    adds: bool = False,
    parts: int = 1,
    images: int = 8,
    dtype: str = "f32",
    padded: bool = False,
) -> str:
    """The line of a layer, or of one of the parts it was split into."""
    source, weights = _TYPES[dtype]
    side, kernel, stride = layer.output_shape[0], layer.kernel, layer.stride
    reads = layer.input_shape[0] + (kernel - 1 if padded else 0)
    pad = 0 if padded else kernel // 2
    return _LINE.format(
        isa="avx512_core_amx" if dtype == "int8" else "avx512_core",
        source=source,
        weights=weights,
        post="sum+eltwise_relu" if adds else "eltwise_relu",
        problem=(
            f"mb{images}_ic{layer.input_shape[2]}oc{layer.output_shape[2] // parts}_"
            f"ih{reads}oh{side}kh{kernel}sh{stride}dh0ph{pad}_"
            f"iw{reads}ow{side}kw{kernel}sw{stride}dw0pw{pad}"
        ),
        time_ms=time_ms / parts,
    )


def write_query(
    *,
    network: Network | None = None,
    sums: Sequence[int] | None = PROJECTIONS,
    projection_first: bool = False,
    split: Mapping[int, int] | None = None,
    images: int = 8,
    dtype: str = "f32",
) -> list[str]:
    """The lines of one query.

    Args:
        network: whose layers.
        sums: which of the last convolutions of the four blocks with a projection add; None for a
            graph in which no convolution adds anything.
        projection_first: each projection runs first in its block, else last.
        split: into how many parts the layer at a place is split.
        images: of the query.
        dtype: of all of them.
    """
    layers = list_layers(network)
    adding: set[int] = set()
    if sums is not None:
        adding = (find_residuals(network) - set(EXPANDS)) | set(sums)
    lines = []
    for place in _order(projection_first):
        parts = (split or {}).get(place, 1)
        line = write_line(
            layers[place],
            place + 1,
            adds=place in adding,
            parts=parts,
            images=images,
            dtype=dtype,
            padded=place == 0,
        )
        lines += [line] * parts
    return lines


def _order(projection_first: bool) -> list[int]:
    """The places in the graph's order, or with each projection behind the expand of its block."""
    order = list(range(CONVOLUTIONS))
    if not projection_first:
        for projection, expand in zip(PROJECTIONS, EXPANDS):
            order.remove(projection)
            order.insert(order.index(expand) + 1, projection)
    return order
