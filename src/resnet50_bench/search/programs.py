"""Our figure of an engine beside that of its own benchmark program: what it takes and shows.

Two ways are measured, as far as an engine has them: one query after the other on all cores of a
socket, and a stream on each of them.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resnet50_bench.errors import HostError
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.stats.intervals import estimate_rounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.engines.tools import ToolFigures
    from resnet50_bench.results.record import Record

CLOSE = 0.01
"""A figure within 1 % of the program's own is the same."""


@dataclass(frozen=True, slots=True)
class Way:
    """How queries are made.

    Attributes:
        name: for people.
        config: of our run.
        streams: that make queries at once.
    """

    name: str
    config: RunConfig
    streams: int


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a round measured of a way.

    Attributes:
        ours: images/s of our run.
        theirs: of the program.
        between: share of our run's time between the end of a query and the begin of the next.
    """

    ours: float
    theirs: float
    between: float

    @property
    def ratio(self) -> float:
        """Ours / theirs."""
        return self.ours / self.theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What all rounds of a way say.

    Attributes:
        way: its name.
        ours, theirs: medians of images/s; None where no round was valid.
        ratio: median of the rounds' ratios, ours / theirs; None likewise.
        interval: 95 % interval of their mean; None of one round.
        close: whether the ratio is within 1 % of 1.
        reason: why it is not, as far as that was measured; None where it is.
        rounds: how many there were, with a valid run of ours.
    """

    way: str
    ours: float | None
    theirs: float | None
    ratio: float | None
    interval: tuple[float, float] | None
    close: bool
    reason: str | None
    rounds: int


def plan_ways(config: RunConfig, cores: int) -> tuple[Way, Way]:
    """Return the ways of an engine on the cores of a socket.

    Args:
        config: what was asked; how its queries are made follows.
        cores: of the socket.
    """
    whole = replace(config, instances=1, cores_per_instance=cores, weight_sharing=False)
    streams = replace(
        config, instances=cores, cores_per_instance=1, weight_sharing=True, force=True
    )
    return Way("one query at a time", whole, 1), Way("a stream on each core", streams, cores)


def plan_meetings(ways: Sequence[Way], rounds: int, seed: int) -> Iterator[tuple[int, Way, bool]]:
    """Yield the number of the round, the way, and whether it is the program's turn, in their order.

    In each round the ways come in an order of their own, and who is first is drawn, too.
    """
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    for number in range(1, rounds + 1):
        for way in order.sample(list(ways), len(ways)):
            for is_tool in order.sample([False, True], 2):
                yield number, way, is_tool


def measure_between(record: Record) -> float:
    """Return the share of a run's time in which no query was made, 0..1; of all that make some."""
    idle = span = 0
    for lane in (lane for item in record.instances for lane in item.lanes if lane.end_ns):
        span += lane.end_ns[-1] - lane.start_ns[0]
        busy = sum(end - start for start, end in zip(lane.start_ns, lane.end_ns))
        idle += lane.end_ns[-1] - lane.start_ns[0] - busy
    return idle / span if span else 0.0


def meet(record: Record, figures: ToolFigures) -> Meeting:
    """Put our run beside what the program reports.

    Raises:
        HostError: our run has no figure.
    """
    kpis = run_kpis(record)
    if kpis is None:
        raise HostError(f"the run {record.run_id} has no figure", "`r50 show` tells why")
    return Meeting(kpis.images_per_s, figures.images_per_s, measure_between(record))


def conclude(way: Way, meetings: Sequence[Meeting]) -> Peer:
    """Say what the rounds of a way show."""
    if not meetings:
        return Peer(way=way.name, ours=None, theirs=None, ratio=None, interval=None, close=False,
                    reason="no round had a valid run of ours", rounds=0)  # fmt: skip
    ratios = [item.ratio for item in meetings]
    ratio = statistics.median(ratios)
    interval = estimate_rounds(ratios) if len(ratios) > 1 else None
    close = abs(ratio - 1) <= CLOSE
    return Peer(
        way=way.name,
        ours=statistics.median(item.ours for item in meetings),
        theirs=statistics.median(item.theirs for item in meetings),
        ratio=ratio,
        interval=interval,
        close=close,
        reason=None if close else _explain(interval, meetings),
        rounds=len(meetings),
    )


def _explain(interval: tuple[float, float] | None, meetings: Sequence[Meeting]) -> str:
    """Name what was measured of the difference, and what the two do differently."""
    if interval is None:
        return "one round tells no difference from an accident: --rounds"
    low, high = interval
    if low <= 1 + CLOSE and high >= 1 - CLOSE:
        return (
            f"not told apart from 1 %: by the spread of the rounds the ratio is {low:.3f} .. "
            f"{high:.3f}; more --rounds, or a quieter machine"
        )
    between = statistics.median(item.between for item in meetings)
    return (
        f"certain by the rounds; {between:.2%} of our time is between queries, and the program "
        "classifies one batch of random values again and again, which stays in the caches, where "
        "we have 128 different images"
    )
