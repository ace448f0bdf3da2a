"""Quantizes the prepared graph for OpenVINO by NNCF; runs in a process of its own."""

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

    images = request.images
    model = openvino.Core().read_model(request.graph)
    model.reshape([1, *images.shape[1:]])
    request.on_progress(f"NNCF calibrates with {len(images)} images")
    quantized = nncf.quantize(
        model,
        nncf.Dataset([image[None] for image in images]),
        subset_size=len(images),
    )
    openvino.save_model(quantized, request.output / MODEL_FILE, compress_to_fp16=False)
    return (f"quantized by NNCF {nncf.__version__} on {len(images)} images",)
