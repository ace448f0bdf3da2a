"""A machine's limits as people and programs read them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from rich.console import Console
from tests.records import FOUR_CORES, make_roofline

from resnet50_bench.report.roofline import (
    describe_age,
    print_roofline,
    render_csv,
    render_markdown,
    summarize_roofline,
)

HOST = replace(
    FOUR_CORES.host(),
    cpu_model="A CPU\x1b[2J",
    cpu_flags=("avx2", "avx512bw", "avx512dq", "avx512f", "avx512vl", "avx512_bf16", "avx512_vnni"),
)
NOW = datetime.now(timezone.utc).isoformat(timespec="seconds")
ROOFLINE = make_roofline(measured=NOW)


def render_text(*, layers: bool = False, roofline=ROOFLINE) -> str:
    stream = io.StringIO()
    print_roofline(Console(file=stream, width=200), HOST, roofline, layers=layers)
    return stream.getvalue()


def test_a_peak_has_its_rate_each_cores_part_and_what_it_allows() -> None:
    (row,) = (line for line in render_text().splitlines() if line.startswith("AVX-512, fp32"))
    assert row.split()[-4:] == ["1600.0", "400.0", "195.6", "avx_fp32"]


def test_what_is_absent_says_why() -> None:
    text = render_text()
    assert "AMX, int8                   absent: this CPU has no amx_int8, amx_tile" in text
    assert "L1" in text
    assert "absent: it was not measured" in text


def test_the_model_and_the_definition_are_told_and_no_control_character_is_printed() -> None:
    text = render_text()
    assert "4.089 G multiply-adds, so 8.178 G operations an image, in 53 convolutions" in text
    assert "padding counted" in text
    assert "\x1b" not in text
    assert "conv2d_52" not in text
    assert "conv2d_52" in render_text(layers=True)


def test_rounds_far_apart_are_told() -> None:
    assert "apart" not in render_text()
    rates = (1e12, 0.7e12)
    peak = replace(ROOFLINE.peaks[0], operations_per_s=1e12, rounds=rates)
    text = render_text(roofline=replace(ROOFLINE, peaks=(peak,)))
    assert "up to 30% apart: other work had these cores" in text


def test_csv_and_markdown_have_a_row_for_each_peak_and_bandwidth() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(HOST, ROOFLINE))))
    assert len(rows) == 9 + 8
    first = next(row for row in rows if row["What"] == "avx512_fp32")
    assert float(first["Value"]) == 1600
    assert float(first["Lowest round"]) == 1568
    assert first["Precisions"] == "avx_fp32"
    memory = next(row for row in rows if row["What"] == "DRAM read")
    assert (memory["Unit"], float(memory["Value"])) == ("GB/s", 40)
    table = [line for line in render_markdown(HOST, ROOFLINE).splitlines() if line[:1] == "|"]
    assert len(table) == 2 + 9 + 8
    assert len({line.count("|") for line in table}) == 1


def test_json_holds_every_layer_and_what_is_absent() -> None:
    value = summarize_roofline(HOST, ROOFLINE)
    assert len(value["model"]["layers"]) == 54
    assert sum(layer["multiply_adds"] for layer in value["model"]["layers"]) == 4_089_186_304
    kinds = {item["kind"]: item for item in value["peaks"]}
    assert kinds["amx_int8"]["operations_per_s"] is None
    assert kinds["amx_int8"]["absent"] == "this CPU has no amx_int8, amx_tile"
    assert kinds["avx512_bf16"]["images_per_s"] == pytest.approx(391.28, abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (119, "just now"), (600, "10 minutes ago"), (7 * 3600, "7 hours ago"),
     (3 * 86400, "3 days ago")],
)  # fmt: skip
def test_an_age_has_one_unit(seconds, text) -> None:
    assert describe_age(seconds) == text
