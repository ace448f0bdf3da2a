from __future__ import annotations

import pytest
from tests.records import MS, make_instance, make_lost, make_record, make_slot

from resnet50_bench.config import RunConfig
from resnet50_bench.engines.onednn_trace import ProblemTime
from resnet50_bench.errors import RecordError, RequestError
from resnet50_bench.instance.job import MEASURE_BEGIN, MEASURE_END, TRACE_BEGIN
from resnet50_bench.results.kernel_logs import KernelLogs, Part, find_kernel_logs, read_profile

INFO = "onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)"
TEMPLATE = "onednn_verbose,v1,primitive,info,template:operation,engine,primitive,exec_time"


def line(time_ms: float, dtype: str = "f32", problem: str = "mb2") -> str:
    return (
        f"onednn_verbose,v1,primitive,exec,cpu,convolution,brg:avx512_core,forward,src:{dtype}::a "
        f"wei:{dtype}::a dst:{dtype}::a,,alg:convolution_direct,{problem},{time_ms}"
    )


def write(folder, name: str, *lines: str) -> None:
    (folder / name).write_text("".join(f"{text}\n" for text in lines))


def write_kernel_log(folder, instance: int, time_ms: float) -> None:
    """100 ms of warm-up, two measured queries, 1000 ms behind them."""
    write(
        folder, f"onednn_{instance:03d}.log",
        INFO, TEMPLATE, line(100), MEASURE_BEGIN, line(time_ms), line(time_ms), MEASURE_END,
        line(1000), "some other text",
    )  # fmt: skip


def find(folder, record=None, instance=None, *, everything=False) -> KernelLogs:
    return find_kernel_logs(folder, record or make_record(), instance, everything=everything)


class TestFind:
    def test_the_measurements_own_before_the_trace(self, tmp_path):
        for instance in (0, 1):
            write_kernel_log(tmp_path, instance, 1)
            write(tmp_path, f"trace_{instance:03d}.log", TRACE_BEGIN, line(1))
        logs = find(tmp_path)
        assert (logs.part, logs.instances) == (Part.MEASURED, (0, 1))
        assert [path.name for path in logs.paths] == ["onednn_000.log", "onednn_001.log"]
        assert find(tmp_path, everything=True).part is Part.EVERYTHING
        assert find(tmp_path, instance=1).instances == (1,)

    def test_else_the_trace(self, tmp_path):
        write(tmp_path, "trace_000.log", TRACE_BEGIN, line(1))
        logs = find(tmp_path)
        assert (logs.part, logs.instances) == (Part.TRACED, (0,))
        with pytest.raises(RequestError, match="one batch only"):
            find(tmp_path, everything=True)

    def test_no_such_instance(self, tmp_path):
        write_kernel_log(tmp_path, 0, 1)
        with pytest.raises(RequestError) as caught:
            find(tmp_path, instance=2)
        assert caught.value.message == "--instance 2: the run's are 0-1"

    @pytest.mark.parametrize(
        ("changes", "advice"),
        [
            ({}, "run it again with --onednn-verbose"),
            (
                {"status": "interrupted"},
                "the run is not complete (interrupted): run it again with --onednn-verbose",
            ),
        ],
    )
    def test_none_says_how_to_get_one(self, tmp_path, changes, advice):
        with pytest.raises(RecordError) as caught:
            find(tmp_path, make_record(**changes))
        assert caught.value.message == f"no oneDNN trace in {tmp_path}"
        assert caught.value.advice == advice

    def test_an_engine_without_kernels(self, tmp_path):
        write_kernel_log(tmp_path, 0, 1)
        config = RunConfig(engine="null", cores_per_instance=2)
        with pytest.raises(RecordError, match="the null engine writes no trace of oneDNN's"):
            find(tmp_path, make_record(config))


