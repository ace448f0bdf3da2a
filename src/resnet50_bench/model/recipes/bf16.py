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
    steps=(*FP32.steps, convert_to_bfloat16),
    expect_fused_ops=lambda convolutions: expect_fused_ops(convolutions) | {"Cast": 2},
    # Rounding to 8 significant bits, 2**-9 of a value at most, in each of 50 layers: 0.03 of the
    # logits is seen, 0.045 at an eighth of the width, where fewer roundings cancel. A wrong
    # conversion is off by as much as the logits themselves.
    max_softmax_difference=0.1,
    max_logits_relative_l2=0.08,
)
