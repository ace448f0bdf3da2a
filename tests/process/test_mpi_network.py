"""Two hosts with an address each, on a network of their own between them."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from .conftest import COMMAND, MEASURE
from .test_mpi import Hosts, pytestmark  # noqa: F401 - the same reasons to skip

ADDRESSES = {"A": "10.77.0.1", "B": "10.77.0.2"}
AGENT = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
case $1 in %s) space=%s;; %s) space=%s;; *) exit 9;; esac
shift
exec ip netns exec $space unshare --uts sh -c 'hostname "$1"; shift; exec sh -c "$*"' sh $space "$@"
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Network(Hosts):
    """Two network namespaces and a bridge in a third."""

    def __init__(self, root: Path) -> None:
        mark = uuid.uuid4().hex[:8]
        self.spaces = {name: f"r50-{mark}-{name}" for name in (*ADDRESSES, "switch")}
        super().__init__(root)
        self.file.write_text("".join(f"{address} slots=2\n" for address in ADDRESSES.values()))

    def change(self, commands: str) -> None:
        words = [word for name in ADDRESSES for word in (ADDRESSES[name], self.spaces[name])]
        self._agent.write_text(AGENT % tuple(words))
        self._agent.chmod(0o755)

    def connect(self) -> None:
        for space in self.spaces.values():
            ip("netns", "add", space)
        switch = self.spaces["switch"]
        ip("-n", switch, "link", "add", "bridge0", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge0", "up")
        for name, address in ADDRESSES.items():
            space, port = self.spaces[name], f"port{name}"
            ip("-n", space, "link", "add", "eth0", "type", "veth", "peer", "name", port,
               "netns", switch)  # fmt: skip
            ip("-n", switch, "link", "set", port, "master", "bridge0", "up")
            ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")

    def disconnect(self) -> None:
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


@pytest.fixture
def network(r50):
    network = Network(r50.root)
    try:
        network.connect()
        yield network
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to make networks, or no ip command")
    finally:
        if shutil.which("ip"):
            network.disconnect()


def test_ranks_find_each_other_over_the_network(r50, network):
    environment = network.environment()
    environment.pop("HYDRA_IFACE", None)
    inside = ["ip", "netns", "exec", network.spaces["A"], *COMMAND]
    ended = r50(
        "run", *MEASURE, "--mpi", "--num-mpi", 2, "--hostfile", network.file,
        "--output", r50.output, command=inside, env=environment,
    )  # fmt: skip
    assert ended.code == 0, ended.stdout + ended.stderr
    record = r50.record()
    assert record.launch.hosts == tuple(ADDRESSES.values())
    assert [item.exit.kind for item in record.instances] == ["ok"] * 4
    assert f"{ADDRESSES['B']}: " in ended.stdout
