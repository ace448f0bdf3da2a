"""Does `r50 tune` find what the exhaustive grid finds, in a fraction of its time?

    python benchmarks/tune.py                          race the recorded grids, ten seeds each
    python benchmarks/tune.py --record avx_int8        add a round of this machine's grid (minutes)
    python benchmarks/tune.py --generate               write the synthetic grids anew

A grid's time is that of a whole `r50 run` of each configuration: start, five queries of warm-up, 30
queries and 20 s at least, and the start of the proof. The race's time is that of its starts, its
trials and the run that confirms the winner. Exit code 1 when a race found less than 98 % of the
grid's best, or took more than 20 % of its time.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import random
import statistics
import sys
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from resnet50_bench.cli.tune.request import Search, TuneOptions, plan_search
from resnet50_bench.search.race.costs import Trial, plan_costs
from resnet50_bench.search.race.decision import Rules
from resnet50_bench.search.race.loop import run_race
from resnet50_bench.search.race.recorded import (
    RECORDED,
    Noise,
    RecordedGrid,
    RecordedRow,
    RecordedTrack,
    center_rounds,
)
from resnet50_bench.search.race.score import QUERY_DEGREES, QUERY_DEVIATION
from resnet50_bench.stats.intervals import t_quantile

GRIDS = Path(__file__).parent / "grids"
SEEDS = 10
NEEDED_SHARE = 0.98
ALLOWED_TIME = 0.20
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
FLOP_PER_IMAGE = 8.18e9
LAYERS = 54
PASSES = 2
"""Trials of a configuration in each recorded start."""

Rounds = tuple[tuple[float, ...], ...]
"""Images/s of one configuration: of each start, what its trials measured."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("grids", nargs="*", type=Path, help="[default: all in benchmarks/grids]")
    parser.add_argument("--record", metavar="PRECISION")
    parser.add_argument("--batch-size", default="1..32", metavar="LIST", help="of --record")
    parser.add_argument("--generate", action="store_true")
    asked = parser.parse_args()
    if asked.generate:
        return generate()
    if asked.record is not None:
        return record(asked.record, asked.batch_size)
    paths = asked.grids or sorted(GRIDS.glob("*.json"))
    return max(race(msgspec.json.decode(path.read_bytes(), type=RecordedGrid)) for path in paths)


def race(grid: RecordedGrid) -> int:
    """Race a grid with ten seeds; return 1 when one of them misses."""
    kind = "synthetic" if grid.synthetic else "measured"
    near = sum(row.rate >= NEEDED_SHARE * grid.best for row in grid.rows)
    print(
        f"{grid.name} ({kind}): {len(grid.rows)} configurations, {near} of them within 2 % of "
        f"the best, {grid.best:.1f} images/s; the grid takes {grid.grid_s:.0f} s"
    )
    shares, times = [], []
    for seed in range(SEEDS):
        track = RecordedTrack(grid, seed)
        outcome = run_race(grid.plan_entrants(), Rules(seed=seed), track)
        found = grid.rows[outcome.winner].rate if outcome.winner is not None else 0.0
        shares.append(found / grid.best)
        times.append(track.spent_s() / grid.grid_s)
        print(f"  seed {seed}: {shares[-1]:.2%} of the best in {times[-1]:.1%} of the time, "
              f"{len(outcome.race.trials)} trials; {outcome.finish.reason.name}")  # fmt: skip
    print(f"  worst {min(shares):.2%}, mean {statistics.fmean(shares):.2%} of the best; "
          f"longest {max(times):.1%}, mean {statistics.fmean(times):.1%} of the time")  # fmt: skip
    return int(min(shares) < NEEDED_SHARE or max(times) > ALLOWED_TIME)


def generate() -> int:
    """Write grids of larger machines, by a model of throughput; see `model_query_s`."""
    noise = Noise(start=0.01, trial=0.0, query=0.02, slowed=0.02, slowest=0.10)
    machines = {
        "synthetic-16-cores-fp32": Machine(16, 200e9 * 0.85, 40e-6, 1, 11),
        "synthetic-56-cores-int8": Machine(56, 2.8e12 * 0.3, 15e-6, 3, 12),
        "synthetic-96-cores-bf16": Machine(96, 600e9 * 0.8, 20e-6, 2, 13),
    }
    for name, machine in machines.items():
        grid = RecordedGrid(
            name=name,
            provenance=(
                "SYNTHETIC: computed by benchmarks/tune.py --generate, measured nowhere; the noise "
                "was chosen: 1 % between starts, 2 % between queries"
            ),
            synthetic=True,
            start_s=9.0,
            overhead_s=1.0,
            noise=noise,
            rows=tuple(machine.list_rows()),
        )
        write(grid)
    return 0


