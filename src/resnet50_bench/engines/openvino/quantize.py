"""Quantizes the prepared graph for OpenVINO by NNCF; runs in a process of its own.

The range of an activation is its largest magnitude over all images, as in `model.quantization`.
Unless told so NNCF takes the mean of the images' largest ones, which cuts most images: on generated
weights the logits' error is then 0.36 in place of 0.15, and 73 % of the right answers are kept in
place of 93 % (TensorFlow's int8: 0.16 and 93 %).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resnet50_bench.engines.openvino.engine import MODEL_FILE

if TYPE_CHECKING:
    from resnet50_bench.engines.base import ConvertRequest

_SILENT = "NNCF_CI"
"""Set, it keeps NNCF from reporting its use over the network (its `definitions.py`)."""


def convert(request: ConvertRequest) -> tuple[str, ...]:
    """Write the quantized model into the request's folder; return what was done."""
    os.environ[_SILENT] = "1"
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    images = request.images
    model = openvino.Core().read_model(request.graph)
    model.reshape([1, *images.shape[1:]])
    request.on_progress(f"NNCF calibrates with {len(images)} images")
    quantized = nncf.quantize(
        model,
        nncf.Dataset([image[None] for image in images]),
        subset_size=len(images),
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )
    openvino.save_model(quantized, request.output / MODEL_FILE, compress_to_fp16=False)
    return (f"quantized by NNCF {nncf.__version__}, with the ranges of {len(images)} images",)
