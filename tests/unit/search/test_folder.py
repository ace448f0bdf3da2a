from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.records import make_instance, make_lost, make_record
from tests.unit.search.candidates import (
    MACHINE,
    fail,
    make_attempt,
    make_candidate,
    make_sweep,
)

from resnet50_bench.config import Precision, RunConfig
from resnet50_bench.errors import HostError, NotARecordError, RecordError
from resnet50_bench.results.files import read_record, write_record
from resnet50_bench.search.attempts import read_attempts
from resnet50_bench.search.folder import (
    SWEEP_FILE,
    continue_sweep,
    count_valid,
    hold_folder,
    read_past,
    read_sweep,
    require_usable,
    write_sweep,
)
from resnet50_bench.search.grid import Candidate, LeftOut
from resnet50_bench.search.identity import hash_config, identify_machine

ONE, EIGHT = make_candidate(1), make_candidate(8)


def keep(folder, name: str, record) -> None:
    (folder / name).mkdir()
    write_record(folder / name, record)


class TestIdentity:
    def test_what_is_asked_makes_the_hash(self):
        assert hash_config(RunConfig(batch_size=8)) == hash_config(RunConfig(batch_size=8))
        assert hash_config(RunConfig(batch_size=8)) != hash_config(RunConfig(batch_size=16))
        assert hash_config(RunConfig(customer_env={"A": "1", "B": "2"})) == hash_config(
            RunConfig(customer_env={"B": "2", "A": "1"})
        )

    def test_it_is_the_same_tomorrow(self):
        """A sweep may be gone on with by a later r50, which has more parameters."""
        assert hash_config(RunConfig()) == "44136fa355b3678a"
        assert hash_config(RunConfig(batch_size=8)) == "fc046d91d2e2a564"

    def test_a_record_has_the_hash_of_its_request(self, tmp_path):
        record = make_record()
        write_record(tmp_path, record)
        assert hash_config(read_record(tmp_path).config) == hash_config(record.config)


class TestFile:
    def test_it_is_read_as_it_was_written(self, tmp_path):
        sweep = make_sweep(ONE, EIGHT, left_out=(LeftOut(ONE.settings, "does not fit"),))
        write_sweep(tmp_path / "new", sweep, [make_attempt(ONE, 5.0), fail(EIGHT, 2, "no")])
        assert read_sweep(tmp_path / "new") == sweep

    def test_it_is_for_programs_and_no_record(self, tmp_path):
        write_sweep(tmp_path, make_sweep(ONE), [make_attempt(ONE, 5.0)])
        page = json.loads((tmp_path / SWEEP_FILE).read_text())
        assert page["sweep"]["candidates"][0]["config"]["batch_size"] == 1
        assert page["runs"][0]["figures"]["images_per_s"] == 5.0
        with pytest.raises(NotARecordError):
            read_record(tmp_path / SWEEP_FILE)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"points": []}', b"\xff\xfe"])
    def test_a_damaged_one(self, tmp_path, content):
        (tmp_path / SWEEP_FILE).write_bytes(content)
        with pytest.raises(RecordError, match="damaged or of another r50"):
            read_sweep(tmp_path)

    def test_none(self, tmp_path):
        with pytest.raises(RecordError, match="no sweep at "):
            read_sweep(tmp_path / "nowhere")

    def test_one_of_another_version(self, tmp_path):
        write_sweep(tmp_path, make_sweep(ONE, sweep_version=99), [])
        with pytest.raises(RecordError, match="has version 99, this r50 reads 1"):
            read_sweep(tmp_path)


