"""A run in detail: its result, its charts, and all that is on record of it."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.errors import R50Error
from resnet50_bench.report.html.charts.confusions import plan_confusions
from resnet50_bench.report.html.charts.latency import plan_distribution
from resnet50_bench.report.html.charts.placement import plan_placement
from resnet50_bench.report.html.charts.roofline import plan_roofline
from resnet50_bench.report.html.charts.timeline import plan_noise, plan_rates
from resnet50_bench.report.html.configurations import find_bests, group_runs
from resnet50_bench.report.kpi.text import list_parameters
from resnet50_bench.report.reference import ReferenceRow, describe_run
from resnet50_bench.report.terminal.host import list_host_rows
from resnet50_bench.report.terminal.run import list_result_rows
from resnet50_bench.results.files import RECORD_FILE
from resnet50_bench.results.kernel_logs import find_kernel_logs, read_profile
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.layer_limits import compute_layers
from resnet50_bench.verdict.judge import Verdict, judge_measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from resnet50_bench.report.html.charts.chart import Chart
    from resnet50_bench.report.html.rows import RunRow
    from resnet50_bench.results.record import Record

MOST = 24
"""Runs in detail: more would make the page slow to open and long to choose from."""

_NEWEST = 3
_LOG_BYTES = 64 << 20
_DRAWN = frozenset({"Over time", "Durations"})
"""Rows that are pictures made of text: the page draws these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """A run as the page shows it.

    Attributes:
        place: of it in the page.
        row: of it.
        verdict: with what failed and what warns.
        result: named lines, as on the terminal.
        parameters, host, versions, environment: names and values.
        charts: what can be drawn of it.
        absent: why a chart is not there.
        reference: its figure, to stand beside published ones; None where it has no throughput.
        record: its file, compressed, in base64; None where the file is gone.
    """

    place: str
    row: RunRow
    verdict: Verdict
    result: Sequence[tuple[str, Sequence[str]]]
    parameters: Sequence[tuple[str, str]]
    host: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]
    environment: Sequence[tuple[str, str]]
    charts: Sequence[Chart]
    absent: Sequence[str]
    reference: ReferenceRow | None
    record: str | None


def choose_detailed(rows: Sequence[RunRow]) -> list[RunRow]:
    """Return the runs to show in detail: all of a few, else the best, the newest, the invalid.

    Args:
        rows: of all runs, the newest last.
    """
    if len(rows) <= MOST:
        return list(rows)
    bests = find_bests(group_runs(rows), ("machine", "engine", "precision"))
    invalid = [row for row in rows if not row.valid]
    chosen = [*(item.row for item in bests), *rows[-_NEWEST:], *invalid[-_NEWEST:]]
    return list({row.folder: row for row in chosen}.values())[:MOST]


def describe_detail(place: str, row: RunRow, folder: Path, record: Record) -> Detail:
    """Return a run in detail; reads the trace that lies beside its record.

    Args:
        place: of it in the page.
        row: of it.
        folder: of the run.
        record: of the run.
    """
    kpis = run_kpis(record)
    charts: list[Chart | None] = []
    absent: list[str] = []
    if kpis is not None:
        charts += [
            plan_distribution(f"{place}-latency", record, kpis),
            plan_rates(f"{place}-rates", record, kpis),
        ]
        charts.append(plan_noise(f"{place}-noise", record, kpis))
    charts.append(plan_placement(f"{place}-placement", record))
    if record.evaluation is not None:
        charts.append(plan_confusions(f"{place}-confusions", record.evaluation))
    try:
        charts.append(_plan_layers(f"{place}-roofline", folder, record))
    except R50Error as error:
        absent.append(f"Roofline with the 53 convolutions: {error.message}.")
    return Detail(
        place=place,
        row=row,
        verdict=judge_measured(record, kpis),
        result=[
            (name, [text] if isinstance(text, str) else text)
            for name, text in list_result_rows(record, verbose=True)
            if name not in _DRAWN
        ],
        parameters=list_parameters(record),
        host=list_host_rows(record.host),
        versions=list(_list_versions(record)),
        environment=sorted(record.launch.environment.items()),
        charts=[chart for chart in charts if chart is not None],
        absent=absent,
        reference=describe_run(record),
        record=_pack_record(folder),
    )


def _plan_layers(chart: str, folder: Path, record: Record) -> Chart | None:
    """Raises R50Error: says why there is none."""
    logs = find_kernel_logs(folder, record, None, everything=False)
    if sum(path.stat().st_size for path in logs.paths) > _LOG_BYTES:
        raise R50Error("its kernel log is large; `r50 profile` reads it")
    profile = read_profile(logs, record)
    results = compute_layers(record, profile)
    found = plan_roofline(chart, record, results)
    if found is None:
        raise R50Error(results.unbounded or profile.layers.problem or "no convolution is in it")
    return found


def _list_versions(record: Record) -> Iterator[tuple[str, str]]:
    yield "r50", record.tool_version
    for runtime in record.runtimes:
        yield "engine", runtime
    if record.model is not None:
        for name, version in record.model.graph.tools.items():
            yield f"model prepared with {name}", version
        yield "model, sha256", record.model.prepared.sha256
    yield "kernel", record.host.kernel
    yield "record's schema", str(record.schema_version)
    yield "command", " ".join(record.command)


def _pack_record(folder: Path) -> str | None:
    try:
        content = (folder / RECORD_FILE).read_bytes()
    except OSError:
        return None
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
