"""The page: the answer first, then what it is made of, then every run."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from resnet50_bench.limits.reference import read_references
from resnet50_bench.printable import show_controls
from resnet50_bench.report.html.answer import Card, describe_answer, plan_cards
from resnet50_bench.report.html.charts.grid import plan_grids
from resnet50_bench.report.html.charts.limits import (
    find_fastest,
    plan_engines,
    plan_published,
    plan_shares,
)
from resnet50_bench.report.html.charts.theme import THEME
from resnet50_bench.report.html.charts.tradeoff import plan_tradeoff
from resnet50_bench.report.html.configurations import group_runs
from resnet50_bench.report.html.rows import RunRow
from resnet50_bench.report.reference import list_notes, list_published
from resnet50_bench.templates import open_templates

if TYPE_CHECKING:
    from resnet50_bench.report.html.charts.chart import Chart
    from resnet50_bench.report.html.configurations import Configuration
    from resnet50_bench.report.html.detail import Detail
    from resnet50_bench.report.html.links import Links

_PACKAGE = "resnet50_bench.report.html"
_KEPT = frozenset({"link", "line"})
"""Fields that are no text for people: addresses, and names with blanks that count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a sweep is, for a page that is looked at meanwhile.

    Attributes:
        done, total: runs that have ended, and that are planned; None where nobody said how many.
        running: what is measured now, and the best so far, for people.
        revision: changes with what is in the folder.
    """

    done: int
    total: int | None = None
    running: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is to be shown.

    Attributes:
        folders: that were looked through, as given.
        rows: of all runs, the newest last.
        details: some of them.
        skipped: what could not be read, and why.
        links: where records are.
        created: when the page is made: UTC, ISO 8601.
        tool_version: of r50.
        progress: of what still goes on; None for a page that is a file.
    """

    folders: Sequence[str]
    rows: Sequence[RunRow]
    details: Sequence[Detail]
    skipped: Sequence[tuple[str, str]] = ()
    links: Links
    created: str
    tool_version: str
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with charts in it.

    Attributes:
        id: of it.
        title: of it.
        lead: what it is about.
        charts: in it.
        absent: what to say where it has no chart.
    """

    id: str
    title: str
    lead: str
    charts: Sequence[Chart]
    absent: str = ""


def render_page(report: Report, library: str) -> str:
    """Return the page as HTML.

    Args:
        report: what is to be shown.
        library: the script that defines `vegaEmbed`.
    """
    configurations = group_runs(report.rows)
    sections = plan_sections(report, configurations)
    charts = [chart for section in sections for chart in section.charts]
    charts += [chart for detail in report.details for chart in detail.charts]
    # A name declared in one script is not to meet the other's.
    scripts = [f"{{{library}}}", _read_asset("page.js")]
    template = open_templates(_PACKAGE, escape=True).get_template("page.html.j2")
    cards = plan_cards(report.rows, configurations, report.links)
    return template.render(
        report=report,
        title=_name_page(report),
        answer=describe_answer(report.rows, configurations),
        cards=cards,
        invalid=_list_invalid(report, cards),
        sections=sections,
        data=_pack(_make_data(report, charts)),
        style=_read_asset("page.css"),
        scripts=scripts,
        policy=_make_policy(scripts, live=report.progress is not None),
    )


def plan_sections(report: Report, configurations: Sequence[Configuration]) -> list[Section]:
    """Return the charts of many runs, by what they are about."""
    links = report.links
    speeds = [item for item in configurations if item.images_per_s is not None]
    tradeoff = plan_tradeoff(speeds, links)
    shares, engines = plan_shares(speeds, links), plan_engines(speeds, links)
    return [
        Section(
            "map",
            "Batch size and cores per instance",
            "Every combination that was measured, the best of each framed.",
            plan_grids(configurations, links),
            "a map needs several batch sizes or cores per instance, which r50 sweep measures.",
        ),
        Section(
            "tradeoff",
            "Throughput or latency",
            "Larger batches serve more images a second, and each query waits longer.",
            [tradeoff] if tradeoff is not None else [],
            "drawn of three configurations or more, which r50 sweep measures.",
        ),
        Section(
            "limit",
            "How much of the machine it gets",
            "The fastest configuration of each precision, against what these cores can do at most.",
            [chart for chart in (shares, engines) if chart is not None],
            "no run here has a measured limit.",
        ),
        Section(
            "published",
            "Beside what others published",
            "Shares of each CPU's own limit can be compared; images/s of different CPUs cannot.",
            [_plan_published(report, speeds)],
        ),
    ]  # fmt: skip


def _plan_published(report: Report, speeds: Sequence[Configuration]) -> Chart:
    references = read_references()
    known = {item.row.folder: item.reference for item in report.details}
    own, links = [], []
    for best in find_fastest(speeds, ("machine", "precision")):
        reference = known.get(best.row.folder)
        if reference is not None:
            own.append(reference)
            links.append(report.links.of(best.row))
    rows = [*list_published(references), *own]
    notes = list(list_notes(rows, references))
    return plan_published(rows, [*([None] * (len(rows) - len(own))), *links], notes)


def _name_page(report: Report) -> str:
    machines = list(dict.fromkeys(row.machine.partition(":")[0] for row in report.rows))
    if not machines:
        return "ResNet-50 v1.5: no run yet"
    named = machines[0] if len(machines) == 1 else f"{len(machines)} kinds of machines"
    return f"ResNet-50 v1.5 on {named}"


def _list_invalid(report: Report, cards: Sequence[Card]) -> list[tuple[RunRow, str]]:
    """The runs that are not valid, the newest first, each with where it is found."""
    told = {card.row.folder for card in cards if not card.valid}
    return [
        (row, report.links.of(row))
        for row in reversed(report.rows)
        if not row.valid and row.folder not in told
    ]


def _make_data(report: Report, charts: Sequence[Chart]) -> dict[str, Any]:
    names = [item.name for item in fields(RunRow)]
    links = report.links
    return {
        "theme": THEME,
        "charts": {
            chart.id: {"spec": chart.spec, "rows": [_show(row) for row in chart.rows],
                       "columns": chart.columns, "title": chart.title}
            for chart in charts
        },
        "runs": {
            "names": [*names, "link", "record"],
            "rows": [
                [*_show(asdict(row)).values(), links.of(row), links.record(row)]
                for row in reversed(report.rows)
            ],
        },
        "records": {item.place: item.record for item in report.details if item.record},
    }  # fmt: skip


def _show(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with what its texts have of control characters shown."""
    return {
        name: show_controls(value) if isinstance(value, str) and name not in _KEPT else value
        for name, value in row.items()
    }


def _pack(data: dict[str, Any]) -> str:
    """JSON, compressed, in base64: small, and without a character that HTML takes for its own."""
    return base64.b64encode(gzip.compress(msgspec.json.encode(data), mtime=0)).decode()


def _make_policy(scripts: Sequence[str], *, live: bool) -> str:
    """Only these scripts run, and nothing is fetched, but for how far a server is."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    asks = " connect-src 'self';" if live else ""
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:;"
        f"{asks} base-uri 'none'; form-action 'none'"
    )


def _read_asset(name: str) -> str:
    return Path(str(files(_PACKAGE).joinpath("assets", name))).read_text("utf-8")
