"""The Workload Services Framework's KPI text.

`## NAME: value` is a parameter, `name (unit): value` a KPI, a `*` in front marks the one primary
KPI, `# text` after a value is a tooltip; the decimal separator is a point. What was not measured
is absent.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from resnet50_bench.cases.platforms import detect_platform
from resnet50_bench.config import Gramine, Mode, RunConfig
from resnet50_bench.parameters.parameter import Parameter
from resnet50_bench.parameters.table import PARAMETERS
from resnet50_bench.printable import join_lines
from resnet50_bench.report.kpi.lines import UnusedLine
from resnet50_bench.results.accuracy import compute_accuracy
from resnet50_bench.results.efficiency import EnergyUse, compute_cost, compute_energy
from resnet50_bench.results.kpi import Kpis, Latency, run_kpis, survivors_kpis
from resnet50_bench.results.limit import compute_limit
from resnet50_bench.results.pace import compute_pace
from resnet50_bench.verdict.accuracy import is_subset
from resnet50_bench.verdict.instances import LOST_INSTANCES_LINE, has_lost_instances
from resnet50_bench.verdict.judge import judge
from resnet50_bench.verdict.precision import prove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results.record import Evaluation, Record

WORKLOAD = "resnet50v1_5_tensorflow_xeon_public"
TOPOLOGY = "resnet50v1_5"
_OF_WEIGHT_SHARING = ("SHARE_PER", "FORCE")
_OF_GRAMINE = ("GRAMINE", "REMOTE_ATTESTATION")


@dataclass(frozen=True, slots=True)
class KpiLine:
    """One KPI.

    Attributes:
        name: in the framework's words.
        unit: `images/s`, `ms`, `s`, `%` or `` for a count.
        value: the number, not rounded.
        decimals: how many the text shows.
        primary: it is the one starred KPI.
        tooltip: what follows the value after `#`.
    """

    name: str
    unit: str
    value: float
    decimals: int = 0
    primary: bool = False
    tooltip: str = ""

    @property
    def label(self) -> str:
        """Name and unit, e.g. `Latency p99 (ms)`."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def render(self) -> str:
        """The line as it stands in the text."""
        star = "*" if self.primary else ""
        tooltip = f" # {self.tooltip}" if self.tooltip else ""
        return f"{star}{self.label}: {self.value:.{self.decimals}f}{tooltip}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiRun:
    """What one run has to say, from its record or from old logs.

    Attributes:
        name: where it was found.
        source: `record`, or who wrote the log.
        verdict: `VALID`, `INVALID`, or `UNVERIFIED` when nothing is left to check it by.
        exit_code: 0 valid; 1 invalid or unverified; 2 unreadable; 3 an instance was lost.
        parameters: name and value, in order.
        kpis: in order; none when the run has no KPI.
        failures: why it is invalid.
        warnings: what a reader should know.
        lost: instances were killed.
        subtotal: what the survivors reached, which is no KPI; "" when nothing was lost.
        unused: lines of the log that say nothing of use, the first of them.
        unused_count: how many there are; None for a record.
    """

    name: str = ""
    source: str = "record"
    verdict: str
    exit_code: int
    parameters: tuple[tuple[str, str], ...] = ()
    kpis: tuple[KpiLine, ...] = ()
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lost: bool = False
    subtotal: str = ""
    unused: tuple[UnusedLine, ...] = ()
    unused_count: int | None = None


def describe_record(record: Record, name: str = "") -> KpiRun:
    """Return what the record of a run says."""
    verdict = judge(record)
    return KpiRun(
        name=name,
        verdict="VALID" if verdict.valid else "INVALID",
        exit_code=verdict.exit_code,
        parameters=tuple(list_parameters(record)),
        kpis=tuple(list_kpis(record)),
        failures=tuple(finding.message for finding in verdict.failures),
        warnings=tuple(finding.message for finding in verdict.warnings),
        lost=has_lost_instances(record),
        subtotal=_describe_survivors(record),
    )


def render_kpi_text(record: Record) -> str:
    """Return the KPI text of a run; without a KPI when it has none."""
    return render_run(describe_record(record))