class Machine:
    """A socket as the model sees it.

    Args:
        cores: of the socket.
        flop_s: that a core reaches in convolutions.
        barrier_s: that one of a layer's barriers costs for each doubling of the threads.
        allocators: how many there are; all but the first are variants.
        seed: of the roughness that no model has.
    """

    def __init__(
        self, cores: int, flop_s: float, barrier_s: float, allocators: int, seed: int
    ) -> None:
        self.cores, self.flop_s, self.barrier_s = cores, flop_s, barrier_s
        self.allocators = allocators
        self.random = random.Random(seed)

    def list_rows(self) -> list[RecordedRow]:
        """Every combination of cores, callers, sharing, allocator and batch size."""
        rows: list[RecordedRow] = []
        bases: dict[str, int] = {}
        sizes = [size for size in range(1, self.cores + 1) if self.cores % size == 0]
        for allocator in range(self.allocators):
            for size in sizes:
                for way in ("threads", "callers", "shared")[: 3 if size > 1 else 1]:
                    for batch_size in BATCH_SIZES:
                        if way != "threads" and batch_size < size:
                            continue
                        name = f"batch {batch_size}, {self.cores // size} x {size} cores, {way}"
                        base = bases.setdefault(name, len(rows)) if allocator else None
                        bases.setdefault(name, len(rows))
                        rows.append(self.make_row((name, way, allocator), size, batch_size, base))
        return rows

    def make_row(
        self, what: tuple[str, str, int], size: int, batch_size: int, base: int | None
    ) -> RecordedRow:
        """One configuration: its name, its way to use cores and its allocator; and its size."""
        name, way, allocator = what
        query_s = self.model_query_s(way, size, batch_size)
        query_s *= math.exp(self.random.gauss(0, 0.015) + self.random.gauss(0, 0.005) * allocator)
        lanes = self.cores // size
        return RecordedRow(
            configuration=f"{name}, allocator {allocator}",
            start=f"{lanes} x {size} {way} {allocator}",
            lanes=lanes,
            cores=size,
            batch_size=batch_size,
            images_per_s=((lanes * batch_size / query_s,),),
            base=base,
        )

    def model_query_s(self, way: str, size: int, batch_size: int) -> float:
        """Seconds of a query: work, barriers, cores left over, and caches.

        Threads inside an operation meet at a barrier after each of the 54 layers; callers meet once
        a query, and wait for the one with most images. A core that holds more than four images'
        activations works 2 % slower for each doubling.
        """
        most = math.ceil(batch_size / size) if way != "threads" else batch_size / size
        work_s = most * FLOP_PER_IMAGE / self.flop_s
        doublings = math.log2(size)
        barriers = LAYERS if way == "threads" else 2
        call_s = LAYERS * 8e-6
        caches = 1 + 0.02 * max(0.0, math.log2(max(1.0, batch_size / size / 4)))
        sharing = 1.01 if way == "shared" else 1.0
        return work_s * caches * sharing + barriers * doublings * self.barrier_s + call_s


def record(precision: str, batch_sizes: str) -> int:
    """Measure every configuration of this machine once more, in starts of its own."""
    from resnet50_bench.cli.tune.command import _PARAMETERS

    flags = dict.fromkeys(item.name for item in _PARAMETERS)
    options = TuneOptions(
        objective="throughput", sla=None, budget=None, within="2%", batch_size=batch_sizes,
        cores_per_instance=None, instances=None, weight_sharing=None, allocator="system",
        engine=None, output=Path("runs"), form="text", wait=False, show=False, dry_run=False,
        flags={**flags, "PRECISION": precision},
    )  # fmt: skip
    search = plan_search(options, _PARAMETERS)
    path = GRIDS / f"measured-{search.host.physical_cores}-cores-{precision}.json"
    before = msgspec.json.decode(path.read_bytes(), type=RecordedGrid) if path.exists() else None
    number = len(before.rows[0].images_per_s) if before is not None else 0
    trials = measure_round(search, number)
    write(make_grid(search, trials, before, precision))
    return 0


def measure_round(search: Search, number: int) -> list[Trial]:
    """Measure each configuration, those of one start together, in a seeded order.

    A start measures all of its configurations, and then all of them again: so what trials within a
    start differ by can be told from what starts differ by.
    """
    import tempfile

    from resnet50_bench.contention.cpu_lock import hold_cpus
    from resnet50_bench.search.race.decision import Measure
    from resnet50_bench.session.contention import list_plan_cpus
    from resnet50_bench.session.race import HostTrack, Stadium, Watcher
    from resnet50_bench.session.stages import Silence

    order = random.Random(number)
    starts = sorted({entrant.start for entrant in search.entrants})
    order.shuffle(starts)
    cpus = {cpu for plan in search.plans for cpu in list_plan_cpus(plan)}
    trials = []
    with tempfile.TemporaryDirectory() as folder, hold_cpus(cpus, sys.argv, os.environ) as lock:
        watcher = Watcher(lambda *_: None, lambda _: None, Silence())
        stadium = Stadium(plans=search.plans, question=search.question, folder=Path(folder),
                          command=sys.argv, lock=lock, confirm_s=0.0, watcher=watcher)  # fmt: skip
        with HostTrack(stadium) as track:
            for place, key in enumerate(starts, 1):
                same = [entrant for entrant in search.entrants if entrant.start == key]
                passes = [order.sample(same, len(same)) for _ in range(PASSES)]
                for turn, entrant in enumerate(itertools.chain(*passes)):
                    step = Measure(entrant.number, RECORDED, turn == 0, 0.0)
                    trials.append(track.measure(step, place))
                    print(f"round {number}: {trials[-1]}", flush=True)
    return trials


