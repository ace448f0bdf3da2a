"""The Workload Services Framework's KPI text.

`## NAME: value` is a parameter, `name (unit): value` a KPI, a `*` in front marks the one primary
KPI, `# text` after a value is a tooltip; the decimal separator is a point. What was not measured
is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.kpi import Kpis, Latency, run_kpis, survivors_kpis
from resnet50_bench.verdict import LOST_INSTANCES_LINE, Verdict, judge, prove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.results import Record

WORKLOAD = "resnet50v1_5_tensorflow_xeon_public"
TOPOLOGY = "resnet50v1_5"


@dataclass(frozen=True, slots=True)
class KpiLine:
    """One KPI of the text.

    Attributes:
        name: in the framework's words.
        unit: `images/s`, `ms`, `s` or `` for a count.
        value: its text, decimal point.
        primary: it is the one starred KPI.
        tooltip: what follows the value after `#`.
    """

    name: str
    unit: str
    value: str
    primary: bool = False
    tooltip: str = ""

    def render(self) -> str:
        """The line as it stands in the text."""
        star = "*" if self.primary else ""
        unit = f" ({self.unit})" if self.unit else ""
        tooltip = f" # {self.tooltip}" if self.tooltip else ""
        return f"{star}{self.name}{unit}: {self.value}{tooltip}"


def render_kpi_text(record: Record) -> str:
    """Return the KPI text of a run; without a KPI when it has none."""
    verdict = judge(record)
    lines = [f"## {name}: {value}" for name, value in list_parameters(record)]
    kpis = run_kpis(record)
    if kpis is not None:
        lines += [line.render() for line in list_kpis(record.config.mode, kpis)]
    lines += _render_verdict(record, verdict)
    return "\n".join(lines) + "\n"


def list_parameters(record: Record) -> list[tuple[str, str]]:
    """Return every parameter of the run, as it was decided, in the framework's names."""
    config, workload = record.config, record.workload
    parameters = [
        ("WORKLOAD", WORKLOAD),
        ("TOPOLOGY", TOPOLOGY),
        ("FUNCTION", "inference"),
        ("MODE", config.mode.value),
        ("PRECISION", config.precision.value),
        ("PRECISION_PROOF", _describe_proof(record)),
        ("DATA_TYPE", config.data_type.value),
        ("CASE_TYPE", config.case_type.value if config.case_type else ""),
        ("BATCH_SIZE", str(workload.batch_size)),
        ("CORES_PER_INSTANCE", str(record.placement.cores_per_instance)),
        ("INSTANCES", str(len(record.placement.slots))),
        ("STEPS", str(workload.steps)),
        ("WARMUP_STEPS", str(workload.warmup_steps)),
        ("MIN_TIME", f"{workload.min_time_ns / 1e9:g}"),
        ("ENGINE", config.engine),
        *_list_settings(config),
        ("MODEL", _describe_model(record)),
        ("CPU", record.host.cpu_model),
    ]
    return [(name, value) for name, value in parameters if value]


def list_kpis(mode: Mode, kpis: Kpis) -> list[KpiLine]:
    """Return the KPIs in a fixed order; the mode decides which one is primary."""
    spread = kpis.spread
    range_text = (
        f"{spread.low:.2f} .. {spread.high:.2f} over tenths of the window" if spread else ""
    )
    lines = [
        KpiLine(
            "Throughput",
            "images/s",
            f"{kpis.images_per_s:.2f}",
            primary=mode is not Mode.LATENCY,
            tooltip=range_text,
        ),
    ]
    if kpis.latency is not None:
        lines += _list_latency(kpis.latency, primary=mode is Mode.LATENCY)
    return [
        *lines,
        KpiLine("Images", "", str(kpis.images)),
        KpiLine("Window", "s", f"{kpis.window.seconds:.3f}"),
        KpiLine("Instances", "", str(kpis.instances)),
    ]


def _list_latency(latency: Latency, *, primary: bool) -> Iterator[KpiLine]:
    queries = f"{latency.queries} queries of all instances"
    yield KpiLine(
        "Latency", "ms", _ms(latency.mean_ns), primary=primary, tooltip=f"mean; {queries}"
    )
    for percent, value_ns in latency.percentiles.items():
        yield KpiLine(f"Latency p{percent:g}", "ms", _ms(value_ns))
    yield KpiLine("Latency min", "ms", _ms(latency.min_ns))
    yield KpiLine("Latency max", "ms", _ms(latency.max_ns))


def _ms(value_ns: float) -> str:
    return f"{value_ns / 1e6:.3f}"


def _list_settings(config: RunConfig) -> Iterator[tuple[str, str]]:
    """What was set beyond the common parameters."""
    yield "ENGINE_OPTION", " ".join(f"{k}={v}" for k, v in config.engine_options.items())
    yield "CUSTOMER_ENV", " ".join(f"{k}={v}" for k, v in config.customer_env.items())
    yield "DATASET", config.dataset or ""
    yield "SMT", "True" if config.smt else ""
    yield "SPAN_SOCKETS", "True" if config.span_sockets else ""


def _describe_model(record: Record) -> str:
    if record.model is None:
        return ""
    return f"{record.model.kind}, sha256 {record.model.source.sha256}"


def _describe_proof(record: Record) -> str:
    proof = prove(record)
    if proof is None:
        return ""
    return "EMULATED" if record.emulated else proof.state.value


def _render_verdict(record: Record, verdict: Verdict) -> list[str]:
    lines = []
    if any(not item.reported for item in record.instances) or not record.instances:
        lines.append(LOST_INSTANCES_LINE)
        survivors = survivors_kpis(record)
        if survivors is not None:
            lines.append(
                f"# {survivors.instances} of {len(record.instances)} instances survived; together "
                f"they reached {survivors.images_per_s:.2f} images/s, which is no KPI"
            )
    lines.append(f"# verdict: {'VALID' if verdict.valid else 'INVALID'}")
    lines += [f"# failed: {finding.message}" for finding in verdict.failures]
    return lines + [f"# warning: {finding.message}" for finding in verdict.warnings]
