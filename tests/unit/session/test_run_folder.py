"""Where a record goes when its folder cannot take it."""

import errno
import os
import tempfile

import pytest
from tests.records import make_record

from resnet50_bench.errors import HostError, OutputError
from resnet50_bench.results.files import RECORD_FILE, read_record
from resnet50_bench.session import run_folder as subject


@pytest.fixture
def disks(monkeypatch):
    """The folders that are full: nothing can be written to them or below."""
    full: list[str] = []
    real = subject.write_record

    def write(folder, record):
        if any(str(folder).startswith(place) for place in full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / RECORD_FILE))
        return real(folder, record)

    monkeypatch.setattr(subject, "write_record", write)
    return full


def test_in_its_folder(tmp_path, disks):
    assert subject.keep_record(tmp_path, make_record()) == subject.Kept(tmp_path)
    assert read_record(tmp_path) == make_record()


def test_elsewhere(tmp_path, disks, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (folder := tmp_path / "runs").mkdir()
    disks.append(str(folder))
    kept = subject.keep_record(folder, make_record())
    assert kept.folder is not None
    assert kept.folder.parent == tmp_path
    assert read_record(kept.folder) == make_record()
    (problem,) = kept.problems
    assert problem.message == (f"{folder / RECORD_FILE} cannot be written: No space left on device")
    assert f"`r50 show {kept.folder}`" in (problem.advice or "")


def test_nowhere(tmp_path, disks, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(subject, "ELSEWHERE", str(tmp_path))
    disks.append(str(tmp_path))
    kept = subject.keep_record(tmp_path, make_record())
    assert kept.folder is None
    assert "shown once" in (kept.problems[0].advice or "")
    assert list(tmp_path.iterdir()) == []


def test_a_record_without_its_log(tmp_path, monkeypatch):
    def refuse(folder, _):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "benchmark.log"))

    monkeypatch.setattr(subject, "write_logs", refuse)
    kept = subject.keep_record(tmp_path, make_record())
    assert kept.folder == tmp_path
    assert "benchmark.log cannot be written" in kept.problems[0].message
    assert f"`r50 kpi {tmp_path}`" in (kept.problems[0].advice or "")


def test_a_run_that_is_about_to_begin_is_refused(tmp_path, disks):
    disks.append(str(tmp_path))
    with pytest.raises(OutputError, match="No space left on device") as caught:
        subject.begin_record(tmp_path, make_record())
    assert "--output DIR" in (caught.value.advice or "")


def test_a_place_for_runs_is_looked_at_and_not_made(tmp_path):
    subject.check_output(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="Not a directory"):
        subject.check_output(tmp_path / "file" / "runs")
