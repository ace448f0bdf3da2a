"""What many nodes reached, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from resnet50_bench.report.kpi.text import KpiLine, list_kpis, list_speed
from resnet50_bench.verdict.instances import LOST_INSTANCES_LINE, has_lost_instances

if TYPE_CHECKING:
    from resnet50_bench.fleet.collect import Collection, NodeRun


def render_collection(collection: Collection) -> str:
    """Return the report: a line a node, the KPIs of all, and what is wrong."""
    nodes = collection.nodes
    width = max(len(node.name) for node in nodes)
    lines = [f"{_describe_run(nodes[0])}, {len(nodes)} node{'s' * (len(nodes) != 1)}"]
    for node in nodes:
        primary = " ".join(
            line.render().lstrip("*") for line in list_kpis(node.record) if line.primary
        )
        word = "VALID" if node.verdict.valid else "INVALID"
        lines.append(f"  {node.name:<{width}}  {word:<7}  {primary or 'no KPI'}  {node.source}")
    lines += [line.render() for line in list_total(collection)]
    return "\n".join([*lines, *_list_problems(collection)]) + "\n"


def list_total(collection: Collection) -> list[KpiLine]:
    """Return the KPIs of all nodes together; none when a node has none."""
    if collection.kpis is None:
        return []
    return list_speed(collection.nodes[0].record.config.mode, collection.kpis)


def summarize_collection(collection: Collection) -> dict[str, Any]:
    """Return the report as plain JSON types."""
    return {
        "nodes": [
            {
                "name": node.name,
                "source": str(node.source),
                "valid": node.verdict.valid,
                "kpis": _summarize(list_kpis(node.record)),
                "failures": [finding.message for finding in node.verdict.failures],
            }
            for node in collection.nodes
        ],
        "missing": collection.missing,
        "kpis": _summarize(list_total(collection)),
        "exit_code": int(collection.exit_code),
    }


def _describe_run(node: NodeRun) -> str:
    config, workload = node.record.config, node.record.workload
    return f"{config.mode.value}, {config.precision.value}, batch size {workload.batch_size}"


def _list_problems(collection: Collection) -> Iterator[str]:
    for node in collection.nodes:
        if has_lost_instances(node.record):
            yield f"{LOST_INSTANCES_LINE} ({node.name})"
        for finding in node.verdict.failures:
            yield f"failed on {node.name}: {finding.message}"
    if collection.missing:
        yield f"failed: {collection.missing} of the nodes did not report"
    yield "VALID" if collection.exit_code == 0 else "INVALID"


def _summarize(lines: list[KpiLine]) -> list[dict[str, Any]]:
    return [{"name": line.name, "unit": line.unit, "value": line.value} for line in lines]
