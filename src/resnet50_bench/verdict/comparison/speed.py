"""The speeds of repeated runs compared: faster, slower, no difference, or cannot tell yet.

A run is one measurement: what differs between two runs of the same thing, such as where memory
lies, is not in the interval of either, and only repetition shows it. Runs that were made in turns
are compared round by round, so that what changes slowly on the machine falls out of the difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.errors import RequestError
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.stats.effects import Effect, compare_groups, compare_pairs, plan_runs
from resnet50_bench.verdict.comparison.differences import (
    SpeedDifference,
    Weight,
    find_mixed,
    find_speed_differences,
)
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from resnet50_bench.results.record import Record

CONFIDENCE = 0.95

SMALLEST = 0.03
"""The smallest difference that matters unless the user names another one."""

ASSUMED_SCATTER = 0.02
"""Standard deviation between runs of one thing where only one run of each side is there to tell.
Chosen, not measured: repeated runs show the machine's own, which is used as soon as there are any.
"""

ASSUMED_DEGREES = 4.0
"""How well that is known: as from five runs."""

_KNOWN = 1e6
"""Degrees of freedom of what is taken as it is."""

FEWEST_ROUNDS = 4
"""From so many on, rounds are compared pair by pair: of fewer, what pairing gains in scatter is
lost in degrees of freedom."""


class Outcome(str, Enum):
    """What a comparison shows."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference shown"
    UNKNOWN = "cannot tell yet"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of a side.

    Attributes:
        record: of it.
        speed: images per second; in latency mode queries per second of one caller, 1 / mean.
        error: its standard error by the run's own interval, as a part; None of short runs.
    """

    record: Record
    speed: float
    error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The repeated runs of one thing.

    Attributes:
        name: what it is called.
        runs: in the order they were made.
        left_out: runs that do not count, and why.
    """

    name: str
    runs: tuple[Measurement, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def speed(self) -> float:
        """The geometric mean of its runs' speeds."""
        return math.exp(math.fsum(math.log(run.speed) for run in self.runs) / len(self.runs))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedComparison:
    """A side against the first one.

    Attributes:
        side, base: the two.
        place: of the side among all, from 0.
        effect: by how much the side is faster.
        outcome: what that shows.
        more_runs: how many more of each side would tell; 0 where it is told; None if even a
            thousand would not.
        assumed: the scatter between runs is assumed, since there is one run of each side.
    """

    side: Side
    base: Side
    place: int
    effect: Effect
    outcome: Outcome
    more_runs: int | None
    assumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """All sides, what differs between them, and each against the first.

    Attributes:
        mode: throughput or latency.
        sides: the first is what the others are compared with.
        differences: between the runs.
        comparisons: one for each side but the first.
        smallest: the smallest difference that matters, as a part.
    """

    mode: Mode
    sides: tuple[Side, ...]
    differences: tuple[SpeedDifference, ...]
    comparisons: tuple[SpeedComparison, ...]
    smallest: float


def read_side(name: str, records: Sequence[Record], *, force: bool = False) -> Side:
    """Take the runs of one side that count.

    Args:
        name: what to call it.
        records: its runs; of the same thing.
        force: count invalid results too, and runs of different things as one.

    Raises:
        RequestError: there is none that counts, or they are not repetitions of one thing.
    """
    runs, left_out = [], []
    for record in sorted(records, key=_find_time):
        measured = measure_speed(record)
        if isinstance(measured, str):
            left_out.append((record.run_id, measured))
        elif not force and not judge(record).valid:
            left_out.append((record.run_id, "INVALID"))
        else:
            runs.append(measured)
    if not runs:
        reasons = "; ".join(f"{run}: {why}" for run, why in left_out[:3])
        raise RequestError(
            f"{name} holds no run whose speed can be compared: {reasons or 'no run at all'}",
            "`r50 show RUN` says what was wrong; --force compares invalid results all the same",
        )
    mixed = find_mixed([run.record for run in runs])
    if mixed and not force:
        raise RequestError(
            f"the runs of {name} are not one thing repeated: they differ in "
            f"{', '.join(item.what for item in mixed)}",
            "give the runs of one configuration as one side; --force takes them as they are",
        )
    return Side(name=name, runs=tuple(runs), left_out=tuple(left_out))


def compare_speeds(
    sides: Sequence[Side], smallest: float = SMALLEST, *, force: bool = False
) -> Speeds:
    """Compare each side with the first one.

    Args:
        sides: two or more.
        smallest: the smallest difference that matters, as a part.
        force: compare what measures different things, too.

    Raises:
        RequestError: they measure different things, and it is not forced; or different modes.
    """
    records = [[run.record for run in side.runs] for side in sides]
    differences = find_speed_differences(records)
    modes = {record.config.mode for side in records for record in side}
    if len(modes) > 1:
        raise RequestError(
            "throughput and latency are no two measurements of one thing",
            "compare runs of one mode",
        )
    forbidding = [item for item in differences if item.weight is Weight.FORBIDS]
    if forbidding and not force:
        listed = "; ".join(f"{item.what}: {' | '.join(item.values)}" for item in forbidding)
        raise RequestError(
            f"these runs are not measurements of one thing: {listed}",
            "--force compares them all the same, where just that is the question",
        )
    # Of several comparisons, all are right with 95 % (Bonferroni).
    confidence = 1 - (1 - CONFIDENCE) / (len(sides) - 1)
    return Speeds(
        mode=modes.pop(),
        sides=tuple(sides),
        differences=differences,
        comparisons=tuple(
            _compare(sides, place, confidence, smallest) for place in range(1, len(sides))
        ),
        smallest=smallest,
    )


def _compare(
    sides: Sequence[Side], place: int, confidence: float, smallest: float
) -> SpeedComparison:
    base, side = sides[0], sides[place]
    effect = _find_effect(base, side, confidence)
    outcome = judge_effect(effect, smallest)
    have = min(len(base.runs), len(side.runs))
    assumed = len(base.runs) + len(side.runs) == 2
    # What is assumed is not known better by being careful with it.
    planned = replace(effect, degrees=_KNOWN) if assumed else effect
    return SpeedComparison(
        side=side,
        base=base,
        place=place,
        effect=effect,
        outcome=outcome,
        more_runs=plan_more(planned, smallest, have) if outcome is Outcome.UNKNOWN else 0,
        assumed=assumed,
    )


def _find_effect(base: Side, side: Side, confidence: float) -> Effect:
    rounds = find_rounds(base, side)
    if len(rounds) >= FEWEST_ROUNDS:
        first, second = zip(*rounds, strict=True)
        return compare_pairs(first, second, confidence)
    first, second = (tuple(run.speed for run in item.runs) for item in (base, side))
    if len(first) + len(second) > 2:
        return compare_groups(first, second, confidence)
    within = math.fsum((item.runs[0].error or 0.0) ** 2 for item in (base, side))
    return Effect(
        log_ratio=math.log(second[0] / first[0]),
        error=math.sqrt(within + 2 * ASSUMED_SCATTER**2),
        degrees=ASSUMED_DEGREES,
        confidence=confidence,
        scatter=math.sqrt(within / 2 + ASSUMED_SCATTER**2),
    )


def find_rounds(base: Side, side: Side) -> list[tuple[float, float]]:
    """Return the speeds of runs that were made in turns, round by round; [] if they were not.

    In each round both sides ran once, in any order, before the next round began. A last round that
    was not completed does not count.
    """
    made = sorted(
        (*_find_time(run.record), number, run.speed)
        for number, item in enumerate((base, side))
        for run in item.runs
    )
    rounds = []
    for first, second in zip(made[::2], made[1::2]):
        (*_, one, one_speed), (*_, other, other_speed) = first, second
        if one == other:
            return []
        rounds.append((one_speed, other_speed) if one == 0 else (other_speed, one_speed))
    return rounds


def judge_effect(effect: Effect, smallest: float) -> Outcome:
    """Say what an interval shows."""
    if effect.low > 0:
        return Outcome.FASTER
    if effect.high < 0:
        return Outcome.SLOWER
    bound = math.log1p(smallest)
    if abs(effect.log_ratio) + effect.half_width < bound:
        return Outcome.NO_DIFFERENCE
    return Outcome.UNKNOWN


def plan_more(effect: Effect, smallest: float, have: int) -> int | None:
    """Return how many more runs of each side would tell.

    Enough to find a difference of `smallest` with the usual power; where there are as many already,
    enough for the interval to fall on one side of 0 or within the smallest difference, should the
    effect stay what it is.
    """
    planned = plan_runs(effect, smallest)
    if planned is None or planned > have:
        return None if planned is None else planned - have
    seen = abs(effect.log_ratio)
    needed = max(seen, math.log1p(smallest) - seen)
    return max(1, math.ceil(have * (effect.half_width / needed) ** 2) - have)


def measure_speed(record: Record) -> Measurement | str:
    """Return the speed of a run, or why it has none."""
    if record.evaluation is not None or record.config.mode is Mode.ACCURACY:
        return "it measured accuracy: `r50 accuracy compare` compares that"
    kpis = run_kpis(record)
    if kpis is None:
        return f"it has no result ({record.status})"
    interval = kpis.throughput_interval
    error = interval.error / interval.mean if interval is not None else None
    if record.config.mode is Mode.THROUGHPUT:
        return Measurement(record, kpis.images_per_s, error)
    if kpis.latency is None:
        return "no query lies whole in its window"
    return Measurement(record, 1e9 / kpis.latency.mean_ns, error)


def _find_time(record: Record) -> tuple[str, int]:
    """When it was made: to the second, and within that by the clock of its host."""
    begins = [lane.start_ns[0] for item in record.instances for lane in item.lanes if lane.start_ns]
    return record.created, min(begins, default=0)
