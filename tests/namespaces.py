"""Hosts that are made of this machine: network namespaces with an address each, and a switch.

Nothing of it can be reached from outside: the switch is a bridge in a namespace of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SWITCH = "switch"
_PATIENCE_S = 10.0


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Network:
    """Named hosts, which know each other by name.

    Args:
        root: gets the file that names them.
        addresses: of each host; that of `SWITCH` is the bridge's own.
    """

    def __init__(self, root: Path, addresses: Mapping[str, str]) -> None:
        mark = uuid.uuid4().hex[:6]
        self.addresses = dict(addresses)
        self.spaces = {name: f"r50-{mark}-{name}" for name in (*addresses, SWITCH)}
        self._names = root / "etc-hosts"
        lines = (f"{address} {name}\n" for name, address in addresses.items())
        self._names.write_text("127.0.0.1 localhost\n" + "".join(lines))

    def connect(self) -> None:
        for space in self.spaces.values():
            ip("netns", "add", space)
        switch = self.spaces[SWITCH]
        ip("-n", switch, "link", "add", "bridge0", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge0", "up")
        ip("-n", switch, "link", "set", "lo", "up")
        for number, (name, address) in enumerate(self.addresses.items()):
            if name == SWITCH:
                ip("-n", switch, "addr", "add", f"{address}/24", "dev", "bridge0")
                continue
            space, port = self.spaces[name], f"port{number}"
            ip("-n", space, "link", "add", "eth0", "type", "veth", "peer", "name", port,
               "netns", switch)  # fmt: skip
            ip("-n", switch, "link", "set", port, "master", "bridge0", "up")
            ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")

    def enter(self, name: str, *command: str) -> list[str]:
        """The command that runs another on a host, under its name."""
        script = 'hostname "$1"; mount --bind "$2" /etc/hosts; shift 2; exec "$@"'
        return ["ip", "netns", "exec", self.spaces[name], "unshare", "--uts", "--mount",
                "sh", "-c", script, "sh", name, str(self._names), *command]  # fmt: skip

    def list_processes(self) -> dict[int, str]:
        """What runs on any of the hosts."""
        found = {}
        for space in self.spaces.values():
            for pid in map(int, ip("netns", "pids", space).split()):
                with suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    found[pid] = b" ".join(words).decode()
        return found

    def disconnect(self) -> None:
        """End what still runs on the hosts, and remove them."""
        for space in self.spaces.values():
            with suppress(subprocess.CalledProcessError):
                for pid in map(int, ip("netns", "pids", space).split()):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


@contextmanager
def connected(root: Path, addresses: Mapping[str, str]) -> Iterator[Network]:
    """A network, for as long as the block lasts.

    Raises:
        OSError, CalledProcessError: there is no ip command, or no right to use it so.
    """
    network = Network(root, addresses)
    try:
        network.connect()
        yield network
    finally:
        if shutil.which("ip"):
            network.disconnect()


@contextmanager
def daemon(command: Sequence[str], log: Path, **options) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
        process.kill()
        process.wait()


def wait_for(condition, what: str, seconds: float = 60.0) -> None:
    """Poll until `condition` holds; gives up only when something hangs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
