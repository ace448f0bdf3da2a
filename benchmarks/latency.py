"""Batch-1 latency beside OpenVINO's, interleaved in one run: `python benchmarks/latency.py`.

Every round measures each precision with `r50 run --mode latency` on all cores of one instance and
then with OpenVINO on the same cores and the same graph (int8: quantized by NNCF). OpenVINO and NNCF
are installed into a virtual environment of the benchmark's own, in the cache folder.
Run it on a quiet machine; three rounds take about five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from precisions import measure
from resnet50_bench.config import Precision
from resnet50_bench.host import read_host
from resnet50_bench.model import ModelSource, default_cache_dir, prepare

PACKAGES = ("openvino==2026.4.1", "nncf==3.4.0")
PRECISIONS = {"avx_fp32": "f32", "avx_bfloat16": "bf16", "avx_int8": "int8"}
QUERIES = 150


def make_environment() -> str:
    """Return the Python of an environment that has OpenVINO; made once."""
    folder = default_cache_dir(os.environ).parent / "benchmark-openvino"
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    if not stamp.exists():
        print(f"installing {' '.join(PACKAGES)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        stamp.touch()
    return str(python)


def run_openvino(python: str, graph: Path, precision: str, cpus: str) -> float:
    """Return the median duration of a query in milliseconds."""
    script = str(Path(__file__).with_name("openvino_latency.py"))
    command = [python, script, str(graph), precision, str(QUERIES), cpus]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return float(statistics.median(json.loads(done.stdout.splitlines()[-1]))) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    python = make_environment()
    host = read_host()
    cores = host.cores_per_socket(host.sockets[0])
    cpus = ",".join(str(core.cpus[0]) for core in host.cores[:cores])
    cache = default_cache_dir(os.environ)
    model = prepare(ModelSource.generated(), Precision.AVX_FP32, cache, print)
    ours: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    theirs: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(shutil.copy(model.path, Path(folder) / "model.pb"))
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for name, hint in PRECISIONS.items():
                flags = ["--mode", "latency", "--precision", name, "--instances", "1"]
                flags += ["--cores-per-instance", str(cores)]
                summary = measure(flags, Path(folder), seconds=4.0)
                kpis = summary["kpis"]
                ours[name].append(kpis["latency"]["percentiles_ms"]["p50"])  # type: ignore[index]
                theirs[name].append(run_openvino(python, graph, hint, cpus))
    print(f"{host.cpu_model}, one instance of {cores} cores, batch 1, p50 in ms, {rounds} rounds")
    print(f"{'precision':14}{'TensorFlow':>12}{'OpenVINO':>10}{'ratio':>8}  (of each round)")
    for name in PRECISIONS:
        ratios = [mine / other for mine, other in zip(ours[name], theirs[name])]
        print(
            f"{name:14}{statistics.median(ours[name]):12.2f}{statistics.median(theirs[name]):10.2f}"
            f"{statistics.median(ratios):8.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
