"""What watching the cores costs while instances measure: `python benchmarks/contention.py`.

(a) one sample of the CPUs' counters, which r50 takes twenty of in a window;
(b) one look at all processes, taken before the window, after it, and once a second where something
    else is at work;
(c) `r50 run` itself: processor time of the parent between the word and the last result, as a share
    of one core, all its doings included.

A minute on an idle machine; (a) and (b) grow with the number of CPUs and processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.contention.processes import read_processes
from resnet50_bench.contention.sampler import read_sample
from resnet50_bench.results.files import read_record

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [str(Path(sys.executable).with_name("r50")), "run", "--accept-noise", "--min-time", "20"]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skip-run", action="store_true", help="leave out (c)")
    skip_run = parser.parse_args().skip_run
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    processes = len(read_processes())
    sample = measure_us(lambda: read_sample(cpus, (0,), cpus[:1]), 1000)
    look = measure_us(read_processes, 50)
    print(f"{len(cpus)} CPUs, {processes} processes")
    print("(a) a sample    ", describe(sample, "us"))
    print("(b) a look      ", describe(look, "us"))
    if skip_run:
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*COMMAND, "--output", folder], check=True, stdout=subprocess.DEVNULL)
        launch = read_record(next(Path(folder).iterdir())).launch
    share = (launch.parent_cpu_ns or 0) / (launch.parent_wall_ns or 1)
    print(f"(c) r50 run       {share:.3%} of one core while the instances measured")


if __name__ == "__main__":
    main()
