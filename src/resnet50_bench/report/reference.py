"""Published figures beside a run's own, as text, JSON, CSV and Markdown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.limits.reference import count_operations, plan_rows
from resnet50_bench.printable import join_lines, show_controls
from resnet50_bench.report.columns import join_columns
from resnet50_bench.report.tables import join_markdown, render_rows
from resnet50_bench.results.kpi import run_kpis
from resnet50_bench.results.limit import compute_limit
from resnet50_bench.verdict.judge import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet50_bench.limits.reference import PublishedRow, References
    from resnet50_bench.results.record import Record

_HEADING = ("from", "CPU", "cores", "precision", "images/s", "limit", "share", "limit is")
_RIGHT = frozenset({"cores", "images/s", "limit", "share"})
_RIGHT_PLACES = [place for place, name in enumerate(_HEADING) if name in _RIGHT]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """One throughput, and how near to its CPUs' limit it is.

    Attributes:
        source: who published it, or the run's id.
        provenance: how it came about.
        cpu: the model.
        cores: that computed.
        precision: in the workload's words.
        images_per_s: the throughput.
        limit_images_per_s: the limit of these cores; None where it is not known.
        limit_is: how the limit is known: `computed`, `measured`, or why it is not.
    """

    source: str
    provenance: str
    cpu: str
    cores: int
    precision: str
    images_per_s: float
    limit_images_per_s: float | None
    limit_is: str

    @property
    def share(self) -> float | None:
        """Of the limit, 0..1."""
        return self.images_per_s / self.limit_images_per_s if self.limit_images_per_s else None


def list_published(references: References) -> list[ReferenceRow]:
    """Return the published rows, in the table's order."""
    return [_describe_published(row) for row in plan_rows(references)]


def describe_run(record: Record) -> ReferenceRow | None:
    """Return the row of a run; None when it has no throughput."""
    kpis = run_kpis(record)
    if kpis is None:
        return None
    verdict = "VALID" if judge(record).valid else "INVALID"
    limit = compute_limit(record, kpis)
    return ReferenceRow(
        source=record.run_id,
        provenance=f"a run of r50 {record.tool_version}, {record.created}, {record.runtime}, "
        f"{verdict}",
        cpu=record.host.cpu_model,
        cores=record.used_cores,
        precision=record.config.precision.value,
        images_per_s=kpis.images_per_s,
        limit_images_per_s=limit.limit_images_per_s if limit is not None else None,
        limit_is="measured" if limit is not None else "not on record",
    )


def render_text(rows: Sequence[ReferenceRow], references: References) -> str:
    """Return the table for a terminal, and below it what each figure and limit is."""
    lines = join_columns([_HEADING, *map(_make_cells, rows)], _RIGHT_PLACES)
    return join_lines([*lines, "", *list_notes(rows, references)])


def render_markdown(rows: Sequence[ReferenceRow], references: References) -> str:
    """Return the same as a table of Markdown and a list."""
    lines = join_markdown([_HEADING, *map(_make_cells, rows)], _RIGHT_PLACES)
    notes = [f"- {note}" for note in list_notes(rows, references)]
    return join_lines([*lines, "", *notes])


def render_csv(rows: Sequence[ReferenceRow]) -> str:
    """Return a row for each throughput; numbers are not rounded, shares are 0..1."""
    summaries = [_summarize_row(row) for row in rows]
    return render_rows([summaries[0], *(summary.values() for summary in summaries)])


def summarize_references(rows: Sequence[ReferenceRow], references: References) -> dict[str, Any]:
    """Return the same as plain JSON types."""
    return {
        "rows": [_summarize_row(row) for row in rows],
        "operations_per_image": count_operations(),
        "operations_per_cycle": {
            precision.value: count for precision, count in references.operations_per_cycle.items()
        },
        "operations_source": references.operations_source,
        "cpus": [
            {"model": cpu.model, "cores": cpu.cores, "base_ghz": cpu.base_ghz, "source": cpu.source}
            for cpu in references.cpus.values()
        ],
    }


def _describe_published(row: PublishedRow) -> ReferenceRow:
    assumed = row.publication.assumed
    return ReferenceRow(
        source=row.publication.name,
        provenance=row.publication.provenance,
        cpu=f"{row.publication.sockets} x {row.cpu.model}{' (assumed)' * assumed}",
        cores=row.cores,
        precision=row.figure.precision.value,
        images_per_s=row.figure.images_per_s,
        limit_images_per_s=row.limit_images_per_s,
        limit_is="computed, CPU assumed" if assumed else "computed",
    )


def _make_cells(row: ReferenceRow) -> tuple[str, ...]:
    limit, share = row.limit_images_per_s, row.share
    cells = (
        row.source,
        row.cpu,
        str(row.cores),
        row.precision,
        f"{row.images_per_s:,.1f}",
        f"{limit:,.1f}" if limit is not None else "",
        f"{share:.1%}" if share is not None else "",
        row.limit_is,
    )
    return tuple(map(show_controls, cells))


def _summarize_row(row: ReferenceRow) -> dict[str, Any]:
    return asdict(row) | {"share": row.share}


def list_notes(rows: Sequence[ReferenceRow], references: References) -> Iterator[str]:
    """Yield what the figures are, each source once, and how the limits are computed."""
    for source, provenance in dict.fromkeys((row.source, row.provenance) for row in rows):
        yield f"{source}: {provenance}"
    counts = ", ".join(
        f"{count:,} {precision.value}"
        for precision, count in references.operations_per_cycle.items()
    )
    yield (
        "computed limit: cores x operations per cycle and core x base frequency / "
        f"{count_operations() / 1e9:.3f} G operations an image, padding counted, a multiply-add as "
        "two. At which frequency these CPUs ran is not published; above the base frequency the "
        "limit was higher, so the share is the highest that it can have been"
    )
    yield f"operations per cycle and core: {counts} ({references.operations_source})"
    frequencies = ", ".join(f"{cpu.model} {cpu.base_ghz} GHz" for cpu in references.cpus.values())
    sources = "; ".join(dict.fromkeys(cpu.source for cpu in references.cpus.values()))
    yield f"base frequencies: {frequencies} ({sources})"
