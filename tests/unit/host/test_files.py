from __future__ import annotations

import json

import pytest
from tests.hosts.synthetic import CGROUPS, Machine, write_files, write_host

from resnet50_bench.config import CoreKind
from resnet50_bench.errors import HostSpecError
from resnet50_bench.host.files import HostFile, encode_host_file, open_host, read_host_file
from resnet50_bench.host.machine import read_host
from resnet50_bench.host.specs import describe_host


@pytest.fixture
def captured(tmp_path):
    """A host in a container, and the file of it."""
    root = write_host(tmp_path, Machine(packages=2, nodes=(4,), smt=2))
    write_files(root, CGROUPS["v2"])
    file = HostFile(
        tool_version="0.1.0", captured="2026-01-02T03:04:05+00:00", host=read_host(root)
    )
    (path := tmp_path / "host.json").write_bytes(encode_host_file(file))
    return file, path


def test_a_file_holds_the_host_with_its_limits(captured):
    file, path = captured
    assert read_host_file(path) == file
    assert open_host(str(path)) == file.host
    assert (file.host.quota_cpus, file.host.allowed_cpus) == (1.5, (0, 1))
    assert json.loads(path.read_text())["host_file_version"] == 1


def test_a_file_of_an_older_r50_lacks_what_came_later(captured):
    file, path = captured
    document = json.loads(path.read_text())
    del document["host"]["allowed_nodes"]
    path.write_text(json.dumps(document))
    assert read_host_file(path) == file


def test_without_a_name_it_is_this_machine():
    assert open_host(None).cores == read_host().cores


def test_a_description_needs_no_file():
    assert open_host("2x8x2 snc2") == describe_host("2x8x2 snc2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a host file: Input data was truncated"),
        (b"[]", "is not a host file: Expected `object`, got `array`"),
        (b'{"host": {}}', "is not a host file: Object missing required field `host_file_version`"),
        (b'{"host_file_version": 2}', "has host file version 2, this r50 reads 1"),
        (b'{"host_file_version": 1}', "missing required field `tool_version`"),
        (b"\xff\xfe", "is not a host file"),
    ],
)
def test_what_is_no_host_file_is_refused(tmp_path, content, message):
    (path := tmp_path / "host.json").write_bytes(content)
    with pytest.raises(HostSpecError) as caught:
        read_host_file(path)
    assert caught.value.message.startswith(str(path))
    assert message in caught.value.message
    assert "capture" in caught.value.advice


def test_a_host_without_cores_is_refused(captured):
    _, path = captured
    document = json.loads(path.read_text())
    document["host"]["cores"] = []
    path.write_text(json.dumps(document))
    with pytest.raises(HostSpecError, match="names no usable core"):
        read_host_file(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cores", [{"cpus": [0], "socket": 0, "node": 0}] * 2, "has CPUs 0 in more than one core"),
        ("cores", [{"cpus": [0], "socket": 0, "node": 9}], "memory nodes that it does not list: [9]"),
        ("cores", [{"cpus": [-1], "socket": 0, "node": 0}], "has a CPU -1"),
        ("nodes", [{"id": 0, "cpus": [], "memory_bytes": 1}] * 2, "has a memory node twice"),
    ],
)  # fmt: skip
def test_a_file_that_contradicts_itself_is_refused(captured, name, value, message):
    _, path = captured
    document = json.loads(path.read_text())
    document["host"][name] = value
    path.write_text(json.dumps(document))
    with pytest.raises(HostSpecError) as caught:
        read_host_file(path)
    assert message in caught.value.message
    assert caught.value.advice == "capture the host again"


def test_a_file_holds_the_kinds_of_core(tmp_path):
    host = read_host(write_host(tmp_path, Machine(nodes=(4,), smt=2, efficient=2)))
    file = HostFile(tool_version="0", captured="now", host=host)
    (path := tmp_path / "host.json").write_bytes(encode_host_file(file))
    assert read_host_file(path).host.core_kinds == (CoreKind.P, CoreKind.E)


def test_a_missing_file_says_what_may_stand_there(tmp_path):
    with pytest.raises(HostSpecError, match=r"nowhere\.json: No such file") as caught:
        open_host(str(tmp_path / "nowhere.json"))
    assert "SOCKETSxCORES" in caught.value.advice
    with pytest.raises(HostSpecError, match="Is a directory"):
        open_host(str(tmp_path))
