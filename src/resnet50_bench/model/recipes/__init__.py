"""How a graph is prepared for each precision: one file a precision."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from resnet50_bench.config import Precision
from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph.convolutions import FusedConvolution

Rewrite: TypeAlias = Callable[[Any], str]
"""Changes a GraphDef in place and says in one sentence what it did."""

Quantize: TypeAlias = Callable[[Any, Mapping[str, float]], str]
"""A rewrite that needs the largest magnitudes of the activations, by node name."""

ExpectFusedOps: TypeAlias = Callable[[Sequence[FusedConvolution]], dict[str, int]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a source graph becomes one of a precision.

    Attributes:
        steps: the rewrites that change no more than the order of rounding, in order.
        expect_fused_ops: names the operations which the executed graph must hold when each of
            the convolutions is fused, and counts them; None for a graph that is run as it is.
        max_logits_relative_l2: largest relative error of the logits where nothing is rounded; None
            where something is, and `agreement.gate` asks other questions.
        convert: the last rewrite where one rounds to fewer bits without calibration.
        quantize: the last rewrite where one rounds with calibration.
    """

    steps: tuple[Rewrite, ...]
    expect_fused_ops: ExpectFusedOps | None
    max_logits_relative_l2: float | None = None
    convert: Rewrite | None = None
    quantize: Quantize | None = None

    @property
    def rounds(self) -> bool:
        """Whether the prepared graph computes in fewer bits than its source."""
        return self.convert is not None or self.quantize is not None


RECIPES: dict[Precision, str] = {
    Precision.AVX_FP32: "resnet50_bench.model.recipes.fp32",
    Precision.AVX_BFLOAT16: "resnet50_bench.model.recipes.bf16",
    Precision.AMX_BFLOAT16: "resnet50_bench.model.recipes.bf16",
    Precision.AVX_INT8: "resnet50_bench.model.recipes.int8",
    Precision.AMX_INT8: "resnet50_bench.model.recipes.int8",
    Precision.AMX_BFLOAT32: "resnet50_bench.model.recipes.fp32",
}
"""Precision -> the module whose `RECIPE` prepares a graph for it.

`amx_bfloat32` computes float32 with bfloat16 instructions: the graph is that of float32, and the
environment oneDNN reads makes the difference.
"""

_SPLIT_RECIPES: dict[Precision, str] = {
    Precision.AMX_BFLOAT16: "resnet50_bench.model.recipes.split_bf16",
    Precision.AMX_INT8: "resnet50_bench.model.recipes.split_int8",
}
"""Precision -> the module for a graph with its large kernels split (`split.py`)."""

SPLIT_FROM_IMAGES = 8
"""Images that a thread must take through each operation by itself for a split graph to be faster,
see docs/precisions.md; where threads share an operation it is slower."""


def wants_split(precision: Precision, images_alone: int) -> bool:
    """Say whether a graph with its large kernels split is the faster one.

    Args:
        precision: to compute in.
        images_alone: as the engine counts them.
    """
    return precision in _SPLIT_RECIPES and images_alone >= SPLIT_FROM_IMAGES


def find_recipe(precision: Precision, *, split: bool = False) -> Recipe:
    """Return the recipe of a precision.

    Args:
        precision: to prepare for.
        split: whether large kernels are to be split; only for precisions that `wants_split`.

    Raises:
        ModelError: there is none.
    """
    if precision not in RECIPES:
        known = ", ".join(name.value for name in RECIPES)
        raise ModelError(
            f"no model can be prepared for --precision {precision.value}",
            f"choose --precision {known}",
        )
    module = _SPLIT_RECIPES[precision] if split else RECIPES[precision]
    recipe: Recipe = importlib.import_module(module).RECIPE
    return recipe


def find_quantized_recipe(precision: Precision) -> Recipe:
    """Return the recipe of a graph that computes in 8 bits already: it is run as it is.

    Raises:
        ModelError: another precision is asked for.
    """
    if "int8" not in precision.value:
        raise ModelError(
            f"the graph computes in 8 bits already, and not in what --precision "
            f"{precision.value} means",
            "choose --precision avx_int8 or amx_int8, or give the float32 graph that it was made "
            "of",
        )
    recipe: Recipe = importlib.import_module("resnet50_bench.model.recipes.quantized").RECIPE
    return recipe
