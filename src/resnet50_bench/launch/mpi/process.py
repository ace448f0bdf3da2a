"""The process of an MPI launcher: started, and ended with all that it has started on this host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.errors import NO_ROOM, HostError, OutputError
from resnet50_bench.interpreter import advise_start, describe_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TERMINATE_SECONDS = 10.0
_SWEEP_SECONDS = 0.01

_ENDING_WITH_PARENT = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Has the kernel end the launcher, and so its ranks, when r50 dies; and has the launcher take the
signals that are held back while it is started."""


def start_process(
    command: Sequence[str], environment: Mapping[str, str], log_path: Path
) -> subprocess.Popen[bytes]:
    """Start a launcher; it ends, and its ranks with it, when this process does.

    Args:
        command: its command line.
        environment: its complete environment.
        log_path: gets its stderr.

    Raises:
        HostError: it cannot be started.
    """
    try:
        with log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _ENDING_WITH_PARENT, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(environment),
                start_new_session=True,  # a Ctrl-C is the parent's to deal with
            )
    except OSError as error:
        if error.errno in NO_ROOM:
            raise OutputError(log_path, error) from error
        raise HostError(
            f"{command[0]} cannot be started: {describe_refusal(error)}", advise_start(error)
        ) from error


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close this end of the launcher's stdin and stdout."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a launcher, and so its ranks; kill it if that takes long."""
    if process.poll() is not None:  # it ended when its ranks had
        return
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_TERMINATE_SECONDS)
    if process.poll() is None:
        process.kill()
        process.wait()
    _end_session(process.pid)


def _end_session(session: int) -> None:
    """Kill what a launcher has left on this host, such as a rank it was just starting."""
    deadline = time.monotonic() + _TERMINATE_SECONDS
    while (left := _find_members(session)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_SWEEP_SECONDS)


def _find_members(session: int) -> list[int]:
    """The processes of a session; those that have ended and wait to be reaped are not counted."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended meanwhile
                state, _, _, owner = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(owner) == session and state != "Z":
                    members.append(int(entry.name))
    return members
