"""What a host sends back: taken in, or refused with its reason; never out of its folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.fleets import make_fleet_host, make_fleet_record

from resnet50_bench.config import Mode, Precision
from resnet50_bench.fleet.engine import incoming
from resnet50_bench.fleet.engine.incoming import Said, Wanted, read_said, take_in
from resnet50_bench.fleet.engine.running import Event
from resnet50_bench.fleet.ledger import Ledger
from resnet50_bench.report.fleet_rows import describe_ended, render_rows

WANTED = Wanted("throughput_avx_fp32", Mode.THROUGHPUT, Precision.AVX_FP32)
GOOD = msgspec.json.encode(make_fleet_record("a"))
HOSTILE = "../../\x1b[2J<script>alert(1)</script>\n"


def send(folder: Path, content: bytes, sha256: str | None = None):
    arrived = folder / "arrived"
    arrived.write_bytes(content)
    sha256 = sha256 or hashlib.sha256(content).hexdigest()
    return take_in(arrived, Said(sha256=sha256), WANTED, folder / "place")


class TestTakeIn:
    def test_a_whole_record_goes_to_its_place(self, tmp_path):
        record = send(tmp_path, GOOD)
        assert not isinstance(record, str)
        assert [path.name for path in tmp_path.rglob("*.json")] == ["record.json"]
        assert (tmp_path / "place" / "record.json").read_bytes() == GOOD

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (GOOD[:-100], "cannot be used"),
            (b"", "cannot be used"),
            (b"\x00" * 1000, "cannot be used"),
            (b"[" * 1_000_000, "cannot be used"),
            (b'{"schema_version":1,"a":' + b'{"a":' * 100_000, "cannot be used"),
            (b'{"schema_version":' + b"9" * 100_000 + b"}", "cannot be used"),
            (b'{"schema_version":1}', "cannot be used"),
            (GOOD.replace(b'"avx_fp32"', b'"avx_int8"'), "not what was asked"),
            (GOOD.replace(b'"batch_size":32', b'"batch_size":-1'), "cannot be used"),
        ],
    )
    def test_what_is_no_record_of_the_case_is_refused(self, tmp_path, content, reason):
        said = send(tmp_path, content)
        assert reason in str(said)
        assert not (tmp_path / "place").exists()

    def test_what_is_not_whole_is_refused(self, tmp_path):
        assert "is not whole" in str(send(tmp_path, GOOD, "0" * 64))
        assert not (tmp_path / "place").exists()

    def test_what_is_huge_is_refused_before_it_is_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(incoming, "MAX_RECORD_BYTES", 1 << 20)
        with (tmp_path / "arrived").open("wb") as file:
            file.truncate(1 << 40)
        assert "larger than 1 MiB" in str(
            take_in(tmp_path / "arrived", Said(sha256="0" * 64), WANTED, tmp_path / "place")
        )

    def test_what_is_huge_there_and_was_cut_on_its_way_says_so(self, tmp_path):
        (tmp_path / "arrived").write_bytes(GOOD)
        said = Said(sha256="0" * 64, size=10**12)
        told = take_in(tmp_path / "arrived", said, WANTED, tmp_path / "place")
        assert "larger than 64 MiB" in str(told)

    def test_what_did_not_arrive_is_told(self, tmp_path):
        told = take_in(tmp_path / "none", Said(), WANTED, tmp_path / "place")
        assert "did not arrive" in str(told)

    def test_names_in_a_record_are_no_paths(self, tmp_path):
        """Its host, its run and its dataset may be called what they like."""
        host = make_fleet_host(HOSTILE, cpu_model=HOSTILE)
        record = replace(make_fleet_record("a", host=host), run_id="../../../escaped")
        taken = send(tmp_path, msgspec.json.encode(record))
        assert not isinstance(taken, str)
        assert {path.name for path in tmp_path.rglob("*")} == {"place", "record.json"}


class TestSaid:
    def test_the_last_line_of_the_script_is_read(self):
        text = f"x\nr50-fleet now=1 code=7\nr50-fleet now=5 code=0 size=9 sha256={'a' * 64}\n"
        assert read_said(text) == Said(now_s=5, exit_code=0, size=9, sha256="a" * 64)

    @pytest.mark.parametrize(
        "text",
        ["", "r50-fleet now=x code=1e9 size=- sha256=../../etc", f"r50-fleet now={'9' * 5000}"],
    )
    def test_what_is_no_number_is_not_there(self, text):
        assert read_said(text) == Said()


class Fleet:
    """A ledger of two hosts with two cases each, and what is told to it."""

    def __init__(self, folder: Path) -> None:
        self.incoming, self.output = folder / "incoming", folder / "out"
        self.incoming.mkdir()
        other = Wanted("throughput_avx_int8", Mode.THROUGHPUT, Precision.AVX_INT8)
        self.ledger = Ledger(
            (WANTED, other), {"a": (0, 1), "b": (1,)}, {"a": "fa", "b": "fb"},
            self.incoming, self.output,
        )  # fmt: skip
        self.ledger.clock_s = iter(range(100)).__next__
        self.ledger.wall_s = lambda: 1000.0

    def tell(self, event: str, host: str, task: str, **said):
        return self.ledger.take(Event(event=event, host=host, task=task, **said))

    def measure(self, content: bytes, now: int = 1000) -> list:
        sha256 = hashlib.sha256(content).hexdigest()
        said = f"r50-fleet now={now} code=0 size={len(content)} sha256={sha256}"
        assert self.tell("ok", "a", "measure 0", stdout=said) == []
        (self.incoming / "fa-0.json").write_bytes(content)
        return self.tell("ok", "a", "fetch 0")


@pytest.fixture
def fleet(tmp_path) -> Fleet:
    return Fleet(tmp_path)


class TestLedger:
    def test_a_case_that_came_back_is_a_row_with_its_checksum(self, fleet):
        (ended,) = fleet.measure(GOOD)
        row = ended.row
        assert (row.outcome, row.folder, row.exit_code) == (
            "measured", "fa/throughput_avx_fp32", 0,
        )  # fmt: skip
        assert row.sha256 == hashlib.sha256(GOOD).hexdigest()
        assert (fleet.output / row.folder / "record.json").read_bytes() == GOOD
        assert ended.is_valid
        assert "VALID Throughput (images/s): 1" in describe_ended(row, ended.record)

    def test_a_host_that_cannot_be_reached_loses_all_that_it_misses(self, fleet):
        lost = fleet.tell("unreachable", "a", "prepare", msg="x\nPermission denied (publickey).")
        assert [item.row.case for item in lost] == ["throughput_avx_fp32", "throughput_avx_int8"]
        assert {item.row.reason for item in lost} == {"Permission denied (publickey)."}
        assert fleet.tell("ok", "a", "measure 0") == []

    def test_a_run_without_a_record_is_lost_with_what_it_printed_last(self, fleet):
        for code, word in ((3, "ended there with 3"), (137, "signal 9"), (124, "--timeout")):
            fleet.ledger._hosts["a"].missing = [0]
            said = {"stdout": f"r50-fleet now=1000 code={code}", "stderr": "error: no room\nbye"}
            (ended,) = fleet.tell("ok", "a", "measure 0", **said)
            assert word in ended.row.reason
            assert "error: no room" in ended.row.reason

    def test_a_record_that_is_refused_is_lost_and_nothing_of_it_stays(self, fleet):
        (ended,) = fleet.measure(b"[" * 10_000)
        assert ended.row.outcome == "lost"
        assert "cannot be used" in ended.row.reason
        assert not list(fleet.incoming.iterdir())
        assert not fleet.output.exists()

    @pytest.mark.parametrize(("now", "word"), [(4600, "3600 s ahead"), (940, None), (0, "behind")])
    def test_a_clock_that_is_off_is_told(self, fleet, now, word):
        (ended,) = fleet.measure(GOOD, now)
        assert (word in " ".join(ended.row.notes)) if word else ended.row.notes == ()

    def test_what_is_never_heard_of_is_lost(self, fleet):
        fleet.measure(GOOD)
        lost = fleet.ledger.close("Ansible ended")
        assert [(item.row.host, item.row.case) for item in lost] == [
            ("a", "throughput_avx_int8"),
            ("b", "throughput_avx_int8"),
        ]

    def test_who_has_begun_and_is_not_clean_may_have_something_running(self, fleet):
        assert fleet.ledger.begun == []
        fleet.tell("start", "a", "measure 0")
        assert fleet.ledger.at_work == {"a": "measure throughput_avx_fp32"}
        assert fleet.ledger.begun == ["a"]
        fleet.measure(GOOD)
        assert fleet.ledger.begun == ["a"]
        fleet.tell("ok", "a", "clean")
        assert fleet.ledger.begun == []

    def test_hostile_events_are_no_more_than_text(self, fleet):
        for task in ("fetch 7", "measure -1", "fetch 0/../../x", HOSTILE):
            assert fleet.tell("ok", "a", task, stdout=HOSTILE) == []
        assert fleet.tell("ok", "nobody", "fetch 0") == []
        (ended, *_) = fleet.tell("failed", "a", "prepare", msg=HOSTILE * 1000)
        assert len(ended.row.reason) <= 500
        text = render_rows([ended.row], {}, Path("out"))
        assert "\x1b" not in text
        json.dumps(msgspec.to_builtins(ended.row))
