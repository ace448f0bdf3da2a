"""The graph for float32: batch norms folded, nothing left that stops a fusion."""

from __future__ import annotations

from resnet50_bench.model.recipes import Recipe
from resnet50_bench.model.rewrite import (
    convert_to_nhwc,
    drop_empty_pads,
    fold_batch_norms,
    remove_identities,
    strip_to_output,
)

RECIPE = Recipe(
    steps=(
        strip_to_output,
        remove_identities,
        convert_to_nhwc,
        drop_empty_pads,
        fold_batch_norms,
    ),
    # 16 blocks end in Add and Relu, fused into their last convolution; 4 projections have a bias
    # alone; the other 33 convolutions have bias and Relu, 4 of them (stride 2) with a Pad.
    expected_fused_ops={
        "Conv2D[BiasAdd,Relu]": 33,
        "Conv2D[BiasAdd,Add,Relu]": 16,
        "Conv2D[BiasAdd]": 4,
        "Pad[Conv2D]": 4,
    },
    # Folding only changes the order of rounding: about 5e-6 of the logits is seen.
    max_softmax_difference=1e-4,
    max_logits_relative_l2=1e-4,
)
