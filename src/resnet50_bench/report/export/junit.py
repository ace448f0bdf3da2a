"""JUnit's XML: a suite a run, with one test case that fails when the run is INVALID.

The order and the attributes are those that Ant's schema asks for (JUnit.xsd of windyroad), which
Jenkins, GitLab and GitHub's report actions read, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from resnet50_bench.errors import ExitCode
from resnet50_bench.printable import join_lines, show_controls
from resnet50_bench.report.kpi.text import list_kpis, list_parameters, render_kpi_text

if TYPE_CHECKING:
    from resnet50_bench.report.export.measures import ExportedRun
    from resnet50_bench.results.findings import Finding


def render_junit(runs: Sequence[ExportedRun]) -> str:
    """Return the document of the runs, in their order."""
    root = ET.Element("testsuites")
    for number, run in enumerate(runs):
        _add_suite(root, number, run)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _add_suite(root: ET.Element, number: int, run: ExportedRun) -> None:
    record = run.record
    lost = run.verdict.exit_code == ExitCode.FAILURE
    seconds = f"{(record.duration_ns or 0) / 1e9:.3f}"
    suite = _add(
        root,
        "testsuite",
        id=str(number),
        package="r50",
        name=str(run.folder) or ".",
        timestamp=run.created.strftime("%Y-%m-%dT%H:%M:%S"),
        hostname=record.host.hostname or "localhost",
        tests="1",
        failures=str(int(not run.verdict.valid and not lost)),
        errors=str(int(lost)),
        skipped="0",
        time=seconds,
    )
    properties = _add(suite, "properties")
    figures = [(line.label, f"{line.value:.{line.decimals}f}") for line in list_kpis(record)]
    for name, value in [*list_parameters(record), *figures]:
        _add(properties, "property", name=name, value=value)
    case = _add(
        suite,
        "testcase",
        name=run.configuration,
        classname=f"r50.{record.measures}.{record.config.precision.value}",
        time=seconds,
    )
    if not run.verdict.valid:
        kind = "error" if lost else "failure"
        failures = run.verdict.failures
        found = _add(case, kind, message=failures[0].message,
                     type="lost instances" if lost else "INVALID")  # fmt: skip
        found.text = join_lines(_list_findings(failures))
    _add(suite, "system-out").text = render_kpi_text(record)
    _add(suite, "system-err").text = join_lines(_list_findings(run.verdict.warnings))


def _add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    """Add an element; a character that XML cannot hold is written as an escape."""
    shown = {name: show_controls(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, shown)


def _list_findings(findings: Iterable[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(finding.message)
        if finding.advice:
            lines.append(f"  -> {finding.advice}")
    return lines
