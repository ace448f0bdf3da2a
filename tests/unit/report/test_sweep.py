from __future__ import annotations

import csv
import io
import json

from tests.unit.search.candidates import fail, make_attempt, make_candidate, make_sweep

from resnet50_bench.config import Mode, Precision
from resnet50_bench.report.sweep import (
    Findings,
    describe_left_out,
    render_csv,
    render_json,
    render_markdown,
    render_text,
)
from resnet50_bench.search.grid import Candidate, LeftOut

SMALL, LARGE = make_candidate(1, 2), make_candidate(64, 1)
INT8 = make_candidate(64, 2, Precision.AVX_INT8)
BROKEN = make_candidate(128, 2, Precision.AVX_INT8)
LEFT_OUT = tuple(
    LeftOut(make_candidate(size, 8).settings, "8 cores do not fit") for size in (1, 64)
)


def find(mode: Mode = Mode.THROUGHPUT) -> Findings:
    candidates = [
        make_candidate(
            item.config.batch_size, item.config.cores_per_instance, item.config.precision, mode
        )
        for item in (SMALL, LARGE, INT8, BROKEN)
    ]
    small, large, int8, broken = candidates
    attempts = [
        *(make_attempt(small, rate) for rate in (10.0, 12.0)),
        *(make_attempt(large, rate) for rate in (40.0, 40.0)),
        make_attempt(
            int8, 100.0, limit_share=0.8125, folder="20260101T000000Z-throughput-avx_int8"
        ),
        fail(broken, 3, "instance 0 was killed", "20260101T000001Z-throughput-avx_int8"),
    ]
    sweep = make_sweep(*candidates, left_out=LEFT_OUT)
    return Findings(sweep=sweep, attempts=tuple(attempts), cpu="SPR")


def test_text():
    assert render_text(find()) == (
        "Best per batch size (images/s; 95 % interval by the spread of the rounds)\n"
        "precision  BS  CPI  CPU   value    95 % interval  of limit  rounds  ms a query\n"
        "avx_fp32    1    2  SPR   11.00   -1.71 .. 23.71         -       2      91.667\n"
        "avx_fp32   64    1  SPR   40.00   40.00 .. 40.00         -       2    1600.000\n"
        "avx_int8   64    2  SPR  100.00  99.00 .. 101.00     81.2%       1     640.000\n"
        "\n"
        "Best per precision (images/s; 95 % interval by the spread of the rounds)\n"
        "precision  BS  CPI  CPU   value    95 % interval  of limit  rounds  ms a query\n"
        "avx_fp32   64    1  SPR   40.00   40.00 .. 40.00         -       2    1600.000\n"
        "avx_int8   64    2  SPR  100.00  99.00 .. 101.00     81.2%       1     640.000\n"
        "\n"
        "failed: PRECISION=avx_int8 BATCH_SIZE=128 CORES_PER_INSTANCE=2: exit 3: instance 0 was "
        "killed (20260101T000001Z-throughput-avx_int8)\n"
        "without a valid run: 1 of 4 combinations\n"
        "left out: 2 combinations of PRECISION=avx_fp32 CORES_PER_INSTANCE=8: 8 cores do not fit\n"
    )


def test_latency_is_the_value_of_a_latency_sweep():
    lines = render_text(find(Mode.LATENCY)).splitlines()
    assert lines[0].startswith("Best per batch size (ms a query, mean; lower is better; 95 %")
    assert lines[6:9] == [
        "Best per precision (ms a query, mean; lower is better; 95 % interval by the spread of "
        "the rounds)",
        "precision  BS  CPI  CPU    value       95 % interval  of limit  rounds  images/s",
        "avx_fp32    1    2  SPR   91.667  -14.218 .. 197.552         -       2     11.00",
    ]
    assert lines[9].split() == [
        "avx_int8", "64", "2", "SPR", "640.000", "not", "known", "81.2%", "1", "100.00",
    ]  # fmt: skip


def test_markdown_is_the_workload_s_table():
    lines = render_markdown(find()).splitlines()
    assert lines[:5] == [
        "## Best per batch size",
        "",
        "images/s; 95 % interval by the spread of the rounds.",
        "",
        "| precision | BS | CPI | CPU | value | 95 % interval | of limit | rounds | ms a query |",
    ]
    assert lines[5] == "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |"
    assert lines[6].startswith("| avx_fp32 | 1 | 2 | SPR | 11.00 | ")
    assert lines[-1].startswith("- left out: 2 combinations of ")


def test_csv_has_every_candidate_that_was_measured():
    rows = list(csv.DictReader(io.StringIO(render_csv(find()))))
    assert [(row["batch_size"], row["value"], row["unit"]) for row in rows] == [
        ("1", "11.0", "images/s"), ("64", "40.0", "images/s"), ("64", "100.0", "images/s"),
    ]  # fmt: skip
    assert [row["best_of_precision"] for row in rows] == ["False", "True", "True"]
    assert rows[2]["runs"] == "20260101T000000Z-throughput-avx_int8"


def test_json_has_everything():
    found = json.loads(render_json(find()))
    assert found["unit"] == "images/s"
    assert [item["value"] for item in found["best_of_batch_size"]] == [11.0, 40.0, 100.0]
    assert found["best_of_precision"][1]["interval"] == [99.0, 101.0]
    assert found["best_of_precision"][1]["set"]["PRECISION"] == "avx_int8"
    assert found["failures"][0]["exit_code"] == 3
    assert found["left_out"][1]["reason"] == "8 cores do not fit"


def test_nothing_was_measured():
    findings = Findings(sweep=make_sweep(SMALL, LARGE), attempts=(), cpu="SPR")
    assert render_text(findings) == "not measured yet: 2 of 2 combinations\n"
    assert json.loads(render_json(findings))["best_of_precision"] == []


def test_text_from_outside_begins_no_line_and_no_formula():
    setting = SMALL.settings[0].__class__("CUSTOMER_ENV", "=A\nB|C", "--customer-env")
    candidate = Candidate((setting,), SMALL.config)
    findings = Findings(
        sweep=make_sweep(candidate), attempts=(make_attempt(candidate, 5.0),), cpu="=x"
    )
    assert "CUSTOMER_ENV==A\\nB|C" in render_text(findings)
    assert "CUSTOMER_ENV==A\\nB\\|C" in render_markdown(findings)
    (row,) = csv.DictReader(io.StringIO(render_csv(findings)))
    assert row["cpu"] == "'=x"


def test_what_is_left_out_for_one_reason_stands_on_one_line():
    other = LeftOut(SMALL.settings, "no memory")
    assert describe_left_out([*LEFT_OUT, other]) == [
        "left out: 2 combinations of PRECISION=avx_fp32 CORES_PER_INSTANCE=8: 8 cores do not fit",
        "left out: 1 combination of PRECISION=avx_fp32 BATCH_SIZE=1 CORES_PER_INSTANCE=2: no "
        "memory",
    ]
