"""Time OpenVINO on a frozen graph; runs in an environment of its own, started by `latency.py`.

usage: openvino_latency.py GRAPH.pb f32|bf16|int8 QUERIES CPUS-COMMA-SEPARATED
prints one JSON line: the duration of each query in nanoseconds, after the warm-up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

WARMUP = 30
CALIBRATION_IMAGES = 64


def main() -> None:
    graph, precision, queries, cpus = sys.argv[1:]
    os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    import numpy as np
    import openvino as ov

    generator = np.random.default_rng(0)
    images = generator.uniform(-124, 151, (CALIBRATION_IMAGES, 1, 224, 224, 3)).astype(np.float32)
    core = ov.Core()
    model = core.read_model(graph)
    model.reshape([1, 224, 224, 3])
    if precision == "int8":
        model = quantize(core, ov, model, images, Path(graph).with_suffix(".int8.xml"))
    hint = "bf16" if precision == "bf16" else "f32"
    compiled = core.compile_model(
        model, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    )
    request = compiled.create_infer_request()
    durations = []
    for number in range(WARMUP + int(queries)):
        begin = time.monotonic_ns()
        request.infer([images[number % CALIBRATION_IMAGES]])
        durations.append(time.monotonic_ns() - begin)
    print(json.dumps(durations[WARMUP:]))


def quantize(core: object, ov: object, model: object, images: object, path: Path) -> object:
    """Quantize with NNCF once; the result is kept beside the graph."""
    if not path.exists():
        import nncf

        quantized = nncf.quantize(model, nncf.Dataset(images), subset_size=CALIBRATION_IMAGES)
        ov.save_model(quantized, path)  # type: ignore[attr-defined]
    return core.read_model(path)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
