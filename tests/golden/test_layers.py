"""Every line about the convolutions of a run, from a trace that was made here."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from tests.records import make_record, make_roofline
from tests.traces import CONVOLUTIONS, write_query

from resnet50_bench.engines.onednn_trace import parse_trace
from resnet50_bench.report import layers as report
from resnet50_bench.results.kernel_logs import Part, Profile
from resnet50_bench.results.layer_limits import LayerResults, compute_layers
from resnet50_bench.results.layers import LayerClock

FOLDER = Path(__file__).parent


def make_profile(lines: list[str]) -> Profile:
    clock = LayerClock()
    trace = parse_trace(lines, clock.add)
    return Profile(
        part=Part.MEASURED,
        instances=(0, 1),
        trace=trace,
        total_ms=sum(item.time_ms for item in trace.problems),
        queries=None,
        query_ms=None,
        layers=clock.finish(),
    )


def bounded() -> tuple[LayerResults, Profile]:
    profile = make_profile(write_query() * 2)
    return compute_layers(make_record(roofline=make_roofline()), profile), profile


def unbounded() -> tuple[LayerResults, Profile]:
    """No roofline, and two layers that nothing tells apart."""
    profile = make_profile(write_query(sums=None))
    return compute_layers(make_record(), profile), profile


TEXTS = {
    "layers.txt": lambda: report.render_layers(*bounded()),
    "layers.md": lambda: report.render_markdown(*bounded()),
    "layers.csv": lambda: report.render_csv(*bounded()),
    "layers.unbounded.txt": lambda: report.render_layers(*unbounded()),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_whole_text_is_as_before(name: str) -> None:
    assert TEXTS[name]() == (FOLDER / name).read_text()


def test_json_has_what_csv_has() -> None:
    results, profile = bounded()
    summary = json.loads(json.dumps(report.summarize_layers(results, profile)))
    rows = list(csv.DictReader(io.StringIO(report.render_csv(results, profile))))
    assert len(rows) == len(summary["layers"]) == CONVOLUTIONS
    assert [{k: str(v) for k, v in layer.items()} for layer in summary["layers"]] == rows
    assert (summary["queries"], summary["problem"], summary["no_bounds"]) == (2, None, None)


def test_lines_of_another_model_are_said_to_be_so() -> None:
    profile = make_profile([line.replace("ic3oc64", "ic4oc64") for line in write_query()])
    text = report.render_layers(compute_layers(make_record(), profile), profile)
    assert text.startswith("the convolutions cannot be told apart: mb8_ic4oc64_")
    assert report.render_markdown(compute_layers(make_record(), profile), profile) == text


def write_all() -> None:
    for name, render in TEXTS.items():
        (FOLDER / name).write_text(render())


if __name__ == "__main__":
    write_all()
