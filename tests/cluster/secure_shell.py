"""An sshd on each of the test's hosts, and the keys and the client's file to get there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.namespaces import SWITCH, Network, daemon, wait_for

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
_PRIVILEGE_FOLDER = Path("/run/sshd")
"""Debian's sshd wants it to be there; its own service makes it."""

SERVER = """\
HostKey {root}/host_key
AuthorizedKeysFile {root}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
"""
"""What every sshd of the tests is told; only `root` is to be filled in."""

_CLIENT = """\
Host *
  IdentityFile {root}/user_key
  IdentitiesOnly yes
  BatchMode yes
  UserKnownHostsFile {root}/known_hosts
  StrictHostKeyChecking yes
  LogLevel ERROR
"""


class SecureShell:
    """How a launcher gets to a host.

    Attributes:
        agent: a program that is called as ssh is.
        keys: whom the hosts let in.
    """

    def __init__(self, root: Path, network: Network) -> None:
        self.root = root
        self.network = network
        self.agent = root / "ssh"
        self.keys = root / "authorized_keys"
        for name in ("host_key", "user_key"):
            make_key(root / name)
        self.let_in()
        host_key = (root / "host_key.pub").read_text()
        names = ",".join([*network.addresses, *network.addresses.values()])
        (root / "known_hosts").write_text(f"{names} {host_key}")
        (root / "client").write_text(_CLIENT.format(root=root))
        self.agent.write_text(f'#!/bin/sh\nexec ssh -F {root / "client"} "$@"\n')
        self.agent.chmod(0o755)

    def let_in(self) -> None:
        shutil.copy(self.root / "user_key.pub", self.keys)

    def refuse(self) -> None:
        self.keys.write_text("")

    @contextmanager
    def serving(self) -> Iterator[None]:
        """An sshd on each host but the one that the user sits at."""
        with privilege_folder(), ExitStack() as stack:
            for name, address in self.network.addresses.items():
                if name == SWITCH:
                    continue
                config = self.root / f"sshd-{name}"
                config.write_text(f"ListenAddress {address}\n{SERVER.format(root=self.root)}")
                command = [str(SSHD), "-D", "-e", "-f", str(config)]
                log = self.root / f"sshd-{name}.log"
                stack.enter_context(daemon(self.network.enter(name, *command), log))
                self._wait(name)
            yield

    def _wait(self, name: str) -> None:
        probe = self.network.enter(SWITCH, str(self.agent), name, "true")
        wait_for(lambda: subprocess.run(probe, check=False, capture_output=True).returncode == 0,
                 f"sshd on {name}")  # fmt: skip


@contextmanager
def privilege_folder() -> Iterator[None]:
    """The folder that Debian's sshd wants, as long as one may run."""
    made = not _PRIVILEGE_FOLDER.exists()
    _PRIVILEGE_FOLDER.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if made:
            with suppress(OSError):
                _PRIVILEGE_FOLDER.rmdir()


def make_key(path: Path) -> Path:
    """Make a pair of keys, the public one in `PATH.pub`."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def find_obstacle() -> str | None:
    """Why there cannot be an sshd here; None where there can."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        return "no sshd or ssh: install Debian's openssh-server and openssh-client"
    return None
