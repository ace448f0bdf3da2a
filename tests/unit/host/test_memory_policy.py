from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hosts.synthetic import write_files

from resnet50_bench.host.memory_policy import (
    MemoryPolicy,
    read_anonymous_pages_by_node,
    read_memory_policy,
    set_memory_policy,
)

KIB = 1024

# Binds itself before it touches 32 MiB, and says what the kernel then says.
BOUND_CHILD = """
import json, sys
from resnet50_bench.host import memory_policy
node = int(sys.argv[1])
try:
    memory_policy.set_memory_policy((node,))
except OSError as error:
    print(json.dumps({"errno": error.errno}))
    raise SystemExit
data = b"x" * (32 << 20)
policy = memory_policy.read_memory_policy()
bytes_by_node = memory_policy.read_anonymous_pages_by_node()
print(json.dumps({"mode": policy.mode, "nodes": policy.nodes, "bytes": bytes_by_node}))
"""


def allowed_nodes() -> list[int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    text = next(line for line in lines if line.startswith("Mems_allowed_list"))
    return [int(part.split("-")[0]) for part in text.split()[1].split(",")]


def test_a_child_is_really_bound() -> None:
    node = allowed_nodes()[0]
    command = [sys.executable, "-c", BOUND_CHILD, str(node)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seen = json.loads(output)
    if "errno" in seen:
        pytest.skip(f"the kernel refuses set_mempolicy: {os.strerror(seen['errno'])}")
    assert (seen["mode"], seen["nodes"]) == ("bind", [node])
    if seen["bytes"] is not None:
        assert seen["bytes"][str(node)] >= 32 << 20


@pytest.mark.parametrize("nodes", [(1024,), (-1,), (0, 1 << 40)])
def test_an_impossible_node_is_refused(nodes: tuple[int, ...]) -> None:
    with pytest.raises(OSError, match="cannot exist") as caught:
        set_memory_policy(nodes)
    assert caught.value.errno == errno.EINVAL


def test_no_usable_node_is_refused_by_the_kernel() -> None:
    for nodes in ((), (1023,)):
        with pytest.raises(OSError) as caught:
            set_memory_policy(nodes)
        assert caught.value.errno in {errno.EINVAL, errno.EPERM, errno.ENOSYS}


class RecordedLibc:
    """Stands in for libc: keeps what it was called with, and fills in an answer."""

    def __init__(self, mode: int = 0, nodes: tuple[int, ...] = ()) -> None:
        self.mode, self.nodes = mode, nodes
        self.calls: list[tuple[int, int, list[int]]] = []

    def syscall(self, number, first, mask, maxnode, *_rest):
        target = getattr(first, "_obj", None)
        if target is not None:
            target.value = self.mode
            for node in self.nodes:
                mask[node // 64] |= 1 << node % 64
        set_nodes = [node for node in range(1024) if mask[node // 64] >> node % 64 & 1]
        self.calls.append((number.value, maxnode.value, set_nodes))
        return 0


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> RecordedLibc:
    recorded = RecordedLibc()
    monkeypatch.setattr("resnet50_bench.host.memory_policy.ctypes.CDLL", lambda *_, **__: recorded)
    return recorded


def set_machine(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    name = os.uname_result(("Linux", "host", "6.1.0", "#1", machine))
    monkeypatch.setattr("resnet50_bench.host.memory_policy.os.uname", lambda: name)


@pytest.mark.parametrize(("machine", "numbers"), [("x86_64", (238, 239)), ("aarch64", (237, 236))])
def test_system_calls_have_the_numbers_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, libc: RecordedLibc, machine: str, numbers: tuple[int, int]
) -> None:
    set_machine(monkeypatch, machine)
    set_memory_policy((0, 63, 64, 130, 1023))
    read_memory_policy()
    assert libc.calls == [(numbers[0], 1025, [0, 63, 64, 130, 1023]), (numbers[1], 1025, [])]


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 256), ("aarch64", 238)])
def test_memory_that_is_elsewhere_is_moved(
    monkeypatch: pytest.MonkeyPatch, machine: str, number: int
) -> None:
    calls = []

    class Libc:
        def syscall(self, number, *arguments):
            calls.append((number.value, arguments))
            return 3  # three pages could not be moved: no error

    set_machine(monkeypatch, machine)
    monkeypatch.setattr("resnet50_bench.host.memory_policy.ctypes.CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr(
        "resnet50_bench.host.memory_policy.read_anonymous_pages_by_node",
        lambda: {0: 8, 1: 8, 65: 8},
    )
    set_memory_policy((1,))
    _, (called, (pid, maxnode, old, new)) = calls
    assert (called, pid.value, maxnode.value) == (number, 0, 1025)
    assert (old[0], old[1], new[0], new[1]) == (0b1, 0b10, 0b10, 0)


def test_memory_that_cannot_be_looked_at_is_bound_all_the_same(
    monkeypatch: pytest.MonkeyPatch, libc: RecordedLibc
) -> None:
    def refuse() -> None:
        raise PermissionError

    set_machine(monkeypatch, "x86_64")
    monkeypatch.setattr("resnet50_bench.host.memory_policy.read_anonymous_pages_by_node", refuse)
    set_memory_policy((1,))
    assert libc.calls == [(238, 1025, [1])]


def test_policies_are_named_without_their_flags(
    monkeypatch: pytest.MonkeyPatch, libc: RecordedLibc
) -> None:
    set_machine(monkeypatch, "x86_64")
    libc.nodes = (1, 65)
    for mode, name in ((3, "interleave"), (2 | 1 << 15, "bind"), (6, "weighted_interleave")):
        libc.mode = mode
        assert read_memory_policy() == MemoryPolicy(name, (1, 65))
    libc.mode = 99
    assert read_memory_policy().mode == "mode 99"


def test_an_unknown_machine_has_no_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    set_machine(monkeypatch, "riscv64")
    with pytest.raises(OSError, match="not supported on riscv64") as caught:
        set_memory_policy((0,))
    assert caught.value.errno == errno.ENOSYS


NUMA_MAPS = """\
55d0 default file=/usr/bin/python3 mapped=100 N0=60 N1=40 kernelpagesize_kB=4
55d1 default file=/usr/bin/python3 anon=3 dirty=3 N0=2 N1=1 kernelpagesize_kB=4
55d2 default file=/lib/libc.so anon=2 dirty=2 mapped=9 N1=9 kernelpagesize_kB=4
55d3 default file=/lib/libm.so anon=2 dirty=2 mapped=9 N0=4 N1=5 kernelpagesize_kB=4
55d4 default heap anon=10 dirty=10 N0=10 kernelpagesize_kB=4
7f00 bind:1 anon=512 dirty=512 active=0 N1=512 kernelpagesize_kB=4
7f01 bind:1 huge anon=2 dirty=2 N10=2 kernelpagesize_kB=2048
7f02 default file=/dev/zero\\040(deleted) dirty=7 N0=7 kernelpagesize_kB=4
7f03 default
7fff default stack anon=5 dirty=5 N0=5 kernelpagesize_kB=4
"""


def test_anonymous_memory_is_counted_by_node(tmp_path: Path) -> None:
    write_files(tmp_path, {"proc/self/numa_maps": NUMA_MAPS, "proc/12/numa_maps": "7f03 default\n"})
    assert read_anonymous_pages_by_node(tmp_path) == {
        0: (2 + 10 + 5) * 4 * KIB,
        1: (1 + 2 + 512) * 4 * KIB,
        10: 2 * 2048 * KIB,
    }
    assert read_anonymous_pages_by_node(tmp_path, pid=12) == {}


def test_a_kernel_without_numa_maps_says_nothing(tmp_path: Path) -> None:
    write_files(tmp_path, {"proc/self/status": "Name: python3\n"})
    assert read_anonymous_pages_by_node(tmp_path) is None


def test_a_process_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProcessLookupError, match="no process 4711"):
        read_anonymous_pages_by_node(tmp_path, pid=4711)
