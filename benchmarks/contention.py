"""What watching the cores costs while instances measure: `python benchmarks/contention.py`.

(a) one sample of the CPUs' counters, which r50 takes twenty of in a window;
(b) one look at all processes, taken before the window, after it, and once a second where something
    else is at work;
(c) `r50 run` itself: processor time of the parent between the word and the last result, as a share
    of one core, all its doings included;
(d) what the verdict's bounds stand on: the same short run quiet, with a busy process on one of its
    cores, and with one on each of two, in turns: the share that others had, the rate, the verdict.

Four minutes on an idle machine; (a) and (b) grow with the number of CPUs and processes.
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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.contention.processes import read_processes
from resnet50_bench.contention.sampler import read_sample
from resnet50_bench.results.files import read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

R50_RUN = [str(Path(sys.executable).with_name("r50")), "run"]
COMMAND = [*R50_RUN, "--accept-noise", "--min-time", "20"]
SHORT = [*R50_RUN, "--batch-size", "8", "--min-time", "8", "--json"]
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


def measure_us(action: Callable[[], object], times: int) -> list[float]:
    """Processor time of each call, in microseconds."""
    spent = []
    for _ in range(times):
        begin_ns = time.process_time_ns()
        action()
        spent.append((time.process_time_ns() - begin_ns) / 1000)
    return spent


def describe(values: list[float], unit: str) -> str:
    return f"{statistics.median(values):8.1f} {unit}  (at most {max(values):.1f} in {len(values)})"


@contextmanager
def busy_on(cpus: tuple[int, ...]) -> Iterator[None]:
    """Keep one process busy on each of these CPUs meanwhile."""
    processes = [
        subprocess.Popen(["taskset", "--cpu-list", str(cpu), sys.executable, "-c", BUSY])
        for cpu in cpus
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run_beside(cpus: tuple[int, ...], folder: str) -> tuple[float, float, float, bool]:
    """Return others' share, its largest tenth, images/s and the verdict of one short run."""
    with busy_on(cpus):
        done = subprocess.run(
            [*SHORT, "--output", folder], check=False, capture_output=True, text=True
        )
    if done.returncode not in {0, 1}:
        sys.exit(done.stderr)
    summary = json.loads(done.stdout)
    taken = summary["contention"][0]
    rate = summary["kpis"]["throughput_images_per_s"]
    return taken["window"]["total"], max(taken["tenths_total"]), rate, summary["valid"]


def compare_beside(cpus: tuple[int, ...], rounds: int) -> None:
    """Print (d)."""
    kinds = {"quiet": (), "one busy process": cpus[:1], "two busy processes": cpus[:2]}
    seen: dict[str, list[tuple[float, float, float, bool]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for kind, busy in kinds.items():
                seen[kind].append(run_beside(busy, folder))
    for kind, results in seen.items():
        shares, tenths, rates, valid = zip(*results, strict=True)
        print(
            f"(d) {kind:20}others had {statistics.median(shares):6.1%}"
            f" (at most {max(shares):.1%}, in a tenth {max(tenths):.1%})"
            f"  {statistics.median(rates):6.2f} images/s  VALID {sum(valid)} of {len(valid)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skip-run", action="store_true", help="leave out (c) and (d)")
    parser.add_argument("--rounds", type=int, default=3, help="of (d)")
    arguments = parser.parse_args()
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    processes = len(read_processes())
    sample = measure_us(lambda: read_sample(cpus, (0,), cpus[:1]), 1000)
    look = measure_us(read_processes, 50)
    print(f"{len(cpus)} CPUs, {processes} processes")
    print("(a) a sample    ", describe(sample, "us"))
    print("(b) a look      ", describe(look, "us"))
    if arguments.skip_run:
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*COMMAND, "--output", folder], check=True, stdout=subprocess.DEVNULL)
        launch = read_record(next(Path(folder).iterdir())).launch
    share = (launch.parent_cpu_ns or 0) / (launch.parent_wall_ns or 1)
    print(f"(c) r50 run       {share:.3%} of one core while the instances measured")
    compare_beside(cpus, arguments.rounds)


if __name__ == "__main__":
    main()
