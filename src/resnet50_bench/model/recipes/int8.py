"""The graph for int8: the float32 graph, quantized with ranges measured on calibration images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from resnet50_bench.model.graph.convolutions import FusedConvolution
from resnet50_bench.model.quantization.quantize import quantize
from resnet50_bench.model.recipes import Recipe
from resnet50_bench.model.recipes.fp32 import RECIPE as FP32


def expect_fused_ops(convolutions: Sequence[FusedConvolution]) -> dict[str, int]:
    """Count the convolutions by what follows them, all of it fused.

    One QuantizeV2 at the input and one Dequantize at the pooling: more of them would be float
    islands in between.
    """
    counts: Counter[str] = Counter()
    for fused in convolutions:
        steps = ["Sum" if step == "Add" else step for step in fused.steps]
        counts[f"QuantizedConv2D[{','.join([*steps, 'Requantize'])}]"] += 1
    return {**counts, "QuantizedMaxPool": 1, "QuantizeV2": 1, "Dequantize": 1}


RECIPE = Recipe(steps=FP32.steps, expect_fused_ops=expect_fused_ops, quantize=quantize)
