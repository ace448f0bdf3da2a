"""LoadGen's figures beside ours: what each counts, and their ratio.

LoadGen's clock starts when it issues a query and stops when it has the answer. Ours is the
instances': from the moment a batch goes into the engine to the moment its scores are there. Between
the two lie the queue, the gathering of the batch and the threads that have to be woken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.instance.predictions import unpack_rows
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.scenarios.request import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.kpi import Kpis
    from resnet50_bench.results.record import LoadgenRecord, Record
    from resnet50_bench.scenarios.logs import LoadgenLog

_NS_PER_MS = 1e6

RATES = {
    Scenario.OFFLINE: "result_samples_per_second",
    Scenario.SERVER: "result_completed_samples_per_sec",
}
"""The key of the samples a second, where the scenario has such a figure."""

_SAMPLE_PERCENTILE = "result_{percent:.2f}_percentile_latency_ns"
_QUERY_PERCENTILE = "result_{percent:.2f}_percentile_per_query_latency_ns"
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)

EARLY_STOPPING = {
    Scenario.SINGLE_STREAM: "early_stopping_latency_ss",
    Scenario.MULTI_STREAM: "early_stopping_latency_ms",
}
"""The key of the latency that is reported of a scenario: a cautious estimate of its percentile."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, twice.

    Attributes:
        name: of the figure.
        unit: of both.
        loadgens: LoadGen's.
        ours: None where the instances have no such figure.
    """

    name: str
    unit: str
    loadgens: float
    ours: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours / LoadGen's."""
        return self.ours / self.loadgens if self.ours is not None and self.loadgens else None


def list_figures(record: Record) -> list[Figure]:
    """Return LoadGen's figures of a run beside ours; [] where it came to none."""
    loadgen = record.loadgen
    if loadgen is None or not loadgen.ended:
        return []
    kpis = run_kpis(record)
    return [*_list_rates(loadgen, kpis), *_list_latencies(loadgen, kpis)]


def _list_rates(loadgen: LoadgenRecord, kpis: Kpis | None) -> Iterator[Figure]:
    key = RATES.get(loadgen.request.scenario)
    rate = loadgen.log.find_number(key) if key is not None else None
    if rate is not None:
        ours = kpis.images_per_s if kpis is not None else None
        yield Figure("throughput", "samples/s", rate, ours)


def _list_latencies(loadgen: LoadgenRecord, kpis: Kpis | None) -> Iterator[Figure]:
    """Of queries; a query of several samples may be several batches, which have no such figure."""
    scenario = loadgen.request.scenario
    if scenario is Scenario.OFFLINE:  # where a latency is the time since the one query began
        return
    single = scenario is Scenario.SINGLE_STREAM and kpis is not None
    ours = kpis.latency.percentiles if single and kpis is not None and kpis.latency else {}
    for percent in PERCENTILES:
        latency_ns = find_percentile_ns(loadgen, percent)
        if latency_ns is not None:
            own_ns = ours.get(percent)
            own_ms = own_ns / _NS_PER_MS if own_ns is not None else None
            yield Figure(f"p{percent:g} latency", "ms", latency_ns / _NS_PER_MS, own_ms)


def find_percentile_ns(loadgen: LoadgenRecord, percent: float) -> float | None:
    """Return a percentile of the latency of queries by LoadGen; None where it tells none."""
    multi = loadgen.request.scenario is Scenario.MULTI_STREAM
    form = _QUERY_PERCENTILE if multi else _SAMPLE_PERCENTILE
    return loadgen.log.find_number(form.format(percent=percent))


def find_reported_ms(loadgen: LoadgenRecord) -> float | None:
    """Return the latency that LoadGen reports of a scenario by its early stopping."""
    key = EARLY_STOPPING.get(loadgen.request.scenario)
    latency_ns = loadgen.log.find_number(key) if key is not None else None
    return latency_ns / _NS_PER_MS if latency_ns is not None else None


def is_valid(log: LoadgenLog) -> bool | None:
    """Whether LoadGen calls its run valid; None where it says nothing: in accuracy mode."""
    word = log.values.get("result_validity")
    return None if word is None else word == "VALID"


def count_disagreements(record: Record) -> int | None:
    """Return how many answers in LoadGen's accuracy log are not those that the instances reported.

    An image that one of the two does not have counts, too. None but in accuracy mode.
    """
    loadgen, evaluation = record.loadgen, record.evaluation
    if loadgen is None or loadgen.answers is None or evaluation is None:
        return None
    ours = {item.position: item.classes[0] for item in unpack_rows(evaluation.rows)}
    either = ours.keys() | loadgen.answers.keys()
    return sum(ours.get(index) != loadgen.answers.get(index) for index in either)
