"""Keeps a command inside one folder: no process, no network, no signal, nothing written elsewhere.

A command meets the refusals as any program does in a narrow container: as errors of the system.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIME_LIMIT_S = 20.0
"""Of processor time: many times what the slowest input takes."""

WAIT_LIMIT_S = 300
"""On the clock: whatever waits that long waits for ever."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = (
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
    "os.spawn", "os.kill", "os.killpg", "os.chdir", "os.chroot", "signal.pthread_kill",
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname",
)  # fmt: skip
_CHANGING = (
    "os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.chown", "os.utime", "os.setxattr", "shutil.rmtree", "shutil.move",
)  # fmt: skip


class TooSlow(BaseException):
    """A command passed a limit of time."""


class _Guard:
    """The audit hook; one for the process, since a hook cannot be taken away again."""

    def __init__(self) -> None:
        self.folder: str | None = None
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.folder is None:
            return
        if event in _REFUSED:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        if event == "open":
            flags = arguments[2]
            if isinstance(flags, int) and flags & _WRITING:
                self._require_inside(arguments[0])
        elif event in _CHANGING:
            for argument in arguments[: 2 if event in {"os.rename", "os.link"} else 1]:
                self._require_inside(argument)

    def _require_inside(self, path: object) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return  # a file descriptor: what it belongs to was opened before
        # A command may have made a link that leads out; what it is itself is what counts.
        where = os.path.realpath(os.fsdecode(path))
        if where != os.devnull and not f"{where}/".startswith(f"{self.folder}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


_guard: _Guard | None = None


@contextmanager
def make_sandbox() -> Iterator[Path]:
    """Go into a new folder, with home and caches in it, and come back."""
    global _guard  # noqa: PLW0603 - a hook stays for good
    _guard = _guard or _Guard()
    before, environment, sleep = Path.cwd(), dict(os.environ), time.sleep
    make_context = ssl.create_default_context
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if os.access(fast, os.W_OK) else None) as name:
        folder = Path(name).resolve()
        inside = folder / "here"
        inside.mkdir()
        os.environ.update(HOME=name, XDG_CACHE_HOME=f"{name}/cache", TMPDIR=f"{name}/here")
        tempfile.tempdir = None
        os.chdir(inside)
        ssl.create_default_context = functools.cache(make_context)  # 25 ms each
        time.sleep = lambda _: None  # nobody waits for a network that is not there
        try:
            yield inside
        finally:
            _guard.folder = None
            time.sleep, ssl.create_default_context = sleep, make_context
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
            tempfile.tempdir = None


@contextmanager
def guarded(folder: Path) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """Run a command: its output is kept, and it can do nothing outside the folder's parent."""
    assert _guard is not None
    streams, handlers = (sys.stdout, sys.stderr), _read_handlers()
    outputs = io.BytesIO(), io.BytesIO()
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(output, "utf-8", errors="backslashreplace", write_through=True)
        for output in outputs
    )
    kept = sys.stdout, sys.stderr
    # Processor time: on a busy machine a command may take long and do little.
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT_S)
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(WAIT_LIMIT_S)
    _guard.folder = str(folder.parent)
    try:
        yield outputs
    finally:
        _guard.folder = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        sys.stdout, sys.stderr = streams
        for stream in kept:
            stream.detach()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _read_handlers() -> dict[int, signal.Handlers]:
    numbers = (signal.SIGPROF, signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return {number: signal.getsignal(number) for number in numbers}


def _stop(*_: object) -> None:
    raise TooSlow
