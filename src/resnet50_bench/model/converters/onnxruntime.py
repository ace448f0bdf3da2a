"""What ONNX Runtime loads: the layers as an ONNX model, for 8 bits quantized with its own tool.

Quantized are the convolutions, what lies between them, and the average behind them; the classifier
stays float32, as in every graph that is prepared here. Ranges are the smallest and the largest
value on the calibration images, weights have a scale for each filter, activations are unsigned and
weights signed: what ONNX Runtime's own guide says of CPUs with VNNI.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from resnet50_bench.engines.onnxruntime.engine import MODEL_FILE
from resnet50_bench.engines.tensorflow import INPUT_NAME
from resnet50_bench.errors import OutputError
from resnet50_bench.model.cache import CACHE_ADVICE
from resnet50_bench.model.converters.layers import read_layers
from resnet50_bench.model.converters.onnx_model import write_onnx
from resnet50_bench.model.formats.frozen_graph import read_graph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.engines import ConvertRequest, Images

QUANTIZED_OPERATIONS = ("Conv", "Relu", "Add", "MaxPool", "GlobalAveragePool")
"""Relu among them, which then vanishes into what unsigned values can hold. Else every convolution
gives its values to a pair of operations of their own."""

_BATCH_IMAGES = 8


def convert(request: ConvertRequest) -> tuple[str, ...]:
    """Write the model, and say what was done.

    Raises:
        ModelError: the graph holds an operation that is not known.
        OutputError: the model cannot be written.
    """
    layers = read_layers(read_graph(request.graph))
    model = write_onnx(layers)
    steps = [f"wrote {len(layers)} layers as {len(model.graph.node)} ONNX operations"]
    path = request.output / MODEL_FILE
    if len(request.images):
        request.on_progress(f"ONNX Runtime calibrates with {len(request.images)} images")
        _quantize(model, path, request.images)
        steps.append(
            f"quantized {', '.join(QUANTIZED_OPERATIONS)} to 8 bits with onnxruntime.quantization: "
            f"ranges of {len(request.images)} images, a scale for each filter, classifier float32"
        )
    else:
        _write(path, model.SerializeToString(deterministic=True))
    return tuple(steps)


def _quantize(model: Any, path: Path, images: Images) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives the calibration images, some at a time."""

        def __init__(self) -> None:
            self._batches: Iterator[Images] = (
                images[first : first + _BATCH_IMAGES]
                for first in range(0, len(images), _BATCH_IMAGES)
            )

        def get_next(self) -> dict[str, Images] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT_NAME: batch}

    logging.getLogger().setLevel(logging.ERROR)  # it asks for a preprocessing that changes nothing
    try:
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED_OPERATIONS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
    except OSError as error:
        raise OutputError(path, error, CACHE_ADVICE) from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(path, error, CACHE_ADVICE) from error
