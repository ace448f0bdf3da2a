"""Paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from resnet50_bench.errors import R50Error
from resnet50_bench.files.paths import describe_problem, is_file, is_folder, is_there, read_content
from resnet50_bench.host.files import read_host_file
from resnet50_bench.model.manifest import read_identity
from resnet50_bench.results.files import read_record

LONG = Path("x" * 300)


@pytest.mark.parametrize("path", [LONG, Path("/".join(["y" * 200] * 30)), Path("a\0b")])
def test_what_cannot_be_a_path_is_not_there(path):
    assert (is_folder(path), is_file(path), is_there(path)) == (False, False, False)
    with pytest.raises((OSError, ValueError)) as caught:
        read_content(path)
    assert describe_problem(caught.value) in {"File name too long", "embedded null byte"}


def test_what_is_there(tmp_path):
    (file := tmp_path / "a").write_bytes(b"x")
    assert (is_folder(tmp_path), is_file(tmp_path), is_there(tmp_path)) == (True, False, True)
    assert (is_folder(file), is_file(file), is_there(file)) == (False, True, True)
    assert read_content(file) == b"x"


def test_a_pipe_is_read():
    reading, writing = os.pipe()
    os.write(writing, b"x")
    os.close(writing)
    try:
        assert read_content(Path(f"/proc/self/fd/{reading}")) == b"x"
    finally:
        os.close(reading)


@pytest.mark.parametrize("read", [read_record, read_host_file, read_identity])
def test_a_device_without_an_end_is_refused(read):
    with pytest.raises(R50Error, match="it is a device, not a file"):
        read(Path("/dev/zero"))
