"""Paths as people type them: what is too long, holds a NUL or may not be looked at is no path."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as far as can be seen; opening it says why there is none."""
    with suppress(OSError, ValueError):
        return path.is_dir()
    return False


def is_file(path: Path) -> bool:
    """Whether there is a regular file, as far as can be seen; opening it says why there is none."""
    with suppress(OSError, ValueError):
        return path.is_file()
    return False


def is_there(path: Path) -> bool:
    """Whether there is anything, as far as can be seen."""
    with suppress(OSError, ValueError):
        return path.exists()
    return False


def open_file(path: Path) -> BinaryIO:
    """Open a file or a pipe to be read.

    Raises:
        OSError: it cannot be read; or it is a device, and some of these never end.
        ValueError: the path holds a NUL.
    """
    file = path.open("rb")
    mode = os.fstat(file.fileno()).st_mode
    if (stat.S_ISCHR(mode) and not file.isatty()) or stat.S_ISBLK(mode):
        file.close()
        raise OSError(errno.ENODEV, "it is a device, not a file", str(path))
    return file


def read_content(path: Path) -> bytes:
    """Return what a file or a pipe holds; raises as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def describe_problem(error: OSError | ValueError) -> str:
    """Say in a few words why a path cannot be used."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