def render_run(run: KpiRun, *, parameters: bool = True) -> str:
    """Return the KPI text of what a run has to say, with or without its parameters."""
    lines = [f"## {name}: {value}" for name, value in run.parameters] if parameters else []
    lines += [line.render() for line in run.kpis]
    return join_lines([*lines, *list_remarks(run)])


def list_remarks(run: KpiRun) -> list[str]:
    """Return the comment lines below the KPIs: the verdict and its reasons."""
    lines = [LOST_INSTANCES_LINE] if run.lost else []
    lines += [f"# {run.subtotal}"] if run.subtotal else []
    lines.append(f"# verdict: {run.verdict}")
    lines += [f"# failed: {failure}" for failure in run.failures]
    lines += [f"# warning: {warning}" for warning in run.warnings]
    if run.unused_count:
        lines.append(f"# lines of the log not used: {run.unused_count}")
    return lines


def list_parameters(record: Record) -> list[tuple[str, str]]:
    """Return every parameter of the run in the framework's names: as decided, else as asked.

    One that nobody set and that has no default is absent.
    """
    config, workload = record.config, record.workload
    decided = {
        "WORKLOAD": WORKLOAD,
        "TOPOLOGY": TOPOLOGY,
        "FUNCTION": "inference",
        "PLATFORM": _describe_platform(record),
        "MODE": config.mode.value,
        "PRECISION": config.precision.value,
        "PRECISION_PROOF": _describe_proof(record),
        "DATA_TYPE": config.data_type.value,
        "CASE_TYPE": config.case_type.value if config.case_type else "",
        "BATCH_SIZE": str(workload.batch_size),
        "CORES_PER_INSTANCE": str(record.placement.cores_per_instance),
        "INSTANCES": str(record.planned_instances),
        "STEPS": str(workload.steps),
        "WARMUP_STEPS": str(workload.warmup_steps),
        "MIN_TIME": f"{workload.min_time_ns / 1e9:g}",
        "PREPROCESSING": record.evaluation.preprocessing if record.evaluation else "",
        "ENGINE": config.engine,
        "MODEL": _describe_model(record),
    }
    asked = {
        parameter.name: _describe_value(_find_value(config, parameter))
        for parameter in PARAMETERS
        if parameter.name not in decided
    }
    if not config.weight_sharing:
        asked |= dict.fromkeys(_OF_WEIGHT_SHARING, "")
    if config.gramine is Gramine.OFF:
        asked |= dict.fromkeys(_OF_GRAMINE, "")
    return [(k, v) for k, v in {**decided, **asked, "CPU": record.host.cpu_model}.items() if v]


def _describe_platform(record: Record) -> str:
    """The platform asked for, else what the host is; "" for one without a name."""
    platform = record.config.platform or detect_platform(record.host)
    return platform.value if platform else ""


def _find_value(config: RunConfig, parameter: Parameter) -> Any:
    """Return what was asked; a parameter that is no field of the config has one possible value."""
    return getattr(config, parameter.field, None) if parameter.field else parameter.default


def _describe_value(value: Any) -> str:
    """Return a parameter's value as one would type it; "" for None."""
    if isinstance(value, dict):
        return " ".join(f"{name}={shlex.quote(text)}" for name, text in value.items())
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def list_kpis(record: Record) -> list[KpiLine]:
    """Return the KPIs in a fixed order, one of them primary; none when the run has none."""
    kpis = run_kpis(record)
    if kpis is not None:
        speed = list_speed(record.config.mode, kpis)
        return [*speed, *_list_limit(record, kpis), *_list_efficiency(record, kpis)]
    if record.evaluation is not None and record.status == "completed":
        return list(_list_accuracy(record, record.evaluation))
    return []


