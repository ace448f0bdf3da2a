"""Batch-1 latency beside OpenVINO's, interleaved in one run: `python benchmarks/latency.py`.

Every round measures each precision this CPU runs with `r50 run --mode latency` on all cores of one
instance and then with OpenVINO on the same cores, the same graph (int8: quantized by NNCF) and
under the same cap of instructions. Where the kernel lets it, everything is measured a second time
with idle cores kept awake (`--cpu-latency-limit 0`), OpenVINO included. OpenVINO and NNCF are
installed into a virtual environment of the benchmark's own, in the cache folder.
Run it on a quiet machine; a round takes about two minutes, and four where the CPU has AMX.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from precisions import measure
from resnet50_bench.config import Precision
from resnet50_bench.errors import RequestError
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.cpu_latency import CpuLatencyLimit, check_limit
from resnet50_bench.host.machine import Host, read_host
from run_openvino import HINTS, OpenVino
from runnable import choose_measured

QUERIES = 150


@dataclass(frozen=True)
class Setting:
    """What is measured with both in turn.

    Attributes:
        precision: of the convolutions.
        awake: idle cores are kept awake.
    """

    precision: Precision
    awake: bool

    @property
    def flags(self) -> list[str]:
        """As `r50 run` takes them."""
        limit = ["--cpu-latency-limit", "0"] if self.awake else []
        return ["--precision", self.precision.value, *limit]


def list_settings(host: Host) -> list[Setting]:
    """The precisions of this host, and whether idle cores can be kept awake."""
    runnable = choose_measured(HINTS, host.cpu_flags, probe_amx())
    try:
        check_limit(0)
    except RequestError as error:
        print(f"idle cores may sleep: {error.message}", file=sys.stderr)
        ways = [False]
    else:
        ways = [False, True]
    return [Setting(name, awake) for name in runnable for awake in ways]


def run_openvino(openvino: OpenVino, setting: Setting) -> float:
    """Return the median duration of a query in milliseconds."""
    limit = CpuLatencyLimit(0) if setting.awake else None
    durations = openvino.run(setting.precision, "--queries", str(QUERIES))
    if limit is not None:
        limit.close()
    return float(statistics.median(durations)) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    host = read_host()
    cores = host.cores_per_socket(host.sockets[0])
    cpus = tuple(core.cpus[0] for core in host.cores[:cores])
    settings = list_settings(host)
    ours: dict[Setting, list[float]] = {item: [] for item in settings}
    theirs: dict[Setting, list[float]] = {item: [] for item in settings}
    with tempfile.TemporaryDirectory() as folder:
        openvino = OpenVino(Path(folder), host, cpus)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for item in settings:
                flags = ["--mode", "latency", "--instances", "1"]
                flags += ["--cores-per-instance", str(cores), *item.flags]
                summary = measure(flags, Path(folder), seconds=4.0)
                kpis = summary["kpis"]
                ours[item].append(kpis["latency"]["percentiles_ms"]["p50"])
                theirs[item].append(run_openvino(openvino, item))
                mine, other = ours[item][-1], theirs[item][-1]
                print(f"  {' '.join(item.flags)}: {mine:.2f} {other:.2f} ms", file=sys.stderr)
    print(f"{host.cpu_model}, one instance of {cores} cores, batch 1, p50 in ms, {rounds} rounds")
    print(
        f"{'precision':14}{'idle cores':12}{'TensorFlow':>11}{'OpenVINO':>10}{'ratio':>7}  (rounds)"
    )
    for item in settings:
        ratios = [mine / other for mine, other in zip(ours[item], theirs[item])]
        print(
            f"{item.precision.value:14}{'awake' if item.awake else 'asleep':12}"
            f"{statistics.median(ours[item]):11.2f}{statistics.median(theirs[item]):10.2f}"
            f"{statistics.median(ratios):7.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
