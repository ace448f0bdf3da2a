"""Time OpenVINO on a frozen graph; runs in an environment of its own, started by `run_openvino.py`.

Prints one JSON line: in latency mode the duration of each query in nanoseconds, in throughput mode
the images per second. Either starts after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import cycle
from pathlib import Path
from typing import Any

WARMUP_QUERIES = 30
WARMUP_SECONDS = 1.0
IMAGES = 64
"""Generated images, to calibrate with and to classify."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("precision", choices=("f32", "bf16", "int8"))
    parser.add_argument("cpus", help="comma-separated")
    parser.add_argument("--queries", type=int, help="latency mode: how many, one image each")
    parser.add_argument("--seconds", type=float, help="throughput mode: how long")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--streams", type=int, default=1)
    arguments = parser.parse_args()
    cpus = {int(cpu) for cpu in arguments.cpus.split(",")}
    os.sched_setaffinity(0, cpus)
    import numpy as np
    import openvino as ov

    generator = np.random.default_rng(0)
    images = generator.uniform(-124, 151, (IMAGES, 1, 224, 224, 3)).astype(np.float32)
    core = ov.Core()
    model = core.read_model(arguments.graph)
    model.reshape([1, 224, 224, 3])
    if arguments.precision == "int8":
        path = arguments.graph.with_suffix(".int8.xml")
        model = quantize(core, ov, model, images, path)
    model.reshape([arguments.batch_size, 224, 224, 3])
    latency = arguments.queries is not None
    properties = {
        "PERFORMANCE_HINT": "LATENCY" if latency else "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": "bf16" if arguments.precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": len(cpus),
        "NUM_STREAMS": arguments.streams,
    }
    compiled = core.compile_model(model, "CPU", properties)
    if latency:
        print(json.dumps(time_queries(compiled, images, arguments.queries)))
    else:
        batches = plan_batches(np, ov, images, arguments.batch_size)
        queue = ov.AsyncInferQueue(compiled, arguments.streams)
        count_images(queue, batches, WARMUP_SECONDS)
        print(json.dumps(count_images(queue, batches, arguments.seconds)))


def plan_batches(np: Any, ov: Any, images: Any, batch_size: int) -> list[Any]:
    """Return different batches of 128 images in all, which is as many as r50 classifies in turn."""
    pool = np.tile(images[:, 0], (-(-max(128, 4 * batch_size) // IMAGES), 1, 1, 1))
    starts = range(0, len(pool) - batch_size + 1, batch_size)
    return [ov.Tensor(pool[start : start + batch_size].copy()) for start in starts]


def time_queries(compiled: Any, images: Any, queries: int) -> list[int]:
    """Return how long each query of one image takes, one after another."""
    request = compiled.create_infer_request()
    durations = []
    for number in range(WARMUP_QUERIES + queries):
        begin = time.monotonic_ns()
        request.infer([images[number % IMAGES]])
        durations.append(time.monotonic_ns() - begin)
    return durations[WARMUP_QUERIES:]


def count_images(queue: Any, batches: list[Any], seconds: float) -> float:
    """Keep every stream busy for so long; return images per second, the last query included."""
    feed = cycle(batches)
    begin = time.monotonic()
    count = 0
    while time.monotonic() - begin < seconds:
        batch = next(feed)
        queue[queue.get_idle_request_id()].set_input_tensor(batch)
        queue.start_async()
        count += batch.shape[0]
    queue.wait_all()
    return count / (time.monotonic() - begin)


def quantize(core: Any, ov: Any, model: Any, images: Any, path: Path) -> Any:
    """Quantize with NNCF once; the result is kept beside the graph."""
    if not path.exists():
        import nncf

        quantized = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
        ov.save_model(quantized, path)
    return core.read_model(path)


if __name__ == "__main__":
    main()
