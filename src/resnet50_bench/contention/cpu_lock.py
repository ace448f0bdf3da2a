"""An advisory lock on CPUs, so that two runs on the same cores do not spoil each other.

One file for the machine has a cell of `CELL_BYTES` for each CPU. Who measures on a CPU holds the
kernel's write lock on its cell (an "open file description" lock, fcntl(2)) and has written into it
who it is. Runs on other CPUs lock other cells and go on side by side. The kernel drops the locks
with the last descriptor of the file, whatever the process died of; no child inherits it, because
Python opens files to be closed on exec.

The file lies where all users of the machine may write and none may remove another's file, the same
place for all of them: `/run/lock`, or else `/tmp`. `R50_LOCK_DIR` names another. Containers have
such folders of their own: they see the locks of others only if they share the folder. A lock is a
courtesy: where the file cannot be had the run goes on without it, and says so.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.errors import CpusHeldError
from resnet50_bench.host.machine import format_cpu_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

PLACE_VARIABLE = "R50_LOCK_DIR"
"""Environment variable: the folder of the lock file, for all who are to see each other's locks."""

FILE_NAME = "resnet50-bench.cpus"
CELL_BYTES = 512
WAIT_SECONDS = 1.0

_SHARED_FOLDERS = (Path("/run/lock"), Path("/tmp"))  # noqa: S108 - what TMPDIR says is not shared
_OPEN_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_EVERYBODY = 0o666
_HELD = frozenset({errno.EAGAIN, errno.EACCES})  # fcntl(2): which one depends on the system
_WRITING_SECONDS = 0.05


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a CPU, by its own account: anybody may write there.

    Attributes:
        pid: of r50, as it sees itself.
        command: its command line.
        since: UTC, ISO 8601.
        folder: of its run; "" before there is one.
    """

    pid: int
    command: str
    since: str
    folder: str = ""

    def describe(self) -> str:
        """In one line, whatever somebody wrote there."""
        folder = f", run {self.folder}" if self.folder else ""
        text = f"pid {self.pid}: {self.command} (since {self.since}{folder})"
        return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


@dataclass(frozen=True, slots=True)
class Held:
    """CPUs in another's hands.

    Attributes:
        cpus: ascending.
        holder: None where the cell does not say.
    """

    cpus: tuple[int, ...]
    holder: Holder | None

    def describe(self) -> str:
        """In one line."""
        who = self.holder.describe() if self.holder else "a process that does not say who it is"
        return f"CPU{'s' * (len(self.cpus) > 1)} {format_cpu_list(self.cpus)} held by {who}"


class CpuLock:
    """CPUs that this process holds, or a reason why it holds none.

    Attributes:
        path: of the lock file; None when nothing is locked.
        failure: why nothing could be locked.
    """

    def __init__(self, path: Path | None, failure: str | None = None, fd: int = -1) -> None:
        self.path = path
        self.failure = failure
        self._fd = fd
        self._cells: tuple[int, ...] = ()
        self._holder: Holder | None = None

    def announce(self, folder: Path) -> None:
        """Tell others which run it is."""
        if self._holder is not None:
            self._write(msgspec.structs.replace(self._holder, folder=str(folder.absolute())))

    def take(self, cpus: Sequence[int], holder: Holder) -> tuple[Held, ...]:
        """Lock all of these CPUs and return (), or none of them and return who is in the way."""
        while not self._lock(cpus):
            if held := _find_held(self._fd, cpus):
                return held  # else whoever it was has ended meanwhile
        self._cells = tuple(cpus)
        self._write(holder)
        return ()

    def close(self) -> None:
        """Let go of all CPUs."""
        if self._fd < 0:
            return
        for cpu in self._cells:
            with suppress(OSError):  # the disk is full: the cell then tells of a past holder
                os.pwrite(self._fd, bytes(CELL_BYTES), cpu * CELL_BYTES)
        os.close(self._fd)
        self._fd = -1

    def _lock(self, cpus: Sequence[int]) -> bool:
        """All of them or none: who waits holds nothing that a third could use."""
        for place, cpu in enumerate(cpus):
            if not _lock_cell(self._fd, cpu):
                for taken in cpus[:place]:
                    _unlock_cell(self._fd, taken)
                return False
        return True

    def _write(self, holder: Holder) -> None:
        self._holder = holder
        cell = encode_holder(holder)
        for cpu in self._cells:
            with suppress(OSError):  # the lock holds; only its holder's name is missing
                os.pwrite(self._fd, cell, cpu * CELL_BYTES)


@contextmanager
def hold_cpus(
    cpus: Iterable[int],
    command: Sequence[str],
    environ: Mapping[str, str],
    on_wait: Callable[[tuple[Held, ...], float], None] | None = None,
) -> Iterator[CpuLock]:
    """Hold these CPUs against other runs, as long as the block lasts.

    Args:
        cpus: to hold, with the hardware threads that share their cores.
        command: the command line, for whoever finds them held.
        environ: of this process; see `PLACE_VARIABLE`.
        on_wait: wait for CPUs that are held, and call this about once a second with who holds them
            and the seconds waited; None ends it at once.

    Raises:
        CpusHeldError: another run holds some of them, and it is not to be waited for.
    """
    wanted = sorted(set(cpus))
    lock = _open_lock(plan_place(environ))
    try:
        began_s = time.monotonic()
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        holder = Holder(pid=os.getpid(), command=" ".join(command), since=since)
        while lock.path is not None and (held := _take(lock, wanted, holder)):
            if on_wait is None:
                raise CpusHeldError(
                    "; ".join(item.describe() for item in held),
                    "--wait waits for their end; --instances or --cores-per-instance use other "
                    "or fewer cores, as `taskset -c CPUS r50 run` does",
                )
            on_wait(held, time.monotonic() - began_s)
            time.sleep(WAIT_SECONDS)
        yield lock
    finally:
        lock.close()


def find_held(cpus: Iterable[int], environ: Mapping[str, str]) -> tuple[Held, ...]:
    """Return who holds any of these CPUs now; () as well where no lock file can be read."""
    try:
        fd = os.open(plan_place(environ) / FILE_NAME, _OPEN_FLAGS)
    except OSError:
        return ()
    try:
        return _find_held(fd, sorted(set(cpus)))
    except OSError:
        return ()
    finally:
        os.close(fd)


def plan_place(environ: Mapping[str, str]) -> Path:
    """Return the folder of the lock file: the same for every user of this machine."""
    named = environ.get(PLACE_VARIABLE)
    if named:
        return Path(named)
    return next(filter(_is_shared, _SHARED_FOLDERS), _SHARED_FOLDERS[-1])


def encode_holder(holder: Holder) -> bytes:
    """Return the content of a cell; what is too long is cut, the command first."""
    for command, folder in (
        (holder.command, holder.folder),
        (holder.command[:120], holder.folder),
        (holder.command[:60], holder.folder[-60:]),
        ("", ""),
    ):
        shortened = msgspec.structs.replace(holder, command=command, folder=folder)
        encoded = msgspec.json.encode(shortened)
        if len(encoded) <= CELL_BYTES:
            return encoded.ljust(CELL_BYTES, b"\0")
    raise AssertionError("a holder without texts fits")


def decode_holder(cell: bytes) -> Holder | None:
    """Return who wrote the cell; None when nobody did, or something else than r50."""
    try:
        return msgspec.json.decode(cell.rstrip(b"\0"), type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _take(lock: CpuLock, cpus: Sequence[int], holder: Holder) -> tuple[Held, ...]:
    """A file system without locks is no reason not to measure."""
    try:
        return lock.take(cpus, holder)
    except OSError as error:
        lock.failure, lock.path = f"{lock.path}: {error.strerror}", None
        return ()


def _open_lock(folder: Path) -> CpuLock:
    path = folder / FILE_NAME
    try:
        fd = _open_or_make(path)
    except OSError as error:
        return CpuLock(None, f"{path}: {error.strerror}")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return CpuLock(None, f"{path} is not a file")
    return CpuLock(path, fd=fd)


def _open_or_make(path: Path) -> int:
    """Open the file, and make it if it is not there.

    Not in one step: with fs.protected_regular not even root may open another's file in such a
    folder with O_CREAT.
    """
    try:
        return os.open(path, _OPEN_FLAGS | os.O_NONBLOCK)
    except FileNotFoundError:
        pass
    try:
        fd = os.open(path, _OPEN_FLAGS | os.O_CREAT | os.O_EXCL, _EVERYBODY)
    except FileExistsError:  # another run was faster
        return os.open(path, _OPEN_FLAGS | os.O_NONBLOCK)
    with suppress(OSError):
        os.fchmod(fd, _EVERYBODY)  # whatever the umask
    return fd


def _is_shared(folder: Path) -> bool:
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX) and bool(mode & stat.S_IWOTH)


def _find_held(fd: int, cpus: Sequence[int]) -> tuple[Held, ...]:
    """Who is in the way, the CPUs of one holder together."""
    by_holder: dict[Holder | None, list[int]] = {}
    for cpu in cpus:
        if not _is_free(fd, cpu):
            by_holder.setdefault(_read_holder(fd, cpu), []).append(cpu)
    return tuple(Held(tuple(held), holder) for holder, held in by_holder.items())


def _read_holder(fd: int, cpu: int) -> Holder | None:
    """One that has only just taken the lock may not have written yet."""
    deadline_s = time.monotonic() + _WRITING_SECONDS
    while True:
        holder = decode_holder(os.pread(fd, CELL_BYTES, cpu * CELL_BYTES))
        if holder is not None or time.monotonic() > deadline_s:
            return holder
        time.sleep(_WRITING_SECONDS / 10)


def _lock_cell(fd: int, cpu: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _describe_cell(fcntl.F_WRLCK, cpu))
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def _unlock_cell(fd: int, cpu: int) -> None:
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _describe_cell(fcntl.F_UNLCK, cpu))


def _is_free(fd: int, cpu: int) -> bool:
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _describe_cell(fcntl.F_WRLCK, cpu))
    return bool(_FLOCK.unpack(answer)[0] == fcntl.F_UNLCK)


_FLOCK = struct.Struct("hhqqi0q")
"""`struct flock` of fcntl(2) where off_t has 64 bits: type, whence, start, length, pid."""


def _describe_cell(kind: int, cpu: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, cpu * CELL_BYTES, CELL_BYTES, 0)
