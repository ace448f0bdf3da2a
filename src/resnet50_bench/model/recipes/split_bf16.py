"""The graph for bfloat16, with no kernel larger than the cache of an AMX core."""

from __future__ import annotations

from dataclasses import replace

from resnet50_bench.model.graph.split import plan_split
from resnet50_bench.model.recipes.bf16 import RECIPE as BF16

RECIPE = replace(BF16, steps=(*BF16.steps, plan_split(value_bytes=2)))
