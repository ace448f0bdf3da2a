"""`r50 run` beside LoadGen, interleaved in one run: `python benchmarks/loadgen.py`.

(a) What the way to the instances and back costs: SingleStream with the null engine, which computes
    nothing, LoadGen's latency less the engine's.
(b) Throughput: `r50 run` and LoadGen's Offline, the same slots and batch.
(c) Latency: `r50 run --mode latency` and LoadGen's SingleStream, one core.

Each precision this CPU runs, with LoadGen on a core that no instance has and with LoadGen on the
instance's own. Every round measures all of them once, in an order of its own; what is compared is
the ratio of two runs of the same round. Ends in 1 where a median is outside of what is promised:
throughput within 2 %, p50 and p90 within 2 %, p99 within 5 %, and less than 20 us at p50 for (a),
where LoadGen has a core of its own.

Run it on a quiet machine: a round takes about three minutes for each precision at `--seconds 10`.
A run that is INVALID is made again, three times at most, and a pair that lacks one side does not
count; after Ctrl-C the rounds that are complete are told.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from resnet50_bench.config import Precision
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.machine import read_host
from run_r50 import repeat_until_valid
from runnable import choose_measured

WANTED = (
    Precision.AVX_FP32,
    Precision.AVX_BFLOAT16,
    Precision.AVX_INT8,
    Precision.AMX_BFLOAT16,
    Precision.AMX_INT8,
)
CORES = ("own", "shared")
BATCH = 32
MOST_US = 20.0
WITHIN = {"throughput": 0.02, "p50": 0.02, "p90": 0.02, "p99": 0.05}


class Job(NamedTuple):
    """One run of a round.

    Attributes:
        name: what it is compared by: `ours`, or where LoadGen runs.
        kind: `offline` or `single`.
        precision: of the run.
        flags: of the command.
    """

    name: str
    kind: str
    precision: Precision
    flags: list[str]


def plan_jobs(precisions: list[Precision], seconds: float, cores: tuple[str, ...]) -> list[Job]:
    """The runs of a round: ours and LoadGen's, for throughput and latency, of each precision."""
    jobs = []
    for precision in precisions:
        same = ["--cores-per-instance", "1", "--instances", "1", "--min-time", f"{seconds:g}"]
        same += ["--precision", precision.value]
        batch = ["--batch-size", str(BATCH)]
        jobs += [
            Job("ours", "offline", precision, [*same, *batch]),
            Job("ours", "single", precision, [*same, "--mode", "latency"]),
        ]
        for core in cores:
            own = ["--loadgen-core", core]
            offline = [*same, *batch, "--scenario", "Offline", *own]
            jobs += [
                Job(core, "offline", precision, offline),
                Job(core, "single", precision, [*same, "--scenario", "SingleStream", *own]),
            ]
    return jobs


def measure(job: Job, output: Path) -> dict[str, float]:
    """Make one run; return its figures by name, none where it was never valid."""
    ours = job.name == "ours"
    summary = repeat_until_valid(job.flags, output, "run" if ours else "loadgen")
    if summary is None:
        return {}
    return read_ours(summary, job.kind) if ours else read_loadgens(summary)


def read_ours(summary: dict[str, Any], kind: str) -> dict[str, float]:
    kpis = summary["kpis"]
    if kind == "offline":
        return {"throughput": kpis["throughput_images_per_s"]}
    percentiles: dict[str, float] = kpis["latency"]["percentiles_ms"]
    return percentiles


def read_loadgens(summary: dict[str, Any]) -> dict[str, float]:
    return {
        figure["name"].removesuffix(" latency"): figure["loadgen"]
        for figure in summary["loadgen"]["figures"]
    }


def measure_queue(output: Path, core: str, seconds: float) -> list[float]:
    """Return what a query costs at p50 beside the engine's own time, in us; [] if never valid."""
    flags = ["--scenario", "SingleStream", "--engine", "null", "--engine-option", "query_ms=0"]
    flags += ["--cores-per-instance", "1", "--min-time", f"{seconds:g}", "--loadgen-core", core]
    summary = repeat_until_valid(flags, output, "loadgen")
    if summary is None:
        return []
    p50 = next(item for item in summary["loadgen"]["figures"] if item["name"] == "p50 latency")
    return [float(p50["loadgen"] - (p50["ours"] or 0.0)) * 1000]


def report_ratios(found: dict[tuple[Precision, str, str], list[float]]) -> bool:
    """Print every ratio ours / LoadGen's, and its median; return whether all are as promised."""
    kept = True
    for (precision, core, name), ratios in found.items():
        median = statistics.median(ratios)
        within = abs(median - 1) <= WITHIN[name]
        kept = kept and (within or core != "own")
        each = " ".join(f"{ratio:.3f}" for ratio in ratios)
        mark = "" if within else f"  beyond {WITHIN[name]:.0%}"
        print(f"{precision.value:14} {core:7} {name:11} median {median:.4f}   {each}{mark}")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--precision", action="append", choices=[item.value for item in WANTED])
    parser.add_argument("--core", action="append", choices=CORES, help="where LoadGen runs")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    host = read_host()
    amx = probe_amx() if "amx_tile" in host.cpu_flags else None
    wanted = [Precision(word) for word in asked.precision or [item.value for item in WANTED]]
    precisions = choose_measured(wanted, host.cpu_flags, amx)
    cores = tuple(asked.core or (CORES if host.physical_cores > 1 else ("shared",)))
    luck = random.Random(asked.seed)
    costs: dict[str, list[float]] = defaultdict(list)
    ratios: dict[tuple[Precision, str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        output = Path(folder)
        for number in range(asked.rounds):
            print(f"round {number + 1} of {asked.rounds}", file=sys.stderr)
            for core in cores:
                costs[core] += measure_queue(output, core, 2.0)
            jobs = plan_jobs(precisions, asked.seconds, cores)
            luck.shuffle(jobs)
            seen = {(job.precision, job.kind, job.name): measure(job, output) for job in jobs}
            for (precision, kind, core), theirs in seen.items():
                ours = seen[precision, kind, "ours"]
                for name in WITHIN.keys() & theirs.keys() & ours.keys():
                    if core != "ours":
                        ratios[precision, core, name].append(ours[name] / theirs[name])
    print(f"{host.cpu_model}, {host.physical_cores} cores, one instance on one of them")
    for core, values in costs.items():
        if not values:
            continue
        each, median = " ".join(f"{value:.1f}" for value in values), statistics.median(values)
        print(f"a query's way, LoadGen's core {core}: median {median:.1f} us: {each}")
    print("ours / LoadGen's, of each round in which both were valid:")
    kept = report_ratios(
        dict(sorted(ratios.items(), key=lambda item: (item[0][0].value, *item[0][1:])))
    )
    cheap = all(
        statistics.median(costs[core]) < MOST_US for core in costs if core == "own" and costs[core]
    )
    sys.exit(0 if kept and cheap else 1)


if __name__ == "__main__":
    main()
