from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from resnet50_bench.files.atomic import check_folder, write_atomically


def test_readable_by_others(tmp_path):
    write_atomically(tmp_path / "x", b"1")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.chmod", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(step, fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_whole_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    replace_file = Path.replace
    seen = []

    def spy(self: Path, target: Path) -> Path:
        seen.append((self.parent, self.read_bytes(), target.read_bytes()))
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", spy)
    write_atomically(path, b"new")
    assert seen == [(tmp_path, b"new", b"old")]
    assert path.read_bytes() == b"new"


def test_the_failure_names_the_file(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(OSError, match="Is a directory") as caught:
        write_atomically(tmp_path / "x", b"new")
    assert caught.value.filename == str(tmp_path / "x")


def test_a_folder_is_looked_at_and_not_made(tmp_path):
    check_folder(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        check_folder(tmp_path / "file" / "below")
    assert caught.value.filename == str(tmp_path / "file")


def test_a_folder_without_room_for_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left on device"):
        check_folder(tmp_path, needed_bytes=1 << 62)


def test_what_is_no_regular_file_stays_what_it_is(tmp_path):
    """A device, say: whoever may write to its folder would put a file in its place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is no regular file") as caught:
        write_atomically(pipe, b"new")
    assert caught.value.filename == str(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]