def make_grid(
    search: Search, trials: list[Trial], before: RecordedGrid | None, precision: str
) -> RecordedGrid:
    """Return the grid with one more round, and the noise that its rounds show."""
    from resnet50_bench.search.race.space import describe_plan

    host, now = search.host, datetime.now(timezone.utc)
    starts = list(dict.fromkeys(entrant.start for entrant in search.entrants))
    rates = [
        (*(before.rows[entrant.number].images_per_s if before else ()),
         tuple(trial.score for trial in trials if trial.entrant == entrant.number))
        for entrant in search.entrants
    ]  # fmt: skip
    disturbed = sum(trial.disturbed for trial in trials)
    provenance = (
        f"round of {now:%Y-%m-%d %H:%M} UTC: measured on {host.physical_cores} cores of an "
        f"{host.cpu_model} by `python benchmarks/tune.py --record {precision}`, "
        f"{len(rates[0][-1])} trials of 1.5 s and 3 queries at least in each start; other work had "
        f"the cores in {disturbed} of {len(trials)} trials, which were made twice"
    )
    costs = plan_costs(search.entrants, [trial for trial in trials if trial.attempts == 1])
    return RecordedGrid(
        name=f"measured-{host.physical_cores}-cores-{precision}",
        provenance=f"{before.provenance}; {provenance}" if before else provenance,
        synthetic=False,
        start_s=costs.start_s,
        overhead_s=costs.overhead_s,
        noise=estimate_noise(rates, trials),
        rows=tuple(
            RecordedRow(
                configuration=describe_plan(plan),
                start=f"start {starts.index(entrant.start)}",
                lanes=entrant.lanes,
                cores=plan.placement.cores_per_instance,
                batch_size=plan.workload.batch_size,
                images_per_s=rates[entrant.number],
                base=entrant.base,
            )
            for plan, entrant in zip(search.plans, search.entrants)
        ),
    )


def estimate_noise(rates: list[Rounds], trials: list[Trial]) -> Noise:
    """Return how measurements scatter; what queries explain of a trial is not counted twice.

    Args:
        rates: of each configuration, in each round.
        trials: of the last round.
    """
    start, trial = find_components(center_rounds(rates))
    query = statistics.median(map(find_query_deviation, trials))
    shown = statistics.fmean(query**2 / item.queries for item in trials)
    return Noise(
        start=math.sqrt(start),
        trial=math.sqrt(max(0.0, trial - shown)),
        query=query,
        slowed=0.0,
        slowest=0.0,
    )


def find_components(rows: list[list[list[float]]]) -> tuple[float, float]:
    """Return the variances of starts, and of trials within a start; 1e-4 and 0 of a single round.

    The means of starts scatter by the variance of starts, and that of trials over their number.
    Where that leaves less than nothing for starts, it is nothing, and all trials together show
    what trials scatter by (S. R. Searle, G. Casella and C. E. McCulloch 1992, Variance Components,
    ch. 3 and 4).
    """
    count = len(rows[0])
    if count < 2:
        return 1e-4, 0.0
    inner = [start for row in rows for start in row]
    trial = add_squares(inner) / max(1, sum(len(start) - 1 for start in inner))
    means = [[statistics.fmean(start) for start in row] for row in rows]
    degrees = (len(rows) - 1) * (count - 1)
    start = add_squares(means) / degrees
    start -= trial * statistics.fmean(1 / len(start) for start in rows[0])
    if start >= 0:
        return start, trial
    whole = [[value for start in row for value in start] for row in rows]
    return 0.0, add_squares(whole) / (sum(map(len, whole)) - len(rows) - count + 1)


def add_squares(groups: list[list[float]]) -> float:
    """Return the squares around the mean of each group, added up."""
    means = map(statistics.fmean, groups)
    return sum((value - mean) ** 2 for group, mean in zip(groups, means) for value in group)


def find_query_deviation(trial: Trial) -> float:
    """Return what the queries of a trial scatter by: its half width, without the prior in it."""
    degrees = QUERY_DEGREES + trial.queries - 1
    deviation = trial.half_width * math.sqrt(trial.queries) / t_quantile(degrees)
    squares = degrees * deviation**2 - QUERY_DEGREES * QUERY_DEVIATION**2
    return math.sqrt(max(0.0, squares) / (trial.queries - 1))


def write(grid: RecordedGrid) -> None:
    GRIDS.mkdir(exist_ok=True)
    path = GRIDS / f"{grid.name}.json"
    # A configuration a line: short, and changes of one can be seen.
    head = msgspec.structs.asdict(grid)
    rows = head.pop("rows")
    lines = b",\n".join(b"  " + msgspec.json.encode(row) for row in rows)
    start = msgspec.json.format(msgspec.json.encode(head), indent=1).removesuffix(b"\n}")
    path.write_bytes(start + b',\n "rows": [\n' + lines + b"\n ]\n}\n")
    print(f"{path}: {len(grid.rows)} configurations")


if __name__ == "__main__":
    sys.exit(main())
