from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.records import (
    make_failure,
    make_instance,
    make_lost,
    make_manifest,
    make_record,
    make_seen,
    make_slot,
)

from resnet50_bench.config import CaseType, DataType, Mode, Precision, RunConfig
from resnet50_bench.data.feed import FeedReport
from resnet50_bench.data.sources import Skipped
from resnet50_bench.errors import ExitCode, RecordError
from resnet50_bench.placement.slots import IdleCores
from resnet50_bench.results.files import RECORD_FILE, read_record, write_record
from resnet50_bench.results.record import SCHEMA_VERSION, Dataset, Launch, Record


def full_record() -> Record:
    """A record with a value in every field that may be empty."""
    feed = FeedReport(
        kind="real",
        images=3,
        batches=1,
        batch_size=4,
        source="folder x",
        profile="mlperf",
        decode_ns=17,
        skipped=(Skipped("bad.jpg", "no JPEG"),),
        not_loaded=2,
        notes=("a note",),
        decoding_in_window=True,
    )
    seen = make_seen(
        make_slot(1, nodes=(0, 1)),
        memory_policy_error="refused",
        anonymous_bytes={0: 1, 1: 1 << 40},
    )
    record = make_record(
        RunConfig(
            mode=Mode.LATENCY,
            precision=Precision.AMX_BFLOAT16,
            data_type=DataType.REAL,
            case_type=CaseType.PKM,
            dataset="bilder/größe",
            model="m.pb",
            engine_options={"callers": "2"},
            batch_size=4,
            cores_per_instance=2,
            instances=2,
            steps=1,
            warmup_steps=2,
            min_time_s=0.1,
            limit=5,
            seed=(1 << 40) - 1,
            smt=True,
            span_sockets=True,
            customer_env={"A": 'quo"te\n'},
            timeout_s=1.5,
            verbose=True,
        ),
        instances=[
            make_instance(0, [(1 << 62, (1 << 62) + 1)], feed=feed),
            make_lost(1, "exception", "x", seen=seen, failure=make_failure(advice="do"), pid=None),
        ],
        status="lost instances",
        emulated=True,
        model=make_manifest("generated", notes=("odd",)),
        dataset=Dataset(
            path="x", description="a folder", images=3, skipped=(("bad.jpg", "no JPEG"),)
        ),
        launch=Launch(
            environment={"A": "1"},
            command=("python",),
            parent_cpu_ns=1,
            parent_wall_ns=2,
            oom_kills=3,
        ),
    )
    placement = replace(
        record.placement, idle_cores=(IdleCores(1, (3,), "why"),), notes=("a note",)
    )
    host = replace(record.host, quota_cpus=1.5, load_average_1min=0.25, turbo=True)
    return replace(record, placement=placement, host=host)


class TestRoundTrip:
    @pytest.mark.parametrize(
        "record",
        [make_record(), make_record(status="running", instances=[], duration_ns=None),
         make_record(RunConfig(engine="null")), full_record()],
        ids=["completed", "running", "null engine", "every field"],
    )  # fmt: skip
    def test_what_is_read_is_what_was_written(self, tmp_path, record):
        path = write_record(tmp_path, record)
        assert path == tmp_path / "record.json"
        assert read_record(tmp_path) == record
        assert read_record(path) == record

    def test_is_one_line_of_json_with_its_version(self, tmp_path):
        text = write_record(tmp_path, make_record()).read_text()
        assert text.count("\n") == 1
        assert text.endswith("}\n")
        assert json.loads(text)["schema_version"] == SCHEMA_VERSION == 1

    def test_writing_again_replaces_it(self, tmp_path):
        write_record(tmp_path, make_record(status="running", instances=[]))
        write_record(tmp_path, make_record())
        assert read_record(tmp_path).status == "completed"
        assert [path.name for path in tmp_path.iterdir()] == [RECORD_FILE]

    def test_folder_is_gone(self, tmp_path):
        with pytest.raises(OSError, match="No such file or directory"):
            write_record(tmp_path / "gone", make_record())


class TestUnreadable:
    @staticmethod
    def error(path: Path) -> RecordError:
        with pytest.raises(RecordError) as caught:
            read_record(path)
        assert caught.value.exit_code == ExitCode.WRONG_REQUEST
        assert caught.value.advice
        return caught.value

    def test_no_folder(self, tmp_path):
        error = self.error(tmp_path / "gone")
        assert error.message == f"no run at {tmp_path / 'gone'}: No such file or directory"
        assert error.advice == "give the folder that holds record.json"

    def test_folder_without_record(self, tmp_path):
        assert self.error(tmp_path).message == f"no run at {tmp_path}: No such file or directory"

    def test_folder_of_runs(self, tmp_path):
        for name in ("first", "last"):
            (tmp_path / name).mkdir()
            write_record(tmp_path / name, make_record())
        error = self.error(tmp_path)
        assert error.advice == f"give a run in it, such as {tmp_path / 'last'}"

    def test_name_too_long(self, tmp_path):
        assert "File name too long" in self.error(tmp_path / ("x" * 300)).message

    @pytest.mark.parametrize("version", ["2", "0", "null", '"1"'])
    def test_another_schema_version(self, tmp_path, version):
        text = write_record(tmp_path, make_record()).read_text()
        path = tmp_path / RECORD_FILE
        path.write_text(text.replace('"schema_version":1', f'"schema_version":{version}', 1))
        error = self.error(tmp_path)
        shown = {"null": "None", '"1"': "1"}.get(version, version)
        assert error.message == f"{path} has schema version {shown}, this r50 reads 1"
        assert error.advice == "read it with the r50 that wrote it"

    def test_another_version_is_told_even_if_nothing_else_is_understood(self, tmp_path):
        (tmp_path / RECORD_FILE).write_text('{"schema_version": 9, "runs": []}')
        assert "has schema version 9" in self.error(tmp_path).message

    def test_no_version(self, tmp_path):
        (tmp_path / RECORD_FILE).write_text("{}")
        assert "has schema version None" in self.error(tmp_path).message

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\0\0\0\0",
            b"[1]",
            b"record",
            b'{"schema_version": 1',
            b'{"schema_version": 1}',
            b'{"schema_version": 1, "\xff": 1}',
            b'{"schema_version": 1, "x": ' + b"[" * 100_000,
        ],
        ids=["empty", "zeros", "list", "word", "cut", "fields missing", "not UTF-8", "deep"],
    )
    def test_damaged(self, tmp_path, content):
        path = tmp_path / RECORD_FILE
        path.write_bytes(content)
        error = self.error(tmp_path)
        assert error.message.startswith(f"{path} is not the record of a run: ")
        assert error.advice == (
            "give the folder of another run; a damaged record.json cannot be repaired"
        )

    def test_cut_anywhere(self, tmp_path):
        content = write_record(tmp_path, make_record()).read_bytes().rstrip()
        for length in range(0, len(content), 997):
            (tmp_path / RECORD_FILE).write_bytes(content[:length])
            self.error(tmp_path)

    def test_wrong_kind_of_value(self, tmp_path):
        path = write_record(tmp_path, make_record())
        path.write_text(path.read_text().replace('"status":"completed"', '"status":"fine"'))
        assert "$.status" in self.error(tmp_path).message
