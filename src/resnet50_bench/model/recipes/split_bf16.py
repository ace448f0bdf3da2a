"""The graph for bfloat16, with no kernel larger than the cache of an AMX core."""

from __future__ import annotations

from dataclasses import replace

from resnet50_bench.model.graph.convert import convert_to_bfloat16
from resnet50_bench.model.graph.split import plan_split
from resnet50_bench.model.recipes.bf16 import RECIPE as BF16
from resnet50_bench.model.recipes.fp32 import RECIPE as FP32

RECIPE = replace(BF16, steps=(*FP32.steps, plan_split(value_bytes=2), convert_to_bfloat16))
