"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from resnet50_bench.files.paths import is_file, is_folder, is_there


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside `path` and put it in its place in one step.

    Raises:
        OSError: it cannot be written; or it is a device, which would be a file from then on.
            `filename` is `path`.
    """
    if is_there(path) and not is_file(path) and not is_folder(path):
        raise OSError(errno.ENODEV, "it is no regular file", str(path))
    try:
        _write(path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_folder(folder: Path, needed_bytes: int = 1) -> None:
    """See whether a file could be made in a folder, which need not be there yet; write nothing.

    Args:
        folder: the place.
        needed_bytes: how large the file will be.

    Raises:
        OSError: it could not; `filename` is the folder that is in the way.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    problem = _find_problem(place, needed_bytes)
    if problem is not None:
        raise OSError(problem, os.strerror(problem), str(place))


def _find_problem(place: Path, needed_bytes: int) -> int | None:
    if not place.is_dir():
        return errno.ENOTDIR
    disk = os.statvfs(place)
    if disk.f_flag & os.ST_RDONLY:
        return errno.EROFS
    if not os.access(place, os.W_OK | os.X_OK):
        return errno.EACCES
    is_full = disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < needed_bytes
    has_no_entries = disk.f_files > 0 and disk.f_favail == 0
    return errno.ENOSPC if is_full or has_no_entries else None


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
