"""What r50 itself costs, interleaved in one run: `python benchmarks/overhead.py`.

(a) images/s through `r50 run` against a bare loop over the same TensorFlow session;
(b) the null engine at 0 s per query: time per query of the measuring loop;
(c) two instances of one core against one instance of two cores;
(d) from the start of `r50 run` to the first sample, in parts.

Run it on a quiet machine; it takes about five minutes. `--rounds` sets how often each is repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from resnet50_bench.config import Precision
from resnet50_bench.data.dummy import make_dummy_pool
from resnet50_bench.engines.tensorflow import ENGINE
from resnet50_bench.host.machine import read_host
from resnet50_bench.model import ModelSource, default_cache_dir, prepare
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.results.files import read_record
from resnet50_bench.results.record import Record

BATCH = 32
STEPS = 15
WARMUP = 5
NULL = ("--engine", "null", "--engine-option", "query_ms=0", "--steps", "200000")


def bare_loop(model_path: str, threads: int) -> None:
    """Print images/s of a plain loop: a session, an array, a clock; nothing of r50's."""
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(Path(model_path).read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1
    )
    rewrites = config.graph_options.rewrite_options
    rewrites.remapping = type(rewrites).AGGRESSIVE  # the same graph, see engines/tensorflow.py
    session = tf.compat.v1.Session(graph=graph, config=config)
    call = session.make_callable("softmax_tensor:0", ["input_tensor:0"])
    pool = make_dummy_pool(BATCH, 4, 0)
    for step in range(WARMUP):
        call(pool[step % 4])
    begin = time.perf_counter()
    for step in range(STEPS):
        call(pool[step % 4])
    print(STEPS * BATCH / (time.perf_counter() - begin))


def run_r50(output: Path, *flags: str) -> tuple[Record, float, int]:
    """Run `r50 run`; return its record, its images/s, and when it was started."""
    started_ns = time.monotonic_ns()
    command = [str(Path(sys.executable).with_name("r50")), "run", "--json", "--output", str(output)]
    done = subprocess.run([*command, *flags], capture_output=True, check=True, text=True)
    summary = json.loads(done.stdout)
    images_per_s = summary["kpis"]["throughput_images_per_s"]
    return read_record(Path(summary["folder"])), images_per_s, started_ns


def describe(values: list[float], unit: str) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):9.3f} {unit}  ({low:.3f} .. {high:.3f} in {len(values)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    rounds = parser.parse_args().rounds
    host = read_host()
    threads = host.physical_cores
    source = ModelSource.generated()
    model = prepare(source, Precision.AVX_FP32, default_cache_dir(os.environ), print)
    environment = {**os.environ, **ENGINE.environment(Precision.AVX_FP32, threads)}
    environment |= plan_meaning(Precision.AVX_FP32, host.cpu_flags).environment
    bare_command = [sys.executable, __file__, "--bare", str(model.path), str(threads)]
    amounts = ("--steps", str(STEPS), "--warmup-steps", str(WARMUP), "--batch-size", str(BATCH))
    rates: dict[str, list[float]] = {"bare": [], "r50": [], "2x1": []}
    parts: dict[str, list[float]] = {}
    loop_ns: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            done = subprocess.run(
                bare_command, env=environment, capture_output=True, check=True, text=True
            )
            rates["bare"].append(float(done.stdout.split()[-1]))
            record, rate, started_ns = run_r50(output, *amounts)
            rates["r50"].append(rate)
            for name, value in start_parts(record, started_ns).items():
                parts.setdefault(name, []).append(value)
            _, rate, _ = run_r50(output, *amounts, "--cores-per-instance", "1", "--instances", "2")
            rates["2x1"].append(rate)
            null, _, _ = run_r50(output, *NULL)
            item = null.instances[0]
            loop_ns.append((item.end_ns[-1] - item.start_ns[0]) / len(item.end_ns))
    print(f"{host.cpu_model}, {threads} cores, fp32, batch {BATCH}, {STEPS} queries a run")
    print("(a) bare loop            ", describe(rates["bare"], "images/s"))
    print("    r50 run              ", describe(rates["r50"], "images/s"))
    ratios = [ours / bare for ours, bare in zip(rates["r50"], rates["bare"])]
    print("    r50 run / bare       ", describe(ratios, ""))
    print("(b) null engine, a query ", describe(loop_ns, "ns"))
    print("(c) 2 instances x 1 core ", describe(rates["2x1"], "images/s"))
    ratios = [two / one for two, one in zip(rates["2x1"], rates["r50"])]
    print("    against 1 x 2 cores  ", describe(ratios, ""))
    print("(d) start to first sample")
    for name, values in parts.items():
        print(f"    {name:21}", describe(values, "s"))


def start_parts(record: Record, started_ns: int) -> dict[str, float]:
    """Seconds from the command to the first query, in parts."""
    item = record.instances[0]
    assert item.phases is not None
    worker = {
        "worker process": item.spawn_ns or 0,
        "import and load": item.phases.load_ns,
        "fill the feed": item.phases.feed_ns,
        "warm up": item.phases.warmup_ns,
    }
    total = item.start_ns[0] - started_ns
    parts = {"r50 before and between": total - sum(worker.values()), **worker, "total": total}
    return {name: value / 1e9 for name, value in parts.items()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare_loop(sys.argv[2], int(sys.argv[3]))
    else:
        main()
