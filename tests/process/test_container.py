"""What an image's first process does, without an image: the same program on a FIFO of the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resnet50_bench.contention.cpu_lock import PLACE_VARIABLE
from resnet50_bench.results.files import read_record

from .conftest import GIVE_UP_SECONDS, wait_until

CODE = (
    "import os, sys; from pathlib import Path; "
    "from resnet50_bench.packaging.container import run_protocol; "
    "sys.exit(run_protocol(os.environ, Path(sys.argv[1]), Path(sys.argv[2])))"
)
NULL = {"ENGINE": "null", "WARMUP_STEPS": "2", "CORES_PER_INSTANCE": "1", "INSTANCES": "1"}
ENDLESS = {**NULL, "STEPS": "100000000", "TIMEOUT": "600"}


@pytest.fixture
def container(r50, tmp_path):
    """Start the protocol with these variables."""
    os.mkfifo(tmp_path / "export-logs")
    (tmp_path / "logs").mkdir()

    def start(**variables: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-c",
            CODE,
            str(tmp_path / "logs"),
            str(tmp_path / "export-logs"),
        ]
        # What the test's own shell exports is not for a container.
        clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        marked = {
            name: text
            for name, text in r50.environment().items()
            if name in {"TMPDIR", "R50_TEST_MARK", PLACE_VARIABLE}
        }
        return r50.start(
            env=None, command=["env", "-i", *pairs(clean | marked | variables), *command]
        )

    return start


def pairs(variables: dict[str, str]) -> list[str]:
    return [f"{name}={text}" for name, text in variables.items()]


def start_reader(tmp_path: Path, folder: str) -> subprocess.Popen[bytes]:
    (tmp_path / folder).mkdir()
    command = f"cat {tmp_path}/export-logs | tar xf - -C {tmp_path}/{folder}"
    return subprocess.Popen(["/bin/sh", "-c", command])


def export(tmp_path: Path, folder: str) -> Path:
    assert start_reader(tmp_path, folder).wait(GIVE_UP_SECONDS) == 0
    return tmp_path / folder


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


def measuring(tmp_path: Path) -> bool:
    log = tmp_path / "logs/output.log"
    return log.is_file() and "measure for about" in log.read_text()


def find_record(folder: Path):
    (path,) = folder.glob("*/record.json")
    return read_record(path)


def test_every_reader_gets_the_same_tar(r50, container, tmp_path):
    process = container(**NULL, STEPS="20")
    first = read_tree(export(tmp_path, "first"))
    assert first["status"] == b"0\n"
    assert b"VALID" in first["output.log"]
    assert find_record(tmp_path / "first").status == "completed"
    for number in range(10):
        assert read_tree(export(tmp_path, str(number))) == first
    process.terminate()
    assert r50.end(process).code == 0


def test_a_reader_that_leaves_in_the_middle_takes_nothing_from_the_next(r50, container, tmp_path):
    process = container(**NULL, STEPS="20")
    whole = read_tree(export(tmp_path, "whole"))
    with (tmp_path / "export-logs").open("rb", buffering=0) as stream:
        assert stream.read(100)
    assert read_tree(export(tmp_path, "again")) == whole
    process.terminate()
    assert r50.end(process).code == 0


def test_earlier_runs_in_the_folder_are_not_exported(r50, container, tmp_path):
    (tmp_path / "logs/old").mkdir()
    (tmp_path / "logs/old/record.json").touch()
    process = container(MODE="none")
    assert set(read_tree(export(tmp_path, "x"))) == {"status", "output.log"}
    process.terminate()
    assert r50.end(process).code == 2


def test_wrong_variables_are_told_in_the_log_and_in_the_status(r50, container, tmp_path):
    process = container(STEPS="ten", BATCHSIZE="1")
    logs = read_tree(export(tmp_path, "x"))
    assert logs["status"].decode().splitlines() == [
        "2",
        "error: environment variable STEPS: 'ten' must be a whole number, 1 or more",
        "error: environment variable BATCHSIZE: there is no parameter BATCHSIZE; "
        "did you mean BATCH_SIZE?",
    ]
    assert logs["status"] == b"2\n" + logs["output.log"]
    process.terminate()
    assert r50.end(process).stdout == logs["output.log"].decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_the_run_and_serves_who_waits(r50, container, tmp_path, number):
    process = container(**ENDLESS)
    wait_until(lambda: measuring(tmp_path), "the measurement")
    reader = start_reader(tmp_path, "x")
    process.send_signal(number)
    assert reader.wait(GIVE_UP_SECONDS) == 0
    assert r50.end(process).code == 128 + number
    assert (tmp_path / "x/status").read_text() == f"{128 + number}\n"
    assert find_record(tmp_path / "x").status == "interrupted"


def test_told_to_stop_it_ends_though_nobody_reads(r50, container, tmp_path):
    process = container(**ENDLESS)
    wait_until(lambda: measuring(tmp_path), "the measurement")
    process.terminate()
    assert r50.end(process).code == 143
    assert (tmp_path / "logs/status").read_text() == "143\n"


def test_a_lost_instance_is_exit_code_3(r50, container, tmp_path):
    process = container(**ENDLESS)
    wait_until(lambda: measuring(tmp_path), "the measurement")
    os.kill(r50.find_worker(0), signal.SIGKILL)
    logs = read_tree(export(tmp_path, "x"))
    assert logs["status"].startswith(b"3\n")
    assert b"Some instances were killed" in logs["status"]
    assert (tmp_path / "logs/state").read_text() == "failed\n"
    process.terminate()
    r50.end(process)


def test_without_a_fifo_it_says_whose_it_is(r50):
    ended = r50("container")
    assert ended.code == 3
    assert ended.stderr == (
        "error: there is no FIFO /export-logs\n"
        "  -> this is for the project's images: `r50 run` runs here\n"
    )


def test_with_arguments_it_is_the_command_line(r50):
    ended = r50("container", "run", "--engine", "null", "--steps", "ten")
    assert ended.code == 2
    assert ended.stderr == "error: --steps: 'ten' must be a whole number, 1 or more\n"


def test_records_are_printed_where_there_is_no_volume(r50, tmp_path):
    output = tmp_path / "results"
    ended = r50("container", "run", "--engine", "null", "--steps", "20", "--output", output,
                env={"R50_PRINT_RECORDS": "1"})  # fmt: skip
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("r50-record: ")]
    (tmp_path / "pod.log").write_text(ended.stdout)
    collected = r50("collect", tmp_path / "pod.log")
    assert collected.code == 0
    assert find_record(output).run_id in line
