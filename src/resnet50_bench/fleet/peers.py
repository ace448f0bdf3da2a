"""Machines of one model beside each other: which are slow, in what, and what is set otherwise.

Only runs that may be compared stand beside each other: what forbids a comparison (another CPU,
model, precision, ...) and what was asked for otherwise (batch size, instances, ...) keeps them
apart. What may differ within a group of peers is what is found of the machine and its software: it
is the question.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.results.efficiency import EnergyUse, compute_cost, compute_energy
from resnet50_bench.results.kpi import reported, run_kpis
from resnet50_bench.stats.outliers import BOUND, FEWEST, score
from resnet50_bench.verdict.comparison.differences import UNKNOWN, read_asked, read_found
from resnet50_bench.verdict.comparison.speed import SMALLEST, measure_speed
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from resnet50_bench.results.record import InstanceRecord, Record

FLOOR = 0.005
"""The scatter between hosts is taken to be this at least, as a part: as much as between the runs of
one idle host."""

_JOULES_PER_KWH = 3.6e6
_COUNTED_IMAGES = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRun:
    """What is kept of one run: little, so that thousands fit.

    Attributes:
        host: its name in the fleet.
        machine: what kind it is of: CPU, sockets, cores.
        asked: what makes runs comparable, by name.
        found: what sways the speed and may differ, by name.
        unit: of the speeds.
        speed: images per second; in latency mode queries per second of one caller.
        instance_speeds: queries per second of each instance, in their order.
        kwh: energy of a million images; None where it is not known.
        cost: of a million images, in the currency of the price; None without a price.
        images_per_s: the throughput.
    """

    host: str
    machine: str
    asked: Mapping[str, str]
    found: Mapping[str, str]
    unit: str
    speed: float
    instance_speeds: tuple[float, ...]
    kwh: float | None
    cost: float | None
    images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowInstance:
    """An instance of a slow host that is slow beside those of its number on the other hosts."""

    number: int
    change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is set otherwise on a slow host than on most of the fast ones.

    Attributes:
        what: in a few words.
        value: on the slow host.
        usual: on most of the fast ones.
        fast: how many are fast.
        fast_usual: and have the usual value.
        fast_same: and have the slow host's.
    """

    what: str
    value: str
    usual: str
    fast: int
    fast_usual: int
    fast_same: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A host among its peers.

    Attributes:
        host: its name.
        speed: the median of its runs.
        change: against the median of all peers, as a part.
        z: the robust score; 0 among too few peers.
        is_slow: by the bound of the score and by the smallest difference that matters.
        instances: of a slow host, those that are slow.
        settings: of a slow host, what is set otherwise.
    """

    host: str
    speed: float
    change: float
    z: float
    is_slow: bool
    instances: tuple[SlowInstance, ...] = ()
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Hosts whose runs may stand beside each other.

    Attributes:
        machine: what kind they are of.
        asked: what they have in common, by name.
        unit: of the speeds.
        median: of the hosts' speeds.
        hosts: the slowest first.
        kwh, cost: of a million images: medians of the hosts that know them.
        images_per_s: median.
    """

    machine: str
    asked: Mapping[str, str]
    unit: str
    median: float
    hosts: tuple[Placed, ...]
    kwh: float | None
    cost: float | None
    images_per_s: float

    @property
    def slow(self) -> tuple[Placed, ...]:
        """The slow ones."""
        return tuple(host for host in self.hosts if host.is_slow)

    @property
    def are_enough(self) -> bool:
        """Whether there are so many that a slow one can be told."""
        return len(self.hosts) >= FEWEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Peers that are kept apart from others of the same mode and precision, and why.

    Attributes:
        peers: these.
        others: the most hosts that they are kept apart from.
        differences: what differs: name, value here, value there.
    """

    peers: Peers
    others: Peers
    differences: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Fleet:
    """What many hosts measured.

    Attributes:
        groups: of peers, the largest first.
        left_out: what does not count, and why: source and reason.
    """

    groups: tuple[Peers, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @cached_property
    def slow(self) -> dict[str, tuple[Peers, ...]]:
        """The groups in which each slow host is slow."""
        found: dict[str, list[Peers]] = defaultdict(list)
        for peers in self.groups:
            for host in peers.slow:
                found[host.host].append(peers)
        return {host: tuple(groups) for host, groups in sorted(found.items())}

    def find_places(self, hosts: Iterable[str]) -> dict[str, list[tuple[Peers, Placed]]]:
        """Return where these hosts stand in each of their groups."""
        found: dict[str, list[tuple[Peers, Placed]]] = {host: [] for host in hosts}
        for peers in self.groups:
            for placed in peers.hosts:
                if placed.host in found:
                    found[placed.host].append((peers, placed))
        return found

    @cached_property
    def apart(self) -> tuple[Apart, ...]:
        """Each group that another, larger one of its mode and precision was kept apart from."""
        largest: dict[tuple[str, str], Peers] = {}
        found = []
        for peers in self.groups:
            key = peers.asked["mode"], peers.asked["precision"]
            others = largest.setdefault(key, peers)
            if others is not peers:
                found.append(
                    Apart(peers=peers, others=others, differences=_list_differences(peers, others))
                )
        return tuple(found)


def read_host_run(
    record: Record, host: str | None = None, prices: Mapping[str, float] | None = None
) -> HostRun | str:
    """Return what counts of a run, or why it does not.

    Args:
        record: of the run.
        host: its name in the fleet; None for its own.
        prices: of an hour of the machines whose CPU model contains a text; the record's own price
            where none fits.
    """
    if record.launch.hosts:
        return "it ran on several hosts at once, by MPI"
    measured = measure_speed(record)
    if isinstance(measured, str):
        return measured
    verdict = judge(record)
    if not verdict.valid:
        return f"INVALID: {verdict.failures[0].message}"
    kpis = run_kpis(record)
    assert kpis is not None, "it has a speed"
    energy = compute_energy(record, kpis)
    machine = record.host
    return HostRun(
        host=host or machine.hostname,
        machine=f"{machine.cpu_model}, {len(machine.sockets)} x "
        f"{machine.physical_cores // len(machine.sockets)} cores",
        asked=read_asked(record),
        found=read_found(record),
        unit="images/s" if record.config.mode is Mode.THROUGHPUT else "queries/s",
        speed=measured.speed,
        instance_speeds=tuple(_find_rate(item) for item in reported(record)),
        kwh=energy.joules_per_image * _COUNTED_IMAGES / _JOULES_PER_KWH
        if isinstance(energy, EnergyUse)
        else None,
        cost=_find_cost(machine.cpu_model, kpis.images_per_s, prices or {})
        or compute_cost(record, kpis),
        images_per_s=kpis.images_per_s,
    )


def compare_hosts(
    runs: Iterable[HostRun],
    left_out: Sequence[tuple[str, str]] = (),
    smallest: float = SMALLEST,
) -> Fleet:
    """Put the runs of a fleet into groups of peers, and find the slow hosts of each.

    Args:
        runs: of all hosts; several of a host count by their median.
        left_out: what did not count, to be told.
        smallest: the smallest difference that matters, as a part.
    """
    groups: dict[tuple[str, ...], list[HostRun]] = defaultdict(list)
    for run in runs:
        groups[tuple(run.asked.values())].append(run)
    found = [_compare(group, smallest) for group in groups.values()]
    return Fleet(
        groups=tuple(sorted(found, key=lambda peers: (-len(peers.hosts), *peers.asked.values()))),
        left_out=tuple(left_out),
    )


def _find_rate(item: InstanceRecord) -> float:
    return item.queries * 1e9 / item.span_ns if item.span_ns else 0.0


def _find_cost(cpu_model: str, images_per_s: float, prices: Mapping[str, float]) -> float | None:
    fitting = (price for text, price in prices.items() if text.lower() in cpu_model.lower())
    price = next(fitting, None)
    return None if price is None else price * _COUNTED_IMAGES / (images_per_s * 3600)


def _compare(runs: Sequence[HostRun], smallest: float) -> Peers:
    by_host: dict[str, list[HostRun]] = defaultdict(list)
    for run in runs:
        by_host[run.host].append(run)
    speeds = {host: statistics.median(run.speed for run in own) for host, own in by_host.items()}
    scores = score([math.log(speed) for speed in speeds.values()], FLOOR)
    median = statistics.median(speeds.values())
    placed = [
        Placed(
            host=host,
            speed=speed,
            change=speed / median - 1,
            z=z,
            is_slow=z < -BOUND and speed / median - 1 <= -smallest,
        )
        for (host, speed), z in zip(speeds.items(), scores, strict=True)
    ]
    explained = _explain(placed, by_host, smallest)
    return Peers(
        machine=runs[0].machine,
        asked=runs[0].asked,
        unit=runs[0].unit,
        median=median,
        hosts=tuple(sorted(explained, key=lambda item: (item.speed, item.host))),
        kwh=_find_median(run.kwh for run in runs),
        cost=_find_median(run.cost for run in runs),
        images_per_s=statistics.median(run.images_per_s for run in runs),
    )


def _find_median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _explain(
    placed: Sequence[Placed], by_host: Mapping[str, list[HostRun]], smallest: float
) -> list[Placed]:
    """Add to the slow ones which of their instances are, and what is set otherwise."""
    if not any(item.is_slow for item in placed):
        return list(placed)
    fast = [by_host[item.host][-1] for item in placed if not item.is_slow]
    columns = list(zip(*(run.instance_speeds for run in fast), strict=False))
    usual = [statistics.median(column) for column in columns]
    values = {what: Counter(run.found.get(what, UNKNOWN) for run in fast) for what in fast[0].found}
    return [
        Placed(
            host=item.host,
            speed=item.speed,
            change=item.change,
            z=item.z,
            is_slow=True,
            instances=_find_slow_instances(by_host[item.host][-1], usual, smallest),
            settings=_find_settings(by_host[item.host][-1].found, values, len(fast)),
        )
        if item.is_slow
        else item
        for item in placed
    ]


def _find_slow_instances(
    run: HostRun, usual: Sequence[float], smallest: float
) -> tuple[SlowInstance, ...]:
    """Those that are slower than their number's usual speed by the smallest difference or more."""
    changes = [
        (number, speed / expected - 1)
        for number, (speed, expected) in enumerate(zip(run.instance_speeds, usual, strict=False))
        if expected > 0
    ]
    return tuple(
        SlowInstance(number=number, change=change)
        for number, change in changes
        if change <= -smallest
    )


def _find_settings(
    found: Mapping[str, str], values: Mapping[str, Counter[str]], fast: int
) -> tuple[Setting, ...]:
    """What fewer than half of the fast ones have; what hardly any of them has comes first."""
    settings = []
    for what, counts in values.items():
        value = found.get(what, UNKNOWN)
        (usual, fast_usual), *_ = counts.most_common(1)
        if UNKNOWN not in (value, usual) and 2 * counts[value] < fast and value != usual:
            settings.append(
                Setting(
                    what=what,
                    value=value,
                    usual=usual,
                    fast=fast,
                    fast_usual=fast_usual,
                    fast_same=counts[value],
                )
            )
    return tuple(sorted(settings, key=lambda item: (item.fast_same, -item.fast_usual)))


def _list_differences(peers: Peers, others: Peers) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (what, value, others.asked[what])
        for what, value in peers.asked.items()
        if others.asked.get(what) != value
    )
