"""Figures for Prometheus: as OpenMetrics with the time of each run, or as text to be pushed.

A series is a configuration on a host: runs of one configuration are points of one series. The
exposition is prometheus_client's; a figure is a gauge, because it does not add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from resnet50_bench.printable import show_controls
from resnet50_bench.report.export.measures import Measure

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from resnet50_bench.report.export.measures import ExportedRun

_PREFIX = "r50_"
_UNITS = ("images_per_second", "seconds", "ratio", "joules", "watts")
_VALID = "1 when every check of the run passed, else 0: then there are no figures"


def render_openmetrics(runs: Sequence[ExportedRun]) -> str:
    """Return the runs as OpenMetrics, each figure with its run's time.

    Of two runs of one configuration in the same second the later one counts.
    """
    generate: Any = generate_openmetrics  # it has no types
    content: bytes = generate(_collect(runs, timed=True))
    return content.decode()


def render_prometheus(runs: Sequence[ExportedRun]) -> str:
    """Return the newest run of each configuration in Prometheus' text format, without times.

    A Pushgateway refuses times, and so does node_exporter's textfile collector.
    """
    content: bytes = generate_latest(_collect(runs, timed=False))
    return content.decode()


class _Gauges:
    """What prometheus_client takes metrics from."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Hand them out."""
        return iter(self._metrics)


def _collect(runs: Sequence[ExportedRun], *, timed: bool) -> Any:
    # By metric, its meaning and its points: a later run of the same labels and time replaces.
    found: dict[str, tuple[str, dict[tuple[tuple[str, ...], float], float]]] = {}
    names: dict[str, tuple[str, ...]] = {}
    ordered = sorted(runs, key=lambda run: run.created)
    if not timed:  # of an older run not one figure stays, whatever the newest one has
        ordered = list({tuple(_label(run).values()): run for run in ordered}.values())
    for run in ordered:
        seconds = run.created.timestamp() if timed else 0.0
        labels = _label(run)
        for measure in [Measure("valid", _VALID, float(run.verdict.valid)), *run.measures]:
            own = labels | ({"percentile": measure.percentile} if measure.percentile else {})
            names[measure.name] = tuple(own)
            _, points = found.setdefault(measure.name, (measure.meaning, {}))
            points[tuple(own.values()), seconds] = measure.value
    return _Gauges([
        _make_gauge(name, names[name], meaning, points, timed=timed)
        for name, (meaning, points) in found.items()
    ])  # fmt: skip


def _label(run: ExportedRun) -> dict[str, str]:
    record = run.record
    return {
        name: show_controls(value)
        for name, value in {
            "host": record.host.hostname,
            "mode": record.measures,
            "precision": record.config.precision.value,
            "engine": record.config.engine,
            "batch_size": str(record.workload.batch_size),
            "instances": str(record.planned_instances),
            "cores_per_instance": str(record.placement.cores_per_instance),
            "configuration": run.configuration_hash,
        }.items()
    }


def _make_gauge(
    name: str,
    labels: tuple[str, ...],
    meaning: str,
    points: dict[tuple[tuple[str, ...], float], float],
    *,
    timed: bool,
) -> GaugeMetricFamily:
    unit = next((unit for unit in _UNITS if name.endswith(unit)), "")
    gauge = GaugeMetricFamily(f"{_PREFIX}{name}", meaning, labels=labels, unit=unit)
    for values, seconds in sorted(points):
        gauge.add_metric(values, points[values, seconds], timestamp=seconds if timed else None)
    return gauge
