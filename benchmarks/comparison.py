"""How often a comparison of two sides is wrong, and how often it finds 3 %:
`python benchmarks/comparison.py`.

(a) 400 A/A comparisons of each kind of series: both sides are the same thing, so each one that is
    called faster or slower is an error; 5 % are to be expected of 95 % intervals, 3 to 7 % by luck.
(b) 400 plans: a pilot of `PILOT` runs of each side, of which the second is truly 3 % slower, is
    asked how many runs it takes; then so many are made anew and compared. At least 80 % have to
    find it.

Synthetic series are what runs of a quiet machine, one that drifts, and one that is disturbed now
and then would show. Recorded series are real ones: the throughputs of short runs of one
configuration, one after the other, in `recorded_runs.json`; from these, stretches that begin
anywhere are taken, and within each round it is left to chance which of the neighbours is A and
which is B. `python benchmarks/comparison.py --record null fp32` makes these anew on this machine,
in about seven minutes; `--record int8 --runs 20` adds so many runs to those of TensorFlow in int8:
they take nearly half a minute each, so a long series is made bit by bit. Runs that are INVALID are
left out, as `r50 compare` leaves them out.

Ends in 1 when a rate of errors, or of what is found in synthetic series, is not what is promised.
What a recorded series lets be found is told and not judged: where one run in twenty loses a third
of its speed, a pilot that saw none of these plans too little. `--comparisons` and `--seed` change
number and luck.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnet50_bench.results.files import read_record
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.record import Record
from resnet50_bench.stats.effects import Effect, compare_groups, compare_pairs, plan_runs
from resnet50_bench.verdict.comparison.speed import (
    FEWEST_ROUNDS,
    SMALLEST,
    Outcome,
    judge_effect,
)
from resnet50_bench.verdict.conditions import list_taken
from resnet50_bench.verdict.judge import judge

Floats = npt.NDArray[np.float64]
Random = np.random.Generator
Source = Callable[[int, Random], Floats]
"""How many runs, one after the other, and luck -> their speeds."""

Series = dict[str, Any]
"""A recorded one: `what` it is, and its `speeds` in images/s."""

COMPARISONS = 400
PILOT = 5
LARGEST_ERROR = 0.07
LEAST_FOUND = 0.8

RECORDED = Path(__file__).with_name("recorded_runs.json")


def make_quiet(count: int, random: Random) -> Floats:
    """Runs differ by 1 %."""
    return np.exp(0.01 * random.standard_normal(count))


def make_drifting(count: int, random: Random) -> Floats:
    """A random walk of 0.5 % a run beside that."""
    walk = np.cumsum(0.005 * random.standard_normal(count))
    return np.exp(walk + 0.01 * random.standard_normal(count))


def make_disturbed(count: int, random: Random) -> Floats:
    """One run in ten is up to 10 % slower."""
    hit = (random.random(count) < 0.1) * random.uniform(0.0, 0.1, count)
    return make_quiet(count, random) * (1 - hit)


def read_recorded() -> dict[str, Source]:
    """The recorded series, each as a source of stretches."""

    def make(values: Floats) -> Source:
        def take(count: int, random: Random) -> Floats:
            # Beyond its end the series begins again: there are plans longer than any recording.
            return np.resize(np.roll(values, -random.integers(len(values))), count)

        return take

    series = json.loads(RECORDED.read_text())["series"]
    return {f"recorded: {name}": make(np.array(item["speeds"])) for name, item in series.items()}


SYNTHETIC: dict[str, Source] = {
    "quiet": make_quiet,
    "drifting": make_drifting,
    "disturbed": make_disturbed,
}


def make_rounds(source: Source, count: int, random: Random) -> tuple[Floats, Floats]:
    """Two sides of so many runs, made in turns, in random order within each round."""
    rounds = source(2 * count, random).reshape(count, 2)
    rounds = random.permuted(rounds, axis=1)
    return rounds[:, 0], rounds[:, 1]


def make_blocks(source: Source, count: int, random: Random) -> tuple[Floats, Floats]:
    """Two sides of which chance decides run by run whose turn it is."""
    values = random.permutation(source(2 * count, random))
    return values[:count], values[count:]


def compare(first: Floats, second: Floats, *, paired: bool) -> Effect:
    paired = paired and len(first) >= FEWEST_ROUNDS
    return (compare_pairs if paired else compare_groups)(first.tolist(), second.tolist())


def count_errors(source: Source, runs: int, comparisons: int, random: Random) -> float:
    """The share of A/A comparisons that are called different."""
    errors = 0
    for number in range(comparisons):
        paired = number % 2 == 0
        sides = (make_rounds if paired else make_blocks)(source, runs, random)
        outcome = judge_effect(compare(*sides, paired=paired), SMALLEST)
        errors += outcome in {Outcome.FASTER, Outcome.SLOWER}
    return errors / comparisons


def count_found(source: Source, comparisons: int, random: Random) -> tuple[float, float]:
    """The share of planned comparisons that find a side 3 % slower, and the median of the plans.

    A pilot that says that not even a thousand runs would do has promised nothing.
    """
    found, plans = 0, []
    for number in range(comparisons):
        paired = number % 2 == 0
        make = make_rounds if paired else make_blocks
        first, second = make(source, PILOT, random)
        planned = plan_runs(compare(first, second * (1 - SMALLEST), paired=paired), SMALLEST)
        if planned is None:
            continue
        runs = max(planned, 2)
        first, second = make(source, runs, random)
        outcome = judge_effect(compare(first, second * (1 - SMALLEST), paired=paired), SMALLEST)
        found += outcome is Outcome.SLOWER
        plans.append(runs)
    return (found / len(plans), float(np.median(plans))) if plans else (1.0, math.inf)


def record(kinds: list[str], count: int) -> None:
    """Add the throughputs of runs on this machine, and of stretches of one run, to the series."""
    series = json.loads(RECORDED.read_text())["series"] if RECORDED.exists() else {}
    for kind in kinds:
        name, make = SERIES[kind]
        found = make(count)
        series[name] = join(series.get(name), found) if kind == "int8" else found
        RECORDED.write_text(json.dumps({"series": series}, indent=1) + "\n")


def join(before: Series | None, after: Series) -> Series:
    if before is None:
        return after
    return {"what": f"{before['what']}; {after['what']}",
            "speeds": before["speeds"] + after["speeds"]}  # fmt: skip


def record_null(count: int) -> Series:
    return measure_runs(count, ["--engine", "null", "--engine-option", "query_ms=10",
        "--instances", "2", "--cores-per-instance", "1", "--min-time", "0.5"])  # fmt: skip


def record_int8(count: int) -> Series:
    return measure_runs(count, ["--precision", "avx_int8", "--batch-size", "16", "--min-time", "2"])


def measure_runs(count: int, flags: list[str]) -> Series:
    """So many runs one after the other, or until Ctrl-C; the speeds of those that are VALID."""
    runs: list[Record] = []
    try:
        for number in range(count):
            print(f"\r{number}/{count} {' '.join(flags)}", end="", flush=True)
            runs.append(measure(flags))
    except KeyboardInterrupt:
        print(" interrupted", end="")
    print()
    if not runs:
        sys.exit("no run was complete: nothing is recorded")
    valid = [(kpis, run) for run in runs if judge(run).valid and (kpis := run_kpis(run))]
    taken = [find_taken(run) for _, run in valid] or [0.0]
    what = (
        f"{len(valid)} VALID of {len(runs)} runs on {describe_machine(runs[-1])}; other work took "
        f"{np.mean(taken):.1%} of them on average, {max(taken):.1%} at most"
    )
    return {"what": what, "speeds": [round(kpis.images_per_s, 4) for kpis, _ in valid]}


def record_stretches(_count: int) -> Series:
    return measure_stretches(10, 150)


def measure_stretches(queries: int, seconds: int) -> Series:
    """One run of one instance, cut in stretches of so many queries; their speeds."""
    run = measure(["--batch-size", "1", "--min-time", str(seconds)])
    ends = np.array(run.instances[0].end_ns)[::queries]
    what = (
        f"{len(ends) - 1} stretches of {queries} queries of a run of {seconds} s on "
        f"{describe_machine(run)}; other work took {find_taken(run):.1%} of it"
    )
    return {"what": what, "speeds": (queries * 1e9 / np.diff(ends)).round(4).tolist()}


def measure(flags: list[str]) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "resnet50_bench",
            "run",
            "--wait",
            "--output",
            folder,
            *flags,
        ]
        subprocess.run(command, check=False, capture_output=True)
        [place] = Path(folder).iterdir()
        return read_record(place)


def find_taken(run: Record) -> float:
    """Which part of its CPUs' time other work took, of the instance that lost most."""
    taken = [item.taken.window.total for item in list_taken(run, run_kpis(run))]
    return max(taken, default=0.0)


