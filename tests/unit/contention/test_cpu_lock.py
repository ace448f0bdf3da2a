"""The lock on CPUs, taken twice in one process: every opening of the file has locks of its own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from resnet50_bench.contention import cpu_lock
from resnet50_bench.contention.cpu_lock import (
    CELL_BYTES,
    FILE_NAME,
    PLACE_VARIABLE,
    CpuLock,
    Held,
    Holder,
    decode_holder,
    encode_holder,
    find_held,
    hold_cpus,
    plan_place,
)
from resnet50_bench.errors import CpusHeldError

COMMAND = ["r50", "run"]


@pytest.fixture
def place(tmp_path):
    return {PLACE_VARIABLE: str(tmp_path)}


def test_who_holds_them_is_told(place):
    with hold_cpus([2, 3], ["r50", "run", "--seed", "1"], place) as lock:
        lock.announce(Path("/runs/one"))
        (held,) = find_held([1, 2, 3, 4], place)
        assert held.cpus == (2, 3)
        assert (held.holder.pid, held.holder.command) == (os.getpid(), "r50 run --seed 1")
        text = held.describe()
        assert text.startswith(f"CPUs 2-3 held by pid {os.getpid()}: r50 run --seed 1 (since 20")
        assert text.endswith("run /runs/one)")


def test_an_overlapping_one_is_refused_and_leaves_nothing_locked(place):
    with hold_cpus([2], COMMAND, place):
        with (
            pytest.raises(CpusHeldError, match="CPU 2 held by pid") as caught,
            hold_cpus([0, 1, 2, 3], COMMAND, place),
        ):
            pass
        assert caught.value.exit_code == 3
        assert "--wait" in caught.value.advice
        assert [item.cpus for item in find_held([0, 1, 2, 3], place)] == [(2,)]


def test_disjoint_ones_go_on_side_by_side(place):
    with hold_cpus([0, 1], COMMAND, place), hold_cpus([2, 3], COMMAND, place) as second:
        assert second.failure is None
        assert [item.cpus for item in find_held(range(4), place)] == [(0, 1, 2, 3)]


def test_afterwards_they_are_free(place):
    with hold_cpus([0], COMMAND, place):
        pass
    assert find_held([0], place) == ()
    with hold_cpus([0], COMMAND, place) as again:
        assert again.failure is None


def test_it_ends_with_an_error_too(place):
    with pytest.raises(KeyError), hold_cpus([0], COMMAND, place):
        raise KeyError
    assert find_held([0], place) == ()


HOLD = (
    "import os, sys\n"
    "from resnet50_bench.contention.cpu_lock import hold_cpus\n"
    "import subprocess\n"
    "with hold_cpus([0, 1], ['other'], os.environ):\n"
    "    none = subprocess.DEVNULL\n"
    "    child = subprocess.Popen(['sleep', '100'], stdin=none, stdout=none, stderr=none)\n"
    "    print(child.pid, flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_a_killed_holder_lets_go_although_its_child_lives_on(place):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, **place},
    )  # fmt: skip
    child = int(other.stdout.readline())
    try:
        assert find_held([0], place)[0].holder.pid == other.pid
        other.kill()
        other.communicate()
        os.kill(child, 0)
        with hold_cpus([0, 1], COMMAND, place) as lock:
            assert lock.failure is None
    finally:
        os.kill(child, 9)


def test_waiting_goes_on_when_they_are_free(place, monkeypatch):
    monkeypatch.setattr(cpu_lock, "WAIT_SECONDS", 0)
    first = hold_cpus([0, 1], COMMAND, place)
    first.__enter__()
    told = []

    def on_wait(held, seconds):
        told.append([item.cpus for item in held])
        if len(told) == 2:
            first.__exit__(None, None, None)

    with hold_cpus([1, 2], COMMAND, place, on_wait) as lock:
        assert lock.failure is None
        assert [item.cpus for item in find_held(range(3), place)] == [(1, 2)]
    assert told == [[(1,)], [(1,)]]


def test_an_interrupted_wait_leaves_nothing(place):
    def interrupt(_held, _seconds):
        raise KeyboardInterrupt

    with hold_cpus([1], COMMAND, place):
        with pytest.raises(KeyboardInterrupt), hold_cpus([0, 1], COMMAND, place, interrupt):
            pass
        assert [item.cpus for item in find_held([0, 1], place)] == [(1,)]


def test_a_holder_that_ends_between_is_tried_again(place, monkeypatch):
    """The lock fails, and when one looks there is nobody any more: that is no success yet."""
    first = hold_cpus([0], COMMAND, place)
    first.__enter__()
    real = cpu_lock._find_held

    def find(fd, cpus):
        first.__exit__(None, None, None)
        return real(fd, cpus)

    monkeypatch.setattr(cpu_lock, "_find_held", find)
    with hold_cpus([0], COMMAND, place):
        monkeypatch.setattr(cpu_lock, "_find_held", real)
        assert [item.cpus for item in find_held([0], place)] == [(0,)]


class TestTheFile:
    def test_every_user_may_write_it_whatever_the_umask(self, place, tmp_path):
        before = os.umask(0o077)
        try:
            with hold_cpus([0], COMMAND, place):
                pass
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o666

    def test_a_folder_that_is_not_there_is_no_reason_not_to_run(self, tmp_path):
        place = {PLACE_VARIABLE: str(tmp_path / "none")}
        with hold_cpus([0], COMMAND, place) as lock:
            assert lock.path is None
            assert lock.failure == f"{tmp_path / 'none' / FILE_NAME}: No such file or directory"
            lock.announce(tmp_path)
        assert find_held([0], place) == ()

    def test_a_link_is_not_followed(self, place, tmp_path):
        precious = tmp_path / "precious"
        precious.write_text("kept")
        (tmp_path / FILE_NAME).symlink_to(precious)
        with hold_cpus([0], COMMAND, place) as lock:
            assert lock.failure is not None
        assert precious.read_text() == "kept"

    def test_a_pipe_is_not_waited_for(self, place, tmp_path):
        os.mkfifo(tmp_path / FILE_NAME)
        with hold_cpus([0], COMMAND, place) as lock:
            assert lock.failure == f"{tmp_path / FILE_NAME} is not a file"

    def test_a_file_system_without_locks(self, place, monkeypatch):
        def refuse(*_):
            raise OSError(37, "No locks available")

        monkeypatch.setattr(cpu_lock, "_lock_cell", refuse)
        with hold_cpus([0], COMMAND, place) as lock:
            assert lock.path is None
            assert lock.failure.endswith("No locks available")

    def test_without_a_place_named_all_users_have_the_same(self):
        assert plan_place({}) == plan_place({"TMPDIR": "/elsewhere", "XDG_RUNTIME_DIR": "/mine"})
        assert plan_place({}) in {Path("/run/lock"), Path("/tmp")}


class TestCells:
    HOLDER = Holder(pid=7, command="r50 run", since="2026-01-02T03:04:05+00:00", folder="/runs/a")

    def test_there_and_back(self):
        cell = encode_holder(self.HOLDER)
        assert len(cell) == CELL_BYTES
        assert decode_holder(cell) == self.HOLDER

    @pytest.mark.parametrize("sign", ["x", "é", "\x1b", "\U0001f600"])
    @pytest.mark.parametrize("field", ["command", "folder"])
    def test_a_long_text_is_cut_and_still_one(self, sign, field):
        cell = encode_holder(Holder(pid=7, since="now", **{"command": "r", field: sign * 5000}))
        assert len(cell) == CELL_BYTES
        assert decode_holder(cell).pid == 7

    @pytest.mark.parametrize("cell", [b"", bytes(CELL_BYTES), b"{", b"\xff" * 9, b'{"pid":"x"}'])
    def test_anything_else_is_nobody(self, cell):
        assert decode_holder(cell) is None

    def test_control_characters_reach_no_terminal(self):
        holder = Holder(pid=1, command="\x1b[2J\nfake", since="now")
        assert Held((3,), holder).describe() == ("CPU 3 held by pid 1: \\x1b[2J\\nfake (since now)")
        assert "does not say" in Held((3,), None).describe()

    def test_closing_twice_is_once(self):
        lock = CpuLock(None)
        lock.close()
        lock.close()