class TestPast:
    @pytest.fixture
    def record(self):
        return make_record()

    @pytest.fixture
    def sweep(self, record):
        return make_sweep(Candidate((), record.config), ONE, machine=identify_machine(record.host))

    def test_records_tell_even_what_the_file_does_not(self, tmp_path, record, sweep):
        write_sweep(tmp_path, sweep, [])
        keep(tmp_path, "a", record)
        (attempt,) = read_past(tmp_path, sweep)
        assert attempt.folder == "a"
        assert attempt.figures is not None
        assert attempt.figures.images_per_s == 128.0
        assert count_valid([attempt, attempt]) == {hash_config(record.config): 2}

    def test_only_valid_runs_count(self, tmp_path, record, sweep):
        write_sweep(tmp_path, sweep, [])
        instances = [make_instance(0), make_lost(1)]
        keep(tmp_path, "a", make_record(instances=instances, status="lost instances"))
        keep(tmp_path, "b", replace(record, status="interrupted"))
        keep(tmp_path, "c", replace(record, status="running"))
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "record.json").write_text("{")
        attempts = read_past(tmp_path, sweep)
        assert [item.folder for item in attempts] == ["a"]
        assert attempts[0].problem is not None
        assert not count_valid(attempts)

    def test_runs_of_other_machines_and_other_requests_do_not_count(self, tmp_path, record, sweep):
        write_sweep(tmp_path, sweep, [])
        keep(tmp_path, "a", replace(record, host=replace(record.host, cpu_model="Another CPU")))
        keep(tmp_path, "b", replace(record, config=replace(record.config, seed=99)))
        assert list(read_attempts(tmp_path, replace(sweep.machine, nodes=9))) == []
        assert [item.folder for item in read_attempts(tmp_path, sweep.machine)] == ["b"]
        assert read_past(tmp_path, sweep) == ()

    def test_failures_without_a_record_are_kept(self, tmp_path, sweep):
        lost = fail(ONE, 2, "the model is missing")
        write_sweep(tmp_path, sweep, [lost])
        assert read_past(tmp_path, sweep) == (lost,)


class TestGoingOn:
    def test_more_values_and_rounds_extend_it(self, tmp_path):
        past = make_sweep(ONE)
        asked = make_sweep(ONE, EIGHT, rounds=5, created="now", command=("r50", "again"))
        sweep = continue_sweep(tmp_path, past, asked)
        assert sweep == replace(asked, created=past.created, command=past.command)

    def test_another_machine(self, tmp_path):
        asked = make_sweep(ONE, machine=replace(MACHINE, cores=8))
        with pytest.raises(RecordError, match="a sweep of another machine: Synthetic CPU") as error:
            continue_sweep(tmp_path, make_sweep(ONE), asked)
        assert "cores 4, " in error.value.message
        assert "cores 8, " in error.value.message

    def test_other_values(self, tmp_path):
        with pytest.raises(RecordError) as error:
            continue_sweep(tmp_path, make_sweep(ONE, EIGHT), make_sweep(ONE, make_candidate(16)))
        assert "(batch_size: 1, 8 there, 1, 16 here)" in error.value.message
        assert f"`r50 sweep --resume {tmp_path}`" in (error.value.advice or "")

    def test_another_parameter_of_all(self, tmp_path):
        longer = replace(ONE, config=replace(ONE.config, steps=50))
        with pytest.raises(RecordError, match="steps: unset there, 50 here"):
            continue_sweep(tmp_path, make_sweep(ONE), make_sweep(longer))

    def test_a_corner_that_is_missing(self, tmp_path):
        int8 = make_candidate(8, precision=Precision.AVX_INT8)
        past = make_sweep(ONE, EIGHT, int8)
        with pytest.raises(RecordError, match="some combinations are not asked for any more"):
            continue_sweep(tmp_path, past, make_sweep(ONE, int8, make_candidate(8, 2)))

    def test_a_folder_of_something_else(self, tmp_path):
        assert require_usable(tmp_path / "new") is False
        assert require_usable(tmp_path) is False
        (tmp_path / "notes.txt").write_text("")
        with pytest.raises(RecordError, match=r"not empty and holds no sweep\.json"):
            require_usable(tmp_path)
        write_sweep(tmp_path, make_sweep(ONE), [])
        assert require_usable(tmp_path) is True

    def test_two_sweeps_in_one_folder(self, tmp_path):
        with hold_folder(tmp_path / "new"):
            second = hold_folder(tmp_path / "new")
            with pytest.raises(HostError, match="another sweep writes to "):
                second.__enter__()
        with hold_folder(tmp_path / "new"):
            pass