def describe_machine(run: Record) -> str:
    return f"{len(run.host.cores)} cores of an {run.host.cpu_model}"


SERIES: dict[str, tuple[str, Callable[[int], Series]]] = {
    "null": ("null engine, runs of 0.5 s", record_null),
    "int8": ("tensorflow int8, batch 16, runs of 2 s", record_int8),
    "fp32": ("tensorflow fp32, batch 1, stretches of a run", record_stretches),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--comparisons", type=int, default=COMPARISONS, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", nargs="+", choices=SERIES, help="series of this machine")
    parser.add_argument("--runs", type=int, default=60, help="to record, of null and int8")
    arguments = parser.parse_args()
    if arguments.record:
        record(arguments.record, arguments.runs)
        return 0
    failed = []
    sources = {**SYNTHETIC, **read_recorded()}
    width = max(map(len, sources))
    print(f"{'':{width}} called different in A/A, by runs a side    a true {SMALLEST:.0%}")
    print(
        f"{'':{width}} {'3':>7} {'5':>7} {'10':>7} {'all':>7}    {'found':>7} {'with (median)':>14}"
    )
    for place, (name, source) in enumerate(sources.items()):
        random = np.random.default_rng([arguments.seed, place])
        shares = [count_errors(source, runs, arguments.comparisons, random) for runs in (3, 5, 10)]
        total = sum(shares) / len(shares)
        found, plan = count_found(source, arguments.comparisons, random)
        columns = " ".join(f"{share:7.1%}" for share in [*shares, total])
        print(f"{name:{width}} {columns}    {found:7.1%} {plan:9.0f} runs")
        if total > LARGEST_ERROR or (name in SYNTHETIC and found < LEAST_FOUND):
            failed.append(name)
    if failed:
        print(f"not as promised: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
