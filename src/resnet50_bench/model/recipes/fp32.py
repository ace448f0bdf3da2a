"""The graph for float32: batch norms folded, nothing left that stops a fusion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from resnet50_bench.model.graph.convolutions import FusedConvolution
from resnet50_bench.model.graph.rewrite import (
    convert_to_nhwc,
    fold_batch_norms,
    move_pads_inside,
    remove_identities,
    strip_to_output,
)
from resnet50_bench.model.recipes import Recipe


def expect_fused_ops(convolutions: Sequence[FusedConvolution]) -> dict[str, int]:
    """Count the convolutions by what follows them, all of it fused.

    Of ResNet-50's 53, 16 end a block with Add and Relu, 4 projections have a bias alone, the
    other 33 have bias and Relu.
    """
    return dict(Counter(f"Conv2D[{','.join(fused.steps)}]" for fused in convolutions))


RECIPE = Recipe(
    steps=(
        strip_to_output,
        remove_identities,
        convert_to_nhwc,
        move_pads_inside,
        fold_batch_norms,
    ),
    expect_fused_ops=expect_fused_ops,
    # Folding only changes the order of rounding: about 5e-6 of the logits is seen.
    max_logits_relative_l2=1e-4,
)
