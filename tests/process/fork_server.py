"""Starts `r50` as a fork of a process that has imported it already.

Most of what the process of a short run does is importing, the same each time. A fork is a process
like any other, with a session, descriptors, signals, variables and a folder of its own, and a child
of the tests' process. What is about the start itself is not for it: `is_same_start`, and `fresh` of
`R50.start`.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any

MARK = "R50_TEST_MARK"
MARK_LENGTH = 32

_PR_SET_CHILD_SUBREAPER = 36  # include/uapi/linux/prctl.h
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_")
"""How the names of variables begin that a process reads once, when it starts."""

_MESSAGE_BYTES = 1 << 17


@dataclass(slots=True)
class Forked:
    """A started fork, with what the tests use of `subprocess.Popen`."""

    pid: int
    returncode: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def poll(self) -> int | None:
        """Return the exit code once it has ended, negative for a signal."""
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("r50", timeout or 0)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks; it ends when this one does."""

    def __init__(self) -> None:
        # Who was forked in its fork is nobody's child then, and becomes ours.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._lock = threading.Lock()
        self._environment = os.environ | {
            MARK: "0" * MARK_LENGTH,
            "OPENBLAS_NUM_THREADS": "1",  # a fork has no threads of its parent's
        }
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=self._environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def is_same_start(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with these variables would start as the server did."""
        names = {*environment, *self._environment}
        return all(
            environment.get(name) == self._environment.get(name)
            for name in names
            if name.startswith(_AT_START)
        )

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        cwd: os.PathLike[str],
        streams: Sequence[IO[bytes]],
    ) -> Forked:
        """Start `r50` in a session of its own.

        Args:
            arguments: its command line, and first its name.
            environment: complete, with a mark of `MARK_LENGTH`.
            cwd: where it works.
            streams: standard input, output and error.
        """
        request = {
            "arguments": list(arguments), "environment": dict(environment), "cwd": os.fspath(cwd),
        }  # fmt: skip
        message = json.dumps(request).encode()
        assert len(message) < _MESSAGE_BYTES
        with self._lock:
            socket.send_fds(self._socket, [message], [stream.fileno() for stream in streams])
            return Forked(int(self._socket.recv(64)))


@cache
def fork_server() -> ForkServer:
    """The server of this process, started when it is first asked for."""
    return ForkServer()


def serve(connection: socket.socket) -> dict[str, Any]:
    """Fork for each request; returns in the forks, with the request, and nowhere else."""
    while True:
        message, streams, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, 3)
        if not message:
            sys.exit(0)
        request = json.loads(message)
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            write_mark(request["environment"][MARK])
            child = os.fork()
            if child:
                os.write(writer, str(child).encode())
                os._exit(0)
            for fd in (reader, writer, connection.detach()):
                os.close(fd)
            for number, fd in enumerate(streams):
                os.dup2(fd, number)
                os.close(fd)
            return request
        os.waitpid(between, 0)
        connection.send(os.read(reader, 64))
        for fd in (reader, writer, *streams):
            os.close(fd)


def become(request: Mapping[str, Any]) -> None:
    """Be the process that was asked for."""
    os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)


def write_mark(mark: str) -> None:
    """Write it where /proc shows the variables that the server was started with.

    So that a fork, and what that forks, can be found by its mark like what is executed.
    """
    library = ctypes.CDLL(None)
    library.getenv.restype = ctypes.c_void_p
    place = library.getenv(MARK.encode())
    assert len(mark) == MARK_LENGTH
    ctypes.memmove(place, mark.encode(), MARK_LENGTH)


def preload() -> None:
    """Import what commands import, and what a run does when it has measured."""
    package = importlib.import_module("resnet50_bench.cli")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    importlib.import_module("scipy.special")
    gc.collect()
    gc.freeze()


def main() -> None:
    """Serve until the tests' process ends; in a fork, run `r50`."""
    del sys.path[0]  # this folder: its modules are no packages
    preload()
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
    from resnet50_bench.__main__ import main as run
    from resnet50_bench.interrupt import leave_on_interrupt

    leave_on_interrupt()
    try:
        run()
    except SystemExit as end:
        finish(end.code)


def finish(code: int) -> None:
    """End as Python does, but for tearing down all that was imported: most of it is the server's."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
