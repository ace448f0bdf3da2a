"""What is read from old logs, and that no log can break the reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet50_bench.errors import RecordError
from resnet50_bench.report.kpi.lines import Log, LoggedAccuracy, LoggedTotal, LogKind
from resnet50_bench.report.kpi.logs import (
    MAX_KEPT_LINES,
    list_doubts,
    list_failures,
    merge_logs,
    parse_log,
    read_log,
)

PATH = Path("a.log")

WORKLOAD_HEAD = """\
WORKLOAD: resnet50v1_5_tensorflow_xeon_public
PLATFORM: SPR
MODE: throughput
TOPOLOGY: resnet50v1_5
FUNCTION: inference
PRECISION: amx_bfloat16
BATCH_SIZE: 32
STEPS: 100
DATA_TYPE: dummy
CORES_PER_INSTANCE: 14
CASE_TYPE:
WEIGHT_SHARING: False
"""

ZOO = """\
Inference with dummy data.
Iteration 1: 0.512345 sec
Iteration 2: 0.250000 sec
Average time: 0.250000 sec
Batch size = 32
Throughput: 128.000 images/sec
"""


def parse(text: str, path: Path = PATH) -> Log:
    return parse_log([line + b"\n" for line in text.encode().split(b"\n")], path)


def counts(log: Log) -> tuple[int, int, int, int]:
    return log.lines, log.blank, log.used, log.unused_count


def test_the_model_zoos_output():
    log = parse(ZOO)
    assert log.kind is LogKind.MODEL_ZOO
    assert log.parameters == {"DATA_TYPE": "dummy", "BATCH_SIZE": "32"}
    assert log.rates == [128.0]
    assert log.latencies_ms == []
    assert log.latency_ms == 250.0
    assert counts(log) == (7, 1, 6, 0)


def test_at_batch_size_1_the_latency_line_counts_not_the_average():
    log = parse("Average time: 0.0056 sec\nBatch size = 1\nLatency: 5.601 ms\n")
    assert (log.latencies_ms, log.latency_ms) == ([5.601], 5.601)


def test_the_workloads_head_wins_over_what_the_model_zoo_prints():
    log = parse(WORKLOAD_HEAD + "MODE: inference\nPRECISION: bfloat16\nBATCH_SIZE: 1\n" + ZOO)
    assert log.kind is LogKind.WORKLOAD
    assert log.parameters["MODE"] == "throughput"
    assert log.parameters["PRECISION"] == "amx_bfloat16"
    assert log.parameters["BATCH_SIZE"] == "32"
    assert "CASE_TYPE" not in log.parameters  # it has no value
    assert log.unused_count == 0


def test_values_as_the_quickstart_scripts_print_them():
    log = parse("STEPS: steps=1500\nWARMUP_STEPS: warmup_steps=100\n")
    assert log.parameters == {"STEPS": "1500", "WARMUP_STEPS": "100"}


@pytest.mark.parametrize(
    ("line", "rate"),
    [
        ("Throughput: 123.4 images/sec", 123.4),
        ("Throughput: 123.4 images/s", 123.4),
        ("Throughput (img/s): 123.4", 123.4),
        ("Throughput: 123.4 samples/sec", 123.4),
        ("Throughput: 123.4 fps", 123.4),
        ("Throughput = 1.234e2", 123.4),
        ("[0] Throughput: 123.4 images/sec", 123.4),
        ("Instance 3 Throughput: 123.40 images/sec", 123.4),
        ("  Throughput:\t123.4 images/sec \r", 123.4),
    ],
)
def test_spellings_of_a_rate(line, rate):
    log = parse(line)
    assert (log.rates, log.unused_count) == ([rate], 0)


@pytest.mark.parametrize(
    "line",
    [
        "Throughput: -1",
        "Throughput: 0.000 images/sec",
        "Throughput: nan images/sec",
        "Throughput: inf",
        "Throughput: 12.5 tokens/sec",
        "Throughput summary:",
        "Throughput: 12.5 images/sec or so",
        "Throughput: 1e999 images/sec",
        "Latency: 0.000 ms",
        "Latency: -0.000 ms",
        "Iteration time: 0.1234 ms",
        "Processed 0 images. (Top1 accuracy, Top5 accuracy) = (0.0000, 0.0000)",
        "Processed 10 images. (Top1 accuracy, Top5 accuracy) = (1.5000, 1.0000)",
        "Accuracy: 101 %",
        "WARNING: BATCH_SIZE is odd",
        "x" * 5000,
        "Throughput: 1.0" + " " * 5000 + "images/sec",
    ],
)
def test_lines_that_are_no_measurement(line):
    log = parse(line)
    assert not log.has_kpi
    assert counts(log) == (1, 0, 0, 1)
    assert (log.unused[0].path, log.unused[0].number) == (PATH, 1)
    assert log.unused[0].text == line[:200]


def test_a_latency_in_seconds_becomes_milliseconds():
    assert parse("Latency: 0.0056 s").latencies_ms == [pytest.approx(5.6, rel=1e-12)]


def test_the_last_accuracy_counts():
    head = "images. (Top1 accuracy, Top5 accuracy) ="
    log = parse(f"Processed 100 {head} (0.8000, 0.9500)\nProcessed 50000 {head} (0.7648, 0.9308)")
    assert log.accuracy == LoggedAccuracy(pytest.approx(76.48), pytest.approx(93.08), 50000)
    assert list_doubts(log)[1:] == []


def test_accuracy_on_fewer_images_is_a_subset():
    log = parse("Processed 49952 images. (Top1 accuracy, Top5 accuracy) = (0.7648, 0.9308)")
    assert list_doubts(log)[1:] == ["accuracy on a subset: 49952 of 50000 images"]


@pytest.mark.parametrize(
    ("line", "percent"),
    [("Accuracy: 76.48 %", 76.48), ("Accuracy: 0.5", 50.0), ("Accuracy (%): 0.5", 0.5),
     ("Accuracy: 76.48", 76.48)],
)  # fmt: skip
def test_accuracy_as_share_or_percent(line, percent):
    assert parse(line).accuracy == LoggedAccuracy(percent)


SHARED = """\
STEPS: 10
WARMUP_STEPS: 2
BATCH_SIZE: 1
Instance num 1 Avg Time/Iteration 8.000000 msec Throughput 125.000000 images/sec
Instance num 2 Avg Time/Iteration 10.000000 msec Throughput 100.000000 images/sec
Total aggregated Throughput 225.000000
"""


def test_weight_sharing_is_summed_once_and_its_defects_are_named():
    log = parse(SHARED)
    assert (log.rate_sum, log.instances, log.latency_ms) == (225.0, 2, 9.0)
    assert log.unused_count == 0
    assert list_doubts(log)[1:] == [
        "the processes' own sums, 225.00 images/s together, are not counted again",
        "the model zoo's weight-sharing script times one step fewer than it counts: its rates are "
        "14.29% too high",
    ]


def test_weight_sharing_with_a_batch_may_lack_the_batch_size():
    doubts = list_doubts(parse(SHARED.replace("BATCH_SIZE: 1", "BATCH_SIZE: 16")))
    assert doubts[-1].endswith("the rate may be too low, 16 times")
    doubts = list_doubts(parse(SHARED.replace("BATCH_SIZE: 1\n", "")))
    assert doubts[-1].endswith("the rate may be too low, by the batch size")


def test_the_sum_of_the_processes_counts_where_no_thread_wrote_a_rate():
    log = parse("Total aggregated Throughput 225.5\nTotal aggregated Throughput 100.25\n")
    assert (log.rate_sum, log.instances) == (325.75, 0)


R50 = """\
WORKLOAD: resnet50v1_5_tensorflow_xeon_public
MODE: throughput
BATCH_SIZE: 32
INSTANCES: 2
PRECISION_PROOF: PROVEN
CPU: Some CPU: the best
ENV OMP_NUM_THREADS: 2
Instance 0 cpus: 0-1
Instance 0 memory nodes: 0
Instance 0 queries: 40
Instance 0 Throughput: 64.00 images/sec
Instance 0 Latency: 500.000 ms
Instance 1 Throughput: 66.00 images/sec
Total Throughput (images/s): 128.50 # 128.00 .. 129.00 over tenths of the window
Total Latency p99.9 (ms): 500.125
Total Images: 2560
Verdict: VALID
"""


def test_r50s_own_log_keeps_the_totals_of_the_common_window():
    log = parse(R50)
    assert log.kind is LogKind.R50
    assert log.totals == [
        LoggedTotal("Throughput", "images/s", 128.5, 2),
        LoggedTotal("Latency p99.9", "ms", 500.125, 3),
        LoggedTotal("Images", "", 2560, 0),
    ]
    assert log.parameters["CPU"] == "Some CPU: the best"
    assert list_failures(log) == []
    assert counts(log) == (18, 1, 17, 0)


def test_r50s_own_log_of_an_invalid_run():
    text = R50.replace("Verdict: VALID", "Verdict: INVALID\nFailed check: instance 0 was lost")
    assert list_failures(parse(text)) == ["instance 0 was lost"]
    assert list_failures(parse(R50.replace("VALID", "INVALID"))) == ["the log itself says INVALID"]


def test_every_log_r50_writes_is_read_in_full():
    for path in sorted((Path(__file__).parents[3] / "golden").glob("*.log.txt")):
        log = read_log(path)
        assert log.unused_count == 0, path
        assert log.kind is LogKind.R50, path


def test_killed_instances_and_missing_ones():
    words = (
        "#INVALID RESULT: Some instances were killed during execution! See README.md for more.\n"
    )
    assert parse(ZOO + words).lost
    assert not parse(ZOO).lost
    assert list_failures(parse("INSTANCE_NUMBER: 4\n" + ZOO)) == [
        "4 instances were started, 1 wrote a rate"
    ]
    assert list_failures(parse("INSTANCE_NUMBER: 1\n" + ZOO)) == []
    assert list_failures(parse("nothing\n")) == ["no line of the log is a KPI"]


def test_logs_of_one_run_are_merged():
    logs = [parse(WORKLOAD_HEAD + ZOO), parse(ZOO + "odd\n", Path("b.log"))]
    (run,) = merge_logs(logs)
    assert run.paths == [PATH, Path("b.log")]
    assert run.rates == [128.0, 128.0]
    assert run.rate_sum == 256.0
    assert counts(run) == (27, 2, 24, 1)
    assert (run.unused[0].path, run.unused[0].number) == (Path("b.log"), 7)


def test_logs_of_different_runs_are_not_summed():
    other = ZOO.replace("Batch size = 32", "Batch size = 64")
    first, second = merge_logs([parse(ZOO), parse(other), parse(ZOO)])
    assert (first.rates, second.rates) == ([128.0, 128.0], [128.0])
    assert len(merge_logs([parse(R50), parse(R50)])) == 2


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        (
            "resnet50v1_5_int8_inference_bs32_cores28_all_instances.log",
            {"PRECISION": "int8", "BATCH_SIZE": "32", "CORES_PER_INSTANCE": "28"},
        ),
        (
            "ResNet_50_v1_5_bfloat16_bs1_Latency_inference_instance_0.log",
            {"PRECISION": "bfloat16", "BATCH_SIZE": "1"},
        ),
        ("benchmark_1.log", {}),
    ],
)
def test_what_the_model_zoo_puts_into_the_name(name, parameters):
    assert parse("", Path(name)).parameters == parameters


def test_unused_lines_are_counted_beyond_those_kept():
    log = parse("?\n" * 1000)
    assert (log.unused_count, len(log.unused)) == (1000, MAX_KEPT_LINES)


def test_a_log_that_cannot_be_read(tmp_path):
    with pytest.raises(RecordError) as caught:
        read_log(tmp_path / "none.log")
    assert caught.value.message.endswith("none.log: No such file or directory")


USED = [line for line in (WORKLOAD_HEAD + ZOO + SHARED + R50).splitlines() if line]
ODD = ["Throughput: -1", "Iteration time: 0.1 ms", "2026-01-02 I tensorflow/core", "ERROR: x"]


@given(st.lists(st.sampled_from([*USED, *ODD, "", "   "])))
def test_lines_are_counted_exactly(lines):
    log = parse_log([line.encode() for line in lines], PATH)
    assert counts(log) == (
        len(lines),
        sum(not line.strip() for line in lines),
        sum(line in USED for line in lines),
        sum(line in ODD for line in lines),
    )


def assert_sane(log: Log, lines: int) -> None:
    assert log.lines == lines
    assert log.blank >= 0
    assert log.used >= 0
    assert 0 <= len(log.unused) <= log.unused_count
    assert all(0 < number < float("inf") for number in log.rates + log.latencies_ms)
    shown = [line.text for line in log.unused] + list(log.parameters.values())
    assert all(text.isprintable() for text in shown)
    assert len(merge_logs([log])) == 1
    list_failures(log)
    list_doubts(log)


@given(st.binary(max_size=400))
def test_any_bytes_are_read(content):
    lines = content.splitlines(keepends=True)
    assert_sane(parse_log(lines, PATH), len(lines))


@given(st.sampled_from(USED), st.binary(max_size=20), st.integers(0, 100), st.integers(0, 20))
def test_damaged_lines_are_read(line, noise, at, cut):
    raw = line.encode()
    assert_sane(parse_log([raw[:at] + noise + raw[at + cut :]], PATH), 1)
