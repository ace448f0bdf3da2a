"""The graph for int8: the float32 graph, quantized with ranges measured on calibration images."""

from __future__ import annotations

from resnet50_bench.model.quantize import quantize
from resnet50_bench.model.recipes import Recipe
from resnet50_bench.model.recipes.fp32 import RECIPE as FP32

RECIPE = Recipe(
    steps=FP32.steps,
    # As for float32, with the Pads inside the convolutions. One QuantizeV2 at the input and one
    # Dequantize at the pooling: more of them would be float islands in between.
    expected_fused_ops={
        "QuantizedConv2D[BiasAdd,Relu,Requantize]": 33,
        "QuantizedConv2D[BiasAdd,Sum,Relu,Requantize]": 16,
        "QuantizedConv2D[BiasAdd,Requantize]": 4,
        "QuantizedMaxPool": 1,
        "QuantizeV2": 1,
        "Dequantize": 1,
    },
    # Generated models show about 0.18: their classifier removes what all images have in common,
    # and with it most of the signal that the error is compared to. Ranges that do not fit the
    # images give 0.5 and more, a wrong scale 1. Probabilities follow the logits and differ by
    # any amount where two classes are close, so they have no bound of their own.
    max_softmax_difference=1.0,
    max_logits_relative_l2=0.3,
    quantize=quantize,
)
