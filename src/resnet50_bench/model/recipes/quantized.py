"""The graph of somebody else for int8, such as Intel's: nothing of it is changed.

Only what its answers do not depend on goes. Whether its rounding serves cannot be asked of a graph
without its float32 source: an accuracy run tells.
"""

from __future__ import annotations

from resnet50_bench.model.graph.rewrite import strip_to_output
from resnet50_bench.model.recipes import Recipe

RECIPE = Recipe(steps=(strip_to_output,), expect_fused_ops=None, max_logits_relative_l2=1e-4)
