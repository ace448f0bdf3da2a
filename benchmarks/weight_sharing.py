"""What weight sharing saves and costs: `python benchmarks/weight_sharing.py`.

Two streams of one core in one process, beside two processes of one core, in turn, through
`r50 run --weight-sharing --compare-unshared`. Reported are medians over the rounds of throughput
and memory, and the ratios, which are taken within a round. Run it on a quiet machine; four rounds
of one precision take about three minutes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from run_r50 import run_r50

SHOWN = ("Throughput", "Latency mean", "Memory, all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--precision", action="append", help="default: avx_bfloat16, avx_int8")
    parser.add_argument("--batch-size", type=int, default=8)
    arguments = parser.parse_args()
    for precision in arguments.precision or ["avx_bfloat16", "avx_int8"]:
        flags = [
            *("--weight-sharing", "--compare-unshared", "--precision", precision),
            *("--cores-per-instance", "1", "--instances", "2"),
            *("--batch-size", str(arguments.batch_size)),
            *("--steps", "1", "--min-time", f"{arguments.seconds:g}", "--warmup-steps", "5"),
        ]
        rounds = []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(arguments.rounds):
                summary = run_r50(flags, Path(folder))
                rounds.append({row["name"]: row for row in summary["figures"]})
        print(f"{precision}, batch {arguments.batch_size}, medians of {len(rounds)} rounds")
        print(f"{'':<14}{'shared':>10}{'separate':>10}{'ratio':>8}{'lowest':>9}{'highest':>9}")
        for name in SHOWN:
            rows = [figures[name] for figures in rounds]
            ratios = [row["ratio"] for row in rows]
            print(
                f"{name:<14}"
                f"{statistics.median(row['shared'] for row in rows):10.2f}"
                f"{statistics.median(row['separate'] for row in rows):10.2f}"
                f"{statistics.median(ratios):8.3f}{min(ratios):9.3f}{max(ratios):9.3f}"
            )


if __name__ == "__main__":
    main()
