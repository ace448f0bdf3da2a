"""How much of the cores an accuracy run keeps busy: `python benchmarks/accuracy_pipeline.py`.

An image costs a core the time to decode it plus the time to classify it, so a run that never waits
does cores / (decode + classify) images/s. Every round measures the three in turn: decoding alone on
all cores, `r50 run` in throughput mode with every core on images of its own, and `r50 run` in
accuracy mode on generated photographs. Reported are medians over the rounds, and the ratio, which
is taken within a round. Run it on a quiet machine; three rounds take about four minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from photos import make_photos
from resnet50_bench.data.preprocess import preprocess_into
from resnet50_bench.data.profiles import MLPERF
from resnet50_bench.host.machine import read_host
from resnet50_bench.model import ModelSource, default_cache_dir
from resnet50_bench.model.cache import MODEL_FILE, plan_source_folder
from run_r50 import run_r50

BATCH_SIZE = 8
DECODE_S = 2.0


def decode_on(cpu: int, folder: str) -> float:
    """Return the seconds one core takes for an image, others decoding beside it."""
    os.sched_setaffinity(0, {cpu})
    files = [path.read_bytes() for path in sorted(Path(folder).iterdir())[:40]]
    out = np.empty((224, 224, 3), np.float32)
    for data in files:
        preprocess_into(data, MLPERF, out)
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < DECODE_S:
        preprocess_into(files[count % len(files)], MLPERF, out)
        count += 1
    return (time.perf_counter() - begin) / count


def make_set(root: Path, images: int) -> None:
    """Write a folder of photographs and their labels."""
    (folder := root / "images").mkdir()
    photos = make_photos()
    names = [f"ILSVRC2012_val_{number + 1:08d}.JPEG" for number in range(images)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(photos[number % len(photos)])
    lines = [f"{name} {number % 1000}\n" for number, name in enumerate(names)]
    (root / "val_map.txt").write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each throughput run")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--precision", action="append", help="default: avx_fp32, avx_int8")
    arguments = parser.parse_args()
    cpus = [core.cpus[0] for core in read_host().cores]
    r50 = str(Path(sys.executable).with_name("r50"))
    subprocess.run([r50, "model", "prepare"], check=True, stdout=subprocess.DEVNULL)
    cache = default_cache_dir(os.environ)
    model = plan_source_folder(ModelSource.generated(), cache) / MODEL_FILE
    for precision in arguments.precision or ["avx_fp32", "avx_int8"]:
        rows = []
        with tempfile.TemporaryDirectory() as root:
            make_set(Path(root), arguments.images)
            for _ in range(arguments.rounds):
                rows.append(measure(precision, Path(root), cpus, (model, arguments.seconds)))
        show(precision, rows, len(cpus))


def measure(
    precision: str, root: Path, cpus: list[int], run: tuple[Path, float]
) -> tuple[float, float, float]:
    """Return seconds to decode and to classify an image on a core; images/s of an evaluation."""
    model, seconds = run
    with multiprocessing.get_context("spawn").Pool(len(cpus)) as pool:
        decode_s = statistics.mean(
            pool.starmap(decode_on, [(cpu, str(root / "images")) for cpu in cpus])
        )
    size = BATCH_SIZE * len(cpus)
    speed = run_r50(
        [
            *("--precision", precision, "--batch-size", str(size), "--min-time", f"{seconds:g}"),
            *("--engine-option", f"callers={len(cpus)}", "--warmup-steps", "5", "--steps", "1"),
        ],
        root / "runs",
    )
    evaluated = run_r50(
        [
            *("--mode", "accuracy", "--precision", precision, "--model", str(model)),
            *("--dataset", str(root / "images"), "--labels", str(root / "val_map.txt")),
            *("--batch-size", str(BATCH_SIZE), "--expected-top1", "0.1"),
        ],
        root / "runs",
    )
    infer_s = len(cpus) / speed["kpis"]["throughput_images_per_s"]
    return decode_s, infer_s, evaluated["accuracy"]["images_per_s"]


def show(precision: str, rows: list[tuple[float, float, float]], cores: int) -> None:
    """Print the medians and the ratio of what is to what could be."""
    ratios = [rate * (decode + infer) / cores for decode, infer, rate in rows]
    decode, infer, rate = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"{precision}: decode {decode * 1e3:.2f} ms, classify {infer * 1e3:.2f} ms an image and "
        f"core; accuracy mode {rate:.1f} images/s on {cores} cores, "
        f"{statistics.median(ratios):.1%} of what these allow "
        f"({min(ratios):.1%} .. {max(ratios):.1%})"
    )


if __name__ == "__main__":
    main()
