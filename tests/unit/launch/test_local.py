"""What is said when the system does not start an instance."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from resnet50_bench.errors import HostError, OutputError
from resnet50_bench.launch.local import LocalLauncher
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import make_config
from resnet50_bench.planning.jobs import plan_jobs
from resnet50_bench.planning.plan import plan_run


@pytest.fixture
def jobs():
    config = make_config([Setting("ENGINE", "null", "--engine"), Setting("INSTANCES", "1", "x"),
                          Setting("CORES_PER_INSTANCE", "1", "x")])  # fmt: skip
    return plan_jobs(plan_run(config, {}))


def start(jobs, folder) -> None:
    with LocalLauncher().start(jobs, {}, folder):
        pass


def test_an_interpreter_that_is_gone(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(HostError) as caught:
        start(jobs, tmp_path)
    assert caught.value.message == (
        f"instance 0 cannot be started: {tmp_path / 'python'}: No such file or directory"
    )
    assert "install it again" in (caught.value.advice or "")


def test_an_interpreter_that_is_none(jobs, tmp_path, monkeypatch):
    (program := tmp_path / "python").write_bytes(b"\0\1")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(HostError, match="Exec format error") as caught:
        start(jobs, tmp_path)
    assert "damaged" in (caught.value.advice or "")


def test_an_interpreter_without_the_right_to_run(jobs, tmp_path, monkeypatch):
    (program := tmp_path / "python").touch(mode=0o644)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(HostError, match="Permission denied") as caught:
        start(jobs, tmp_path)
    assert "no right" in (caught.value.advice or "")
    assert "fewer" not in (caught.value.advice or "")


def test_too_many_processes(jobs, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(HostError) as caught:
        start(jobs, tmp_path)
    assert "ulimit -u" in (caught.value.advice or "")
    assert "--instances" in (caught.value.advice or "")


def test_a_log_without_room(jobs, tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OutputError, match=r"instance_000\.log cannot be written: No space left"):
        start(jobs, tmp_path)
