"""The FIFO `/export-logs`: a tar with `status` and the logs for each who reads it.

`docker exec $id cat /export-logs | tar xf - -C logs` waits until the run has ended, since a FIFO is
opened only when both ends are there. One reader at a time: a second one waits for its turn by
itself, unless both wait for the same end of a run, when they would share one tar.
"""

from __future__ import annotations

import ctypes
import io
import os
import tarfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STATUS_FILE = "status"

_IN_CLOSE_NOWRITE = 0x10
"""From linux/inotify.h: one who only read has closed the file."""

_POLL_S = 0.05


def serve(fifo: Path, folder: Path, names: Sequence[str]) -> None:
    """Give every reader of the FIFO the tar, one after the other; does not return.

    Raises:
        OSError: the FIFO cannot be opened.
    """
    while True:
        with fifo.open("wb", buffering=0) as stream, _reader_left(fifo):
            _write(stream, folder, names)


def serve_waiting(fifo: Path, folder: Path, names: Sequence[str], seconds: float) -> bool:
    """Give one reader the tar if there is one, or comes in time; return whether there was one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: nobody reads
            time.sleep(_POLL_S)
            continue
        os.set_blocking(descriptor, True)
        with os.fdopen(descriptor, "wb", buffering=0) as stream, _reader_left(fifo):
            _write(stream, folder, names)
        return True
    return False


def list_new(folder: Path, before: set[str]) -> list[str]:
    """Return the names in the folder that were not there before, without hidden ones, sorted."""
    return sorted(
        item.name
        for item in folder.iterdir()
        if item.name not in before and not item.name.startswith(".")
    )


def write_tar(stream: io.RawIOBase | io.BufferedIOBase, folder: Path, names: Sequence[str]) -> None:
    """Write the tar: `status` first; everything belongs to nobody in particular."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(names, key=lambda item: (item != STATUS_FILE, item)):
            archive.add(folder / name, arcname=name, filter=_forget_owner)


def _write(stream: io.RawIOBase, folder: Path, names: Sequence[str]) -> None:
    # A reader may leave in the middle; the next one gets it whole.
    with suppress(BrokenPipeError):
        write_tar(stream, folder, names)
    with suppress(BrokenPipeError):
        stream.close()


def _forget_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


@contextmanager
def _reader_left(fifo: Path) -> Iterator[None]:
    """At the end, wait until the reader has closed the FIFO.

    Else the next opening would find the same reader, who has not yet seen the end of its tar, and
    give it a second one. Only the kernel's notice tells this apart from a new reader.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_CLOEXEC)
    added = watch >= 0 and libc.inotify_add_watch(watch, os.fsencode(fifo), _IN_CLOSE_NOWRITE) >= 0
    try:
        yield
        if added:
            os.read(watch, 4096)
        else:  # no inotify to be had: give the reader time to see the end
            time.sleep(1)
    finally:
        if watch >= 0:
            os.close(watch)
