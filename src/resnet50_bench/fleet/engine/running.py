"""Ansible as a child process: started, listened to, ended with all that it started."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from resnet50_bench.fleet.engine.inventory import find_ansible
from resnet50_bench.signals import signals_held

MAX_RECORD_BYTES = 64 << 20
"""More does not come from a host: the system refuses to write it. A run of 10,000 instances with a
hundred queries each takes half of it."""

_MAX_MEMORY_BYTES = 4 << 30
"""Of one of Ansible's processes: a host that never stops talking ends with it, not with ours."""

_PATIENCE_S = 10.0
_SSH = (
    "-o BatchMode=yes -o StrictHostKeyChecking=yes -o PasswordAuthentication=no "
    "-o KbdInteractiveAuthentication=no -o ForwardAgent=no -o ServerAliveInterval=15 "
    "-o ServerAliveCountMax=4 -o ControlMaster=auto -o ControlPersist=60s"
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What the plugin tells; see `plugins.r50_fleet`."""

    event: str
    host: str
    task: str
    stdout: str = ""
    stderr: str = ""
    msg: str = ""
    module_stderr: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """A folder of our own for the time of a call.

    Attributes:
        folder: of it.
        inventory: the operator's.
        at_once: hosts that are worked on at a time.
    """

    folder: Path
    inventory: Path
    at_once: int

    @property
    def log(self) -> Path:
        """What Ansible says beside its events."""
        return self.folder / "ansible.log"

    def tell_end(self) -> tuple[str, ...]:
        """Return the end of the log."""
        with suppress(OSError):
            lines = self.log.read_text(errors="replace").splitlines()
            return tuple(line for line in lines if line.strip())[-6:]
        return ()


@contextmanager
def opened_room(inventory: Path, at_once: int) -> Iterator[Room]:
    """Make the folder, and take it away with the connections that ssh keeps open in it."""
    folder = Path(tempfile.mkdtemp(prefix="r50f-"))
    try:
        (folder / "ssh").mkdir()
        yield Room(folder, inventory.absolute(), at_once)
    finally:
        _close_connections(folder / "ssh")
        shutil.rmtree(folder, ignore_errors=True)


def listen(room: Room, playbook: str, hosts: Sequence[str]) -> Iterator[Event]:
    """Run a playbook on some hosts of the inventory, and yield what happens.

    Whatever ends the iteration ends Ansible and its connections too; what it started on hosts goes
    on there.
    """
    (room.folder / "play.yaml").write_text(playbook)
    (room.folder / "hosts").write_text("".join(f"{name}\n" for name in hosts))
    command = [
        find_ansible("ansible-playbook"),
        *("--inventory", str(room.inventory)),
        *("--limit", f"@{room.folder / 'hosts'}"),
        *("--forks", str(min(room.at_once, len(hosts)))),
        str(room.folder / "play.yaml"),
    ]
    with room.log.open("ab") as log:
        with signals_held():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=plan_environment(os.environ, room.folder),
                start_new_session=True,
                preexec_fn=_limit,  # noqa: PLW1509 - this process has one thread that starts others
            )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                event = _read_event(line)
                if event is not None:
                    yield event
        finally:
            _end(process)


def plan_environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return Ansible's variables: keys only, hosts that are known only, nothing kept of ours.

    The operator's own ansible.cfg is read, and these win over it.
    """
    return {
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",  # the inventory's wins over it
        **environment,
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("plugins")),
        "ANSIBLE_STDOUT_CALLBACK": "r50_fleet",
        "ANSIBLE_HOST_KEY_CHECKING": "true",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_SSH_ARGS": _SSH,
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "ssh"),
        "ANSIBLE_SSH_RETRIES": "1",
        "ANSIBLE_TIMEOUT": "20",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _read_event(line: bytes) -> Event | None:
    """What else Ansible prints on this channel is none."""
    try:
        return msgspec.json.decode(line, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _limit() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for what, most in (
        (resource.RLIMIT_FSIZE, MAX_RECORD_BYTES),
        (resource.RLIMIT_AS, _MAX_MEMORY_BYTES),
    ):
        _, hard = resource.getrlimit(what)
        # Soft ones: what runs on this machine as on a host takes them off again.
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, hard))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Ansible with its workers, which are of its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            continue
    if process.stdout is not None:
        process.stdout.close()


def _close_connections(folder: Path) -> None:
    """Have ssh close the connections that it shares; each has a socket in the folder."""
    ssh = shutil.which("ssh")
    for socket in folder.iterdir() if ssh is not None else ():
        subprocess.run(
            [str(ssh), "-o", f"ControlPath={socket}", "-O", "exit", "host"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )
