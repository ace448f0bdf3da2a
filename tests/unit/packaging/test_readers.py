"""Who reads a FIFO gets all of it, whoever else does at the same time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from resnet50_bench.errors import HostError
from resnet50_bench.packaging.readers import Readers, find_readers

CONTENT = bytes(range(256)) * 2000
SECONDS = 30


@pytest.fixture
def fifo(tmp_path) -> Path:
    path = tmp_path / "export" / "logs"
    path.parent.mkdir()
    os.mkfifo(path)
    return path


@pytest.fixture
def readers(fifo) -> Readers:
    found = Readers(fifo)
    found.start()
    return found


def write(stream) -> None:
    for start in range(0, len(CONTENT), 10_000):
        stream.write(CONTENT[start : start + 10_000])


def start_shell(folder: Path, script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", "-c", script], cwd=folder)


def serve(readers: Readers, shell: subprocess.Popen[bytes]) -> None:
    """Serve until the shell has ended."""
    while shell.poll() is None:
        readers.serve(write, 0.05)
    assert shell.returncode == 0


@pytest.mark.parametrize("count", [2, 8])
def test_those_who_come_at_the_same_instant_get_all_of_it_each(readers, fifo, tmp_path, count):
    cats = [f"cat {fifo} >{number} &" for number in range(count)]
    serve(readers, start_shell(tmp_path, f"{' '.join(cats)} wait"))
    for number in range(count):
        assert (tmp_path / str(number)).read_bytes() == CONTENT


def test_who_comes_while_another_reads_waits_for_the_next(readers, fifo, tmp_path):
    shells = [start_shell(tmp_path, f"cat {fifo} >first")]

    def write_and_start_another(stream) -> None:
        stream.write(CONTENT[:100])
        shells.append(start_shell(tmp_path, f"cat {fifo} >second"))
        stream.write(CONTENT[100:])

    assert readers.serve(write_and_start_another, SECONDS)
    assert readers.serve(write, SECONDS)
    assert [shell.wait(SECONDS) for shell in shells] == [0, 0]
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes() == CONTENT


def test_a_process_and_its_child_with_the_same_file_read_as_one(readers, fifo, tmp_path):
    serve(readers, start_shell(tmp_path, f"( head -c 300 >first; cat >rest ) <{fifo}"))
    assert (tmp_path / "first").read_bytes() == CONTENT[:300]


def test_one_that_left_before_it_was_its_turn_is_passed_over(readers, fifo, tmp_path):
    serve(readers, start_shell(tmp_path, f"cat {fifo} >first & kill $!; wait; cat {fifo} >second"))
    assert (tmp_path / "second").read_bytes() == CONTENT


def test_nobody_comes(fifo):
    assert not Readers(fifo).serve(write, 0)


def test_a_fifo_that_is_not_there_is_made(fifo):
    fifo.unlink()
    Readers(fifo)
    assert fifo.is_fifo()
    assert fifo.stat().st_mode & 0o777 == 0o666


def test_a_folder_that_cannot_be_written_is_named(fifo, monkeypatch):
    def refuse(path) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "mkfifo", refuse)
    with pytest.raises(HostError, match=f"{fifo.parent} cannot be written") as caught:
        Readers(fifo)
    assert f"--tmpfs {fifo.parent}:mode=0777" in (caught.value.advice or "")


def test_readers_are_found_by_their_open_files(fifo):
    with subprocess.Popen(["/bin/sh", "-c", f"exec cat {fifo}"], stdout=subprocess.PIPE) as cat:
        with fifo.open("wb", buffering=0) as stream:
            while not find_readers(stream.fileno()):
                pass
            assert find_readers(stream.fileno()) == [[cat.pid]]
            assert cat.poll() is None
        cat.wait(SECONDS)
