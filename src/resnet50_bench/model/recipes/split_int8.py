"""The graph for int8, with no kernel larger than the cache of an AMX core."""

from __future__ import annotations

from dataclasses import replace

from resnet50_bench.model.graph.split import plan_split
from resnet50_bench.model.recipes.int8 import RECIPE as INT8

RECIPE = replace(INT8, steps=(*INT8.steps, plan_split(value_bytes=1)))
