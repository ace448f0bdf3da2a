"""Throughput beside OpenVINO's, interleaved in one run: `python benchmarks/throughput.py`.

Every round measures each precision this CPU runs with `r50 run` and with OpenVINO: on the same
cores, the same graph (int8: quantized by NNCF) and under the same cap of instructions. Both have as
many callers or streams as cores, and try the same batch sizes; compared is each one's best of the
round. TensorFlow's is also told as a share of the cores' peak, as `r50 roofline` measures it.
OpenVINO and NNCF are installed into a virtual environment of the benchmark's own, in the cache
folder. Run it on a quiet machine; a round takes about four minutes, and six where the CPU has AMX.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from precisions import Configuration, measure, read_peaks, share_of_limit
from resnet50_bench.config import Precision
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.machine import read_host
from run_openvino import HINTS, OpenVino
from runnable import choose_measured

PER_CORE = (1, 8, 16)
"""Images per core and query that are tried."""


def measure_ours(precision: Precision, cores: int, seconds: float, folder: Path) -> list[float]:
    """Return images/s for each size of `PER_CORE`."""
    configurations = [Configuration(precision.value, size * cores, cores) for size in PER_CORE]
    summaries = [measure(each.flags(), folder, seconds) for each in configurations]
    return [float(summary["kpis"]["throughput_images_per_s"]) for summary in summaries]


def measure_theirs(
    openvino: OpenVino, precision: Precision, cores: int, seconds: float
) -> list[float]:
    """Return images/s for each size of `PER_CORE`."""
    flags = ["--seconds", f"{seconds:g}", "--streams", str(cores), "--batch-size"]
    return [float(openvino.run(precision, *flags, str(size))) for size in PER_CORE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    names = [precision.value for precision in HINTS]
    parser.add_argument("--precision", action="append", choices=names, help="only these")
    arguments = parser.parse_args()
    host = read_host()
    cpus = tuple(core.cpus[0] for core in host.cores)
    wanted = [name for name in HINTS if name.value in (arguments.precision or names)]
    chosen = choose_measured(wanted, host.cpu_flags, probe_amx())
    ours: dict[Precision, list[float]] = {name: [] for name in chosen}
    theirs: dict[Precision, list[float]] = {name: [] for name in chosen}
    shares: dict[Precision, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as temporary:
        openvino = OpenVino(Path(temporary), host, cpus)
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
            for name in chosen:
                before = read_peaks(host)
                mine = measure_ours(name, len(cpus), arguments.seconds, Path(temporary))
                after = read_peaks(host)
                other = measure_theirs(openvino, name, len(cpus), arguments.seconds)
                peak = {kind: max(before[kind], after[kind]) for kind in before}
                ours[name].append(max(mine))
                theirs[name].append(max(other))
                shares[name].append(share_of_limit(max(mine), name, host, peak))
                print(f"  {name.value}: {show(mine)} beside {show(other)}", file=sys.stderr)
    print(f"{host.cpu_model}, {len(cpus)} cores, images/s, medians of {arguments.rounds} rounds")
    print(f"{'precision':14}{'TensorFlow':>11}{'of peak':>9}{'OpenVINO':>10}{'ratio':>7}  (rounds)")
    for name in chosen:
        ratios = [mine / other for mine, other in zip(ours[name], theirs[name])]
        print(
            f"{name.value:14}{statistics.median(ours[name]):11.1f}"
            f"{statistics.median(shares[name]):9.1%}{statistics.median(theirs[name]):10.1f}"
            f"{statistics.median(ratios):7.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})"
        )


def show(rates: list[float]) -> str:
    """Say the images/s of each size."""
    return " ".join(f"{rate:.1f}" for rate in rates)


if __name__ == "__main__":
    main()