class TestRead:
    def test_the_measured_queries_of_all_instances(self, tmp_path):
        write_kernel_log(tmp_path, 0, 1.5)
        write_kernel_log(tmp_path, 1, 2.5)
        queries = [(0, 4 * MS), (4 * MS, 10 * MS)]
        record = make_record(instances=[make_instance(i, queries) for i in range(2)])
        profile = read_profile(find(tmp_path, record), record)
        assert profile.trace.problems == (
            ProblemTime("convolution", "f32", "avx512_core", "mb2", 4, 8.0),
        )
        assert (profile.total_ms, profile.queries, profile.query_ms) == (8.0, 4, 20.0)
        # What oneDNN says of itself stands before the first mark.
        assert (profile.trace.version, profile.trace.unparsed) == ("3.7.3", 0)

    def test_one_instance(self, tmp_path):
        write_kernel_log(tmp_path, 0, 1.5)
        write_kernel_log(tmp_path, 1, 2.5)
        record = make_record()
        profile = read_profile(find(tmp_path, record, 1), record)
        assert (profile.instances, profile.total_ms, profile.queries) == ((1,), 5.0, 40)

    def test_everything(self, tmp_path):
        write_kernel_log(tmp_path, 0, 1.5)
        record = make_record()
        profile = read_profile(find(tmp_path, record, everything=True), record)
        assert profile.total_ms == 1103.0
        assert (profile.queries, profile.query_ms) == (None, None)

    def test_of_a_trace_what_stands_behind_its_mark(self, tmp_path):
        write(tmp_path, "trace_000.log", INFO, line(50), TRACE_BEGIN, line(2), line(3, "bf16"))
        record = make_record()
        profile = read_profile(find(tmp_path, record), record)
        assert [(item.dtype, item.time_ms) for item in profile.trace.problems] == [
            ("bf16", 3.0),
            ("f32", 2.0),
        ]
        assert (profile.trace.version, profile.queries) == ("3.7.3", None)

    def test_problems_of_one_kind_stand_apart_the_costliest_first(self, tmp_path):
        lines = [line(1, problem="a"), line(5, problem="b"), line(2, problem="a")]
        write(tmp_path, "trace_000.log", TRACE_BEGIN, *lines)
        record = make_record()
        profile = read_profile(find(tmp_path, record), record)
        assert [(item.problem, item.calls, item.time_ms) for item in profile.trace.problems] == [
            ("b", 1, 5.0),
            ("a", 2, 3.0),
        ]
        (kernel,) = profile.trace.kernels
        assert (kernel.calls, kernel.time_share) == (3, 1.0)

    @pytest.mark.parametrize(
        "record",
        [
            make_record(RunConfig(cores_per_instance=2, engine_options={"callers": "2"})),
            make_record(instances=[make_lost(0), make_lost(1)], status="lost instances"),
        ],
        ids=["a query split among threads", "no query"],
    )
    def test_no_share_of_the_queries_time_where_it_would_mislead(self, tmp_path, record):
        write_kernel_log(tmp_path, 0, 1.5)
        assert read_profile(find(tmp_path, record), record).query_ms is None

    def test_an_instance_lost_before_it_measured(self, tmp_path):
        write(tmp_path, "onednn_000.log", INFO, line(1))
        record = make_record(instances=[make_lost(make_slot(0))], status="lost instances")
        with pytest.raises(RecordError) as caught:
            read_profile(find(tmp_path, record), record)
        assert caught.value.message == "onednn_000.log: no kernel of the measured queries in it"
        assert caught.value.advice == "--all shows what was executed before and after"

    def test_bytes_that_are_no_text_and_a_cut_end_are_counted_at_most(self, tmp_path):
        content = f"{MEASURE_BEGIN}\n{line(1)}\n".encode() + b"\xff\x00\n" + line(2)[:60].encode()
        (tmp_path / "onednn_000.log").write_bytes(content)
        record = make_record()
        profile = read_profile(find(tmp_path, record), record)
        assert (profile.total_ms, profile.trace.unparsed) == (1.0, 1)

    def test_tells_how_far_it_is_over_all_logs(self, tmp_path):
        for instance in (0, 1):
            write_kernel_log(tmp_path, instance, 1)
        record = make_record()
        told: list[int] = []
        read_profile(find(tmp_path, record), record, told.append)
        first = len((INFO + "\n").encode())
        assert told == [first, (tmp_path / "onednn_000.log").stat().st_size + first]
