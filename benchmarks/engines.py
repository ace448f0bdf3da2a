"""Engines beside each other, interleaved in one run: `python benchmarks/engines.py`.

For each precision that this CPU runs there are two sweeps (`r50 sweep`), whose rounds measure every
engine once in each configuration, in an order of its own each time:

- throughput: an instance on each core, and several batch sizes; compared is each engine's best;
- batch 1: one query at a time on all cores of one instance, with idle cores kept awake where the
  kernel lets them be; compared are the medians of the queries' times.

Told are medians over the rounds and the ratio to TensorFlow within each round. All runs are kept
below `--output`: the same command goes on with what is there, and `--budget` bounds how long it
goes on now. Run it on a quiet machine; four rounds of two engines in one precision take about nine
minutes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet50_bench.config import Mode, Precision
from resnet50_bench.engines import load_engine
from resnet50_bench.engines.offer import require_offered
from resnet50_bench.errors import EngineError, RequestError
from resnet50_bench.host.amx_probe import probe_amx
from resnet50_bench.host.cpu_latency import check_limit
from resnet50_bench.host.machine import Host, read_host
from resnet50_bench.results.files import read_record
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.search.engines import list_engines
from runnable import choose_measured

REFERENCE = "tensorflow"
PER_CORE = "1,8,16"
"""Images per query of an instance of one core."""


@dataclass(frozen=True)
class Result:
    """What an engine reached in a sweep.

    Attributes:
        engine: its name.
        batch_size: the best, or 1.
        values: of each round: images/s, or the median ms of a query.
    """

    engine: str
    batch_size: int
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Over the rounds."""
        return statistics.median(self.values)


def list_offered(names: tuple[str, ...], precision: Precision) -> list[str]:
    """Those that are installed and have the precision; the others are told."""
    offered = []
    for name in names:
        try:
            require_offered(load_engine(name), precision)
        except EngineError as error:
            print(f"left out: {error.message}", file=sys.stderr)
        else:
            offered.append(name)
    return offered


def sweep(flags: list[str], folder: Path, budget: str | None) -> dict[str, Any]:
    """Make a sweep, or go on with it, and return what it found; a wrong one ends the benchmark."""
    command = [str(Path(sys.executable).with_name("r50")), "sweep", "--format", "json", "--wait"]
    command += ["--output", str(folder), *(["--budget", budget] if budget else []), *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in {0, 1}:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def read_value(folder: Path, mode: Mode) -> float:
    """Images/s of a run, or the median time of its queries in ms."""
    kpis = run_kpis(read_record(folder))
    if kpis is None or kpis.latency is None:
        sys.exit(f"{folder} has no figures")
    if mode is Mode.THROUGHPUT:
        return kpis.images_per_s
    return kpis.latency.percentiles[50.0] / 1e6


def find_results(found: dict[str, Any], folder: Path, mode: Mode) -> list[Result]:
    """The best of each engine, by the medians of the rounds."""
    results: dict[str, Result] = {}
    for item in found["measured"]:
        engine = item["set"]["ENGINE"]
        values = tuple(read_value(folder / run, mode) for run in sorted(item["runs"]))
        result = Result(engine, item["batch_size"], values)
        best = results.get(engine)
        sign = 1 if mode is Mode.THROUGHPUT else -1
        if best is None or sign * result.median > sign * best.median:
            results[engine] = result
    return list(results.values())


def list_ratios(result: Result, reference: Result) -> list[float]:
    """Of TensorFlow's value to an engine's, round by round."""
    return [ours / theirs for ours, theirs in zip(reference.values, result.values)]


def show(precision: Precision, mode: Mode, results: list[Result]) -> None:
    """Print a line for each engine."""
    if not results:
        print(f"{precision.value:14}{mode.value:12}no valid run")
    reference = next((item for item in results if item.engine == REFERENCE), None)
    for item in sorted(results, key=lambda item: item.engine != REFERENCE):
        line = f"{precision.value:14}{mode.value:12}{item.engine:13}{item.batch_size:5}"
        line += f"{item.median:11.2f}{len(item.values):7}"
        if reference is not None and item is not reference:
            ratios = list_ratios(item, reference)
            line += f"{statistics.median(ratios):9.3f}  ({min(ratios):.3f} .. {max(ratios):.3f})"
        print(line)


def plan_flags(mode: Mode, host: Host, seconds: float) -> list[str]:
    """What of `r50 sweep` belongs to a mode."""
    amounts = ["--min-time", f"{seconds:g}", "--warmup-steps", "5"]
    if mode is Mode.THROUGHPUT:
        return ["--cores-per-instance", "1", "--batch-size", PER_CORE, "--steps", "5", *amounts]
    cores = host.cores_per_socket(host.sockets[0])
    flags = ["--mode", "latency", "--instances", "1", "--cores-per-instance", str(cores)]
    try:
        check_limit(0)
    except RequestError as error:
        print(f"idle cores may sleep: {error.message}", file=sys.stderr)
    else:
        flags += ["--cpu-latency-limit", "0"]
    return [*flags, "--batch-size", "1", "--steps", "50", *amounts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="all", help="a list with commas")
    parser.add_argument("--precision", action="append", choices=[item.value for item in Precision])
    parser.add_argument("--mode", action="append", choices=["throughput", "latency"])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--budget", help="begin no run of a sweep beyond, e.g. 4m")
    parser.add_argument("--output", type=Path, default=Path("runs/engines"))
    arguments = parser.parse_args()
    host = read_host()
    wanted = [Precision(name) for name in arguments.precision or Precision]
    names = list_engines(arguments.engine)
    found: list[tuple[Precision, Mode, list[Result]]] = []
    for precision in choose_measured(wanted, host.cpu_flags, probe_amx()):
        offered = list_offered(names, precision)
        for name in arguments.mode or ["throughput", "latency"]:
            mode = Mode(name)
            folder = arguments.output / f"{precision.value}-{name}"
            flags = ["--engine", ",".join(offered), "--precision", precision.value]
            flags += [*plan_flags(mode, host, arguments.seconds), "--rounds", str(arguments.rounds)]
            results = find_results(sweep(flags, folder, arguments.budget), folder, mode)
            found.append((precision, mode, results))
    print(
        f"{host.cpu_model}, {host.physical_cores} cores: images/s, or p50 of a query in ms; medians"
    )
    print(f"{'precision':14}{'mode':12}{'engine':13}{'batch':>5}{'value':>11}{'rounds':>7}"
          f"{'TF/it':>9}  (rounds)")  # fmt: skip
    for precision, mode, results in found:
        show(precision, mode, results)


if __name__ == "__main__":
    main()
