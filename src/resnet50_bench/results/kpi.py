"""Records -> KPIs and verdict. Works on records of any machine; starts and reads nothing.

The common window is the time in which every instance was measuring and warm: from the last
instance's first query to the first finished instance's last answer, less the queries at its begin
in which an instance was still warming up by its own samples (see `stats.steady`). Throughput is the
images done in the window / its length; of a query that the window cuts, the part inside counts.
Counting whole queries by their ends would lie half a query below for each instance but one where
all begin together, which is more than 1 % of 30 queries. Latency is taken over the pooled queries
that lie whole inside the window.

Clocks of different hosts are never compared: each host has a window of its own. Their total is the
sum of the hosts' throughputs, and latency is taken over the queries of all of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.signals import signals_held
from resnet50_bench.stats import samples
from resnet50_bench.stats.intervals import MeanInterval, estimate_mean
from resnet50_bench.stats.steady import find_warm_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from resnet50_bench.results.record import InstanceRecord, Lane, Record

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
_SLICES = 10
_NS = 1e9
_LEAST_LEFT = 2 / 3
"""Of the time all instances were measuring, what has to be left for the window."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time all instances shared, on the host's monotonic clock."""

    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.begin_ns) / _NS


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What is left out of the window because it was still warm-up.

    Attributes:
        name: of the instance or stream.
        host: where; None for the host of the record.
        queries: of it, the first so many.
        seconds: from the begin of the time all were measuring to the end of these queries.
    """

    name: str
    host: str | None
    queries: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Durations of the pooled queries inside the window, in nanoseconds.

    Attributes:
        queries: how many.
        percentiles: those with at least one query expected above them, by nearest rank.
    """

    queries: int
    mean_ns: float
    min_ns: int
    max_ns: int
    percentiles: dict[float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpis:
    """What a set of instances did in their common window.

    Attributes:
        instances: how many are counted.
        lanes: how many made queries: the instances, or with weight sharing all their streams.
        windows: the common window of each host; None stands for the host of the record.
        warm_ups: of the lanes whose warm-up lasted into the time all were measuring.
        queries: that ended inside their host's window.
        images: done inside the windows of their hosts; a query's images are divided evenly over its
            duration.
        images_per_s: images / window, added up over the hosts.
        by_host: the images per second of each host.
        throughput_interval: of images per second, over equal slices of the window, as many as the
            queries of the lane that has the fewest. None of fewer than ten queries.
        spread: of images per second over ten equal slices of the window, in the same way, and the
            hosts' slices added up in turn; None with fewer than two queries in a slice on average.
        rate_sum_images_per_s: sum of the lanes' own rates, each over its own time: what adding
            log lines would give, for comparison only.
        latency: None when no query lies whole inside the window.
    """

    instances: int
    lanes: int
    windows: dict[str | None, Window]
    warm_ups: tuple[WarmUp, ...] = ()
    queries: int
    images: float
    images_per_s: float
    by_host: dict[str | None, float]
    throughput_interval: MeanInterval | None = None
    spread: samples.Spread | None
    rate_sum_images_per_s: float
    latency: Latency | None

    @property
    def window(self) -> Window:
        """The common window; of several hosts' the shortest."""
        return min(self.windows.values(), key=lambda window: window.seconds)


def compute_kpis(instances: Sequence[InstanceRecord], batch_size: int) -> Kpis | None:
    """Return the KPIs of these instances; None when they share no time with a finished query.

    Args:
        instances: those that reported; the streams of each count one by one.
        batch_size: images per query.
    """
    hosts: dict[str | None, list[Lane]] = defaultdict(list)
    for lane in (lane for item in instances for lane in item.lanes):
        if lane.end_ns:
            hosts[lane.host].append(lane)
    whole = {host: find_window(measured) for host, measured in hosts.items()}
    windows = {host: window for host, window in whole.items() if window is not None}
    if not windows or len(windows) < len(hosts):
        return None
    _load_statistics()
    shared: dict[str | None, Window] = {}
    warm_ups: list[WarmUp] = []
    for host, window in windows.items():
        shared[host], left_out = leave_out_warm_up(hosts[host], window)
        warm_ups += left_out
    images = {
        host: sum(_count_images(item, window, batch_size) for item in hosts[host])
        for host, window in shared.items()
    }
    by_host = {host: images[host] / window.seconds for host, window in shared.items()}
    measured = [item for group in hosts.values() for item in group]
    queries = sum(_count_ends(item, shared[item.host]) for item in measured)
    return Kpis(
        instances=sum(item.queries > 0 for item in instances),
        lanes=len(measured),
        windows=shared,
        warm_ups=tuple(warm_ups),
        queries=queries,
        images=sum(images.values()),
        images_per_s=sum(by_host.values()),
        by_host=by_host,
        throughput_interval=_compute_interval(measured, shared, batch_size),
        spread=(_compute_spread(measured, shared, batch_size) if queries >= 2 * _SLICES else None),
        rate_sum_images_per_s=sum(
            sum(_list_images(item, batch_size)) * _NS / (item.end_ns[-1] - item.start_ns[0])
            for item in measured
        ),
        latency=_compute_latency(measured, shared),
    )


def _load_statistics() -> None:
    """Import numpy and scipy so that their threads never take a signal.

    After one run of a series another is started, and the main thread holds signals back meanwhile:
    a thread inherits what is held back when it is made.
    """
    with signals_held():
        import numpy as np
        import scipy.special

    del np, scipy


def find_window(measured: Sequence[Lane]) -> Window | None:
    """Return the time all lanes of a host were measuring; None when there is no such time."""
    if not measured:
        return None
    begin_ns = max(item.start_ns[0] for item in measured)
    end_ns = min(item.end_ns[-1] for item in measured)
    return Window(begin_ns, end_ns) if end_ns > begin_ns else None


def leave_out_warm_up(
    measured: Sequence[Lane], window: Window
) -> tuple[Window, tuple[WarmUp, ...]]:
    """Let the window of a host's lanes begin when the last of them is warm.

    Unless less than two thirds of it were left: what is so long is no warm-up.
    """
    found = []
    begin_ns = window.begin_ns
    for item in measured:
        queries = find_warm_up(_list_periods(item))
        warm_ns = item.start_ns[queries]
        if warm_ns > window.begin_ns and queries:
            seconds = (warm_ns - window.begin_ns) / _NS
            found.append(WarmUp(item.name, item.host, queries, seconds))
            begin_ns = max(begin_ns, warm_ns)
    if window.end_ns - begin_ns < _LEAST_LEFT * (window.end_ns - window.begin_ns):
        return window, ()
    return Window(begin_ns, window.end_ns), tuple(found)


def _list_periods(item: Lane) -> npt.NDArray[np.float64]:
    """The time from each query's end to the next one's, of the first from its begin."""
    import numpy as np

    return np.diff(np.array(item.end_ns) - item.start_ns[0], prepend=0).astype(float)


def _count_ends(item: Lane, window: Window) -> int:
    """How many queries ended in the window."""
    ends = item.end_ns
    return samples.count_at_or_below(ends, window.end_ns) - samples.count_at_or_below(
        ends, window.begin_ns
    )


def _list_images(item: Lane, batch_size: int) -> Sequence[int]:
    """The images of each query."""
    return item.images or (batch_size,) * len(item.end_ns)


def _count_images(item: Lane, window: Window, batch_size: int) -> float:
    """How many images were done in the window: of queries, and of parts of others."""
    import numpy as np

    moments_ns = np.array([window.begin_ns, window.end_ns], float)
    begin, end = _done_by(item, moments_ns, batch_size)
    return float(end - begin)


def _done_by(
    item: Lane, moments_ns: npt.NDArray[np.float64], batch_size: int
) -> npt.NDArray[np.float64]:
    """How many images were done by each moment: of whole queries, and a part of the one at work."""
    import numpy as np

    sizes = np.array(_list_images(item, batch_size), float)
    whole = np.cumsum(sizes)
    turns_ns = np.ravel([item.start_ns, item.end_ns], order="F")
    done: npt.NDArray[np.float64] = np.interp(
        moments_ns, turns_ns, np.ravel([whole - sizes, whole], order="F")
    )
    return done


def list_durations(record: Record, kpis: Kpis) -> list[int]:
    """Return the durations, in nanoseconds, that `kpis.latency` describes, the shortest first."""
    return _pool_durations(_list_lanes(record), kpis.windows)


def list_rates(record: Record, kpis: Kpis, count: int) -> list[float]:
    """Return the images per second in so many equal slices of the window, in order of time."""
    lanes = _list_lanes(record)
    rates = _slice_rates(lanes, kpis.windows, count, record.workload.batch_size)
    return [float(rate) for rate in rates]


def _list_lanes(record: Record) -> list[Lane]:
    return [lane for item in reported(record) for lane in item.lanes if lane.end_ns]


def _pool_durations(measured: Sequence[Lane], windows: Mapping[str | None, Window]) -> list[int]:
    """Of the queries that lie whole inside the window of their host."""
    return sorted(
        end - begin
        for item in measured
        for begin, end in zip(item.start_ns, item.end_ns, strict=True)
        if begin >= windows[item.host].begin_ns and end <= windows[item.host].end_ns
    )


def _compute_latency(
    measured: Sequence[Lane], windows: Mapping[str | None, Window]
) -> Latency | None:
    durations = _pool_durations(measured, windows)
    if not durations:
        return None
    count = len(durations)
    return Latency(
        queries=count,
        mean_ns=sum(durations) / count,
        min_ns=durations[0],
        max_ns=durations[-1],
        percentiles={
            percent: samples.nearest_rank(durations, percent)
            for percent in PERCENTILES
            if samples.is_percentile_supported(count, percent)
        },
    )


def _compute_interval(
    measured: Sequence[Lane], windows: Mapping[str | None, Window], batch_size: int
) -> MeanInterval | None:
    slices = min(_count_ends(item, windows[item.host]) for item in measured)
    return estimate_mean(_slice_rates(measured, windows, slices, batch_size)) if slices else None


def _compute_spread(
    measured: Sequence[Lane], windows: Mapping[str | None, Window], batch_size: int
) -> samples.Spread:
    return samples.describe_spread(_slice_rates(measured, windows, _SLICES, batch_size).tolist())


def _slice_rates(
    measured: Sequence[Lane], windows: Mapping[str | None, Window], count: int, batch_size: int
) -> npt.NDArray[np.float64]:
    """Return the images per second of all lanes together in equal slices of their windows."""
    import numpy as np

    rates = np.zeros(count)
    for item in measured:
        window = windows[item.host]
        edges_ns = np.linspace(window.begin_ns, window.end_ns, count + 1)
        done = np.diff(_done_by(item, edges_ns, batch_size))
        rates += done * count / window.seconds
    return rates


def reported(record: Record) -> list[InstanceRecord]:
    """The instances whose result arrived."""
    return [instance for instance in record.instances if instance.reported]


def run_kpis(record: Record) -> Kpis | None:
    """Return the KPIs of speed: only of a run in which every instance reported.

    None in accuracy mode, where instances end at different times: see `results.pace`.
    """
    instances = reported(record)
    if (
        record.evaluation is not None
        or record.status != "completed"
        or len(instances) != len(record.instances)
    ):
        return None
    return compute_kpis(instances, record.workload.batch_size)


def survivors_kpis(record: Record) -> Kpis | None:
    """Return the subtotal of the instances that reported when others did not: never a KPI."""
    instances = reported(record)
    if record.evaluation is not None or len(instances) == len(record.instances):
        return None
    return compute_kpis(instances, record.workload.batch_size)
