"""The run folder's `benchmark_*.log`: `KEY: value` lines in the style of the workload's own logs.

It repeats the parameters, one block per instance and the totals, so that KPI scripts written for
the workload's logs have something to read; `record.json` beside it is the authority.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.host.machine import format_cpu_list
from resnet50_bench.printable import join_lines
from resnet50_bench.report.kpi.text import list_kpis, list_parameters
from resnet50_bench.verdict.instances import LOST_INSTANCES_LINE, describe_loss, has_lost_instances
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.results.record import InstanceRecord, Record


def write_logs(folder: Path, record: Record) -> Path:
    """Write the benchmark log of a run into its folder.

    Raises:
        OSError: the folder cannot be written.
    """
    config = record.config
    path = folder / f"benchmark_{config.mode.value}_{config.precision.value}.log"
    write_atomically(path, render_log(record).encode())
    return path


def render_log(record: Record) -> str:
    """Return the log's text."""
    lines = [f"{name}: {value}" for name, value in list_parameters(record)]
    lines += [f"ENV {name}: {value}" for name, value in sorted(record.launch.environment.items())]
    for item in record.instances:
        lines += _render_instance(item, record.workload.batch_size)
    lines += [f"Total {line.render().lstrip('*')}" for line in list_kpis(record)]
    verdict = judge(record)
    if has_lost_instances(record):
        lines.append(LOST_INSTANCES_LINE)
    lines.append(f"Verdict: {'VALID' if verdict.valid else 'INVALID'}")
    lines += [f"Failed check: {finding.message}" for finding in verdict.failures]
    return join_lines(lines)


def _render_instance(item: InstanceRecord, batch_size: int) -> list[str]:
    name = f"Instance {item.slot.instance}"
    lines = [
        f"{name} cpus: {format_cpu_list(item.slot.cpus)}",
        f"{name} memory nodes: {format_cpu_list(item.slot.nodes)}",
    ]
    if not item.reported:
        return [*lines, f"{name} result: {describe_loss(item)}"]
    if item.prepare_ns:
        return [*lines, f"{name} batches: {len(item.end_ns)}"]
    lines.append(f"{name} queries: {item.queries}")
    for lane in (lane for lane in item.lanes if lane.end_ns):
        who = lane.name[0].upper() + lane.name[1:]
        seconds = (lane.end_ns[-1] - lane.start_ns[0]) / 1e9
        queries = len(lane.end_ns)
        images = sum(lane.images) or queries * batch_size
        lines += [
            f"{who} Throughput: {images / seconds:.2f} images/sec",
            f"{who} Latency: {seconds / queries * 1000:.3f} ms",
        ]
    return lines
