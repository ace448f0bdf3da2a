"""The graph for bfloat16: the float32 graph, its convolutions' values and kernels in bfloat16.

Converted here and not by TensorFlow's graph rewriter (`auto_mixed_precision_onednn_bfloat16`): the
same operations run, no slower within the noise, and the file says itself what is computed. The
rewriter also takes the classifier to bfloat16, whose 8 bits leave about 690 distinct scores for
1001 classes; here all from the pooling on, 0.1 % of the work, stays float32 and they are distinct.
"""

from __future__ import annotations

from resnet50_bench.model.graph.convert import convert_to_bfloat16
from resnet50_bench.model.recipes import Recipe
from resnet50_bench.model.recipes.fp32 import RECIPE as FP32
from resnet50_bench.model.recipes.fp32 import expect_fused_ops

RECIPE = Recipe(
    steps=FP32.steps,
    expect_fused_ops=lambda convolutions: expect_fused_ops(convolutions) | {"Cast": 2},
    convert=convert_to_bfloat16,
)