def _list_accuracy(record: Record, evaluation: Evaluation) -> Iterator[KpiLine]:
    accuracy, pace = compute_accuracy(evaluation), compute_pace(record)
    if accuracy is None:
        return
    low, high = accuracy.top1_interval
    subset = f"SUBSET of {evaluation.dataset_images}; " if is_subset(evaluation) else ""
    interval = f"{subset}95 % interval {low * 100:.2f} .. {high * 100:.2f}"
    yield KpiLine("Accuracy", "%", accuracy.top1 * 100, 3, primary=True, tooltip=interval)
    low, high = accuracy.top5_interval
    interval = f"95 % interval {low * 100:.2f} .. {high * 100:.2f}"
    yield KpiLine("Accuracy top-5", "%", accuracy.top5 * 100, 3, tooltip=interval)
    if pace is not None:
        tooltip = "decoding included"
        yield KpiLine("Throughput", "images/s", pace.images_per_s, 2, tooltip=tooltip)
    skipped = len(record.dataset.skipped) if record.dataset is not None else 0
    yield KpiLine("Images", "", accuracy.images)
    yield KpiLine("Unreadable images", "", len(evaluation.unreadable) + skipped)
    yield KpiLine("Instances", "", len(record.instances))


def list_speed(mode: Mode, kpis: Kpis) -> list[KpiLine]:
    """Return the lines of what was measured; the mode decides which one has the star."""
    spread, interval = kpis.spread, kpis.throughput_interval
    notes = []
    if interval is not None:
        notes.append(f"95 % interval {interval.low:.2f} .. {interval.high:.2f}")
    if spread is not None:
        notes.append(f"{spread.low:.2f} .. {spread.high:.2f} over tenths of the window")
    throughput = KpiLine(
        "Throughput",
        "images/s",
        kpis.images_per_s,
        decimals=2,
        primary=mode is Mode.THROUGHPUT,
        tooltip="; ".join(notes),
    )
    latency = () if kpis.latency is None else _list_latency(kpis.latency, mode)
    return [
        throughput,
        *latency,
        KpiLine("Images", "", kpis.images, decimals=1),
        KpiLine("Window", "s", kpis.window.seconds, decimals=3),
        KpiLine("Instances", "", kpis.instances),
        *([KpiLine("Streams", "", kpis.lanes)] if kpis.lanes > kpis.instances else []),
    ]


def _list_efficiency(record: Record, kpis: Kpis) -> Iterator[KpiLine]:
    """What is not known has no line."""
    energy, cost = compute_energy(record, kpis), compute_cost(record, kpis)
    if isinstance(energy, EnergyUse):
        zones = ", ".join(zone.name for zone in energy.zones if zone.counted)
        yield KpiLine("Energy per image", "J", energy.joules_per_image, 4, tooltip=zones)
        yield KpiLine("Power", "W", energy.watts, 1)
    if cost is not None:
        tooltip = f"at {record.config.price_per_hour:g} an hour"
        yield KpiLine("Cost per million images", "", cost, 4, tooltip=tooltip)


def _list_limit(record: Record, kpis: Kpis) -> Iterator[KpiLine]:
    limit = compute_limit(record, kpis)
    if limit is not None:
        tooltip = f"{limit.kernel.title} allows {limit.limit_images_per_s:.2f} images/s"
        yield KpiLine("Share of limit", "%", limit.share * 100, 1, tooltip=tooltip)


def _list_latency(latency: Latency, mode: Mode) -> Iterator[KpiLine]:
    yield _ms(
        "Latency",
        latency.mean_ns,
        primary=mode is Mode.LATENCY,
        tooltip=f"mean; {latency.queries} queries of all instances",
    )
    for percent, value_ns in latency.percentiles.items():
        yield _ms(f"Latency p{percent:g}", value_ns)
    yield _ms("Latency min", latency.min_ns)
    yield _ms("Latency max", latency.max_ns)


def _ms(name: str, value_ns: float, *, primary: bool = False, tooltip: str = "") -> KpiLine:
    return KpiLine(name, "ms", value_ns / 1e6, decimals=3, primary=primary, tooltip=tooltip)


def _describe_survivors(record: Record) -> str:
    survivors = survivors_kpis(record)
    if survivors is None:
        return ""
    return (
        f"{survivors.instances} of {len(record.instances)} instances survived; together they "
        f"reached {survivors.images_per_s:.2f} images/s, which is no KPI"
    )


def _describe_model(record: Record) -> str:
    if record.model is None:
        return ""
    return f"{record.model.kind}, sha256 {record.model.source.sha256}"


def _describe_proof(record: Record) -> str:
    proof = prove(record)
    if proof is None:
        return ""
    return "EMULATED" if record.emulated else proof.state.value
