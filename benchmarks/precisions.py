"""How near the machine's limit each precision comes: `python benchmarks/precisions.py`.

Every round measures the cores' own peak, as `r50 roofline` does, and then each configuration once,
through `r50 run`, so that a slow episode of the machine meets all of them. Reported are medians
over the rounds, as images/s and as a share of that round's peak (docs/roofline.md says of what).
Run it on a quiet machine; a round takes about four minutes, and seven where the CPU has AMX.
`--quick` is one round, as a trial.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet50_bench.config import Precision
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.machine import Host, read_host
from resnet50_bench.limits.kernels import Kind
from resnet50_bench.limits.kind import plan_kind
from resnet50_bench.limits.measure import choose_cpus, measure_roofline
from resnet50_bench.limits.work import OPERATIONS, count_multiply_adds, plan_layers
from run_r50 import run_r50
from runnable import choose_measured

_SMALL = {
    "avx_fp32": 1,
    "avx_bfloat16": 4,
    "avx_int8": 8,
    "amx_bfloat32": 4,
    "amx_bfloat16": 8,
    "amx_int8": 8,
}
"""Precision -> the smaller batch of a core."""


@dataclass(frozen=True)
class Configuration:
    """One way to run a precision.

    Attributes:
        precision: as after `--precision`.
        batch_size: images per query.
        callers: threads that call the session, each with its part of the batch.
    """

    precision: str
    batch_size: int
    callers: int

    def flags(self) -> list[str]:
        """As `r50 run` takes them."""
        return [
            *("--precision", self.precision, "--batch-size", str(self.batch_size)),
            *("--engine-option", f"callers={self.callers}"),
        ]


def list_configurations(cores: int, precisions: list[str]) -> list[Configuration]:
    """The plain way, and each core on its own images at two sizes."""
    return [
        Configuration(precision, batch_size, callers)
        for precision, per_core in _SMALL.items()
        if precision in precisions
        for batch_size, callers in ((32, 1), (32, cores), (per_core * cores, cores))
    ]


def read_peaks(host: Host) -> dict[Kind, float]:
    """Return the operations per second of all cores together."""
    found = measure_roofline(host, choose_cpus(host), lambda *_: None, memory=False)
    return {item.kind: item.operations_per_s for item in found.peaks}


def share_of_limit(
    images_per_s: float, precision: Precision, host: Host, peaks: dict[Kind, float]
) -> float:
    """Return images/s as a share of what the peak would allow."""
    operations = OPERATIONS * count_multiply_adds(plan_layers())
    return images_per_s * operations / peaks[plan_kind(precision, host.cpu_flags)]


def measure(flags: list[str], output: Path, seconds: float) -> dict[str, Any]:
    """Run one configuration; one that does not prove its precision ends the benchmark."""
    amounts = ["--steps", "1", "--min-time", f"{seconds:g}", "--warmup-steps", "5"]
    summary = run_r50([*amounts, *flags], output)
    if summary["precision_proof"]["state"] != "PROVEN":
        sys.exit(f"r50 run {' '.join(flags)}: {summary['precision_proof']}")
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--precision", action="append", choices=_SMALL, help="only these")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    arguments = parser.parse_args()
    rounds, seconds = (1, 2.0) if arguments.quick else (arguments.rounds, arguments.seconds)
    host = read_host()
    cores = len(choose_cpus(host))
    wanted = [Precision(name) for name in arguments.precision or _SMALL]
    chosen = choose_measured(wanted, host.cpu_flags, probe_amx())
    configurations = list_configurations(cores, [name.value for name in chosen])
    rates: dict[Configuration, list[float]] = {item: [] for item in configurations}
    shares: dict[Configuration, list[float]] = {item: [] for item in configurations}
    peaks: dict[Kind, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for item in configurations:
                before = read_peaks(host)
                summary = measure(item.flags(), Path(folder), seconds)
                after = read_peaks(host)
                # The better of the two: noise only ever takes away.
                peak = {kind: max(before[kind], after[kind]) for kind in before}
                rate = summary["kpis"]["throughput_images_per_s"]
                share = share_of_limit(rate, Precision(item.precision), host, peak)
                rates[item].append(rate)
                shares[item].append(share)
                print(f"  {' '.join(item.flags())}: {rate:.1f} {share:.1%}", file=sys.stderr)
                for kind, value in peak.items():
                    peaks.setdefault(kind, []).append(value / 1e9)
    print(f"{host.cpu_model}, {cores} cores, medians of {rounds} rounds")
    for kind, values in peaks.items():
        low, high = min(values), max(values)
        print(f"peak {kind.value}: {statistics.median(values):.0f} G/s ({low:.0f} .. {high:.0f})")
    print(f"{'precision':14}{'batch':>6}{'callers':>9}{'images/s':>10}{'max':>8}{'of peak':>9}")
    for item in configurations:
        print(
            f"{item.precision:14}{item.batch_size:6}{item.callers:9}"
            f"{statistics.median(rates[item]):10.1f}{max(rates[item]):8.1f}"
            f"{statistics.median(shares[item]):9.1%}"
        )


if __name__ == "__main__":
    main()
