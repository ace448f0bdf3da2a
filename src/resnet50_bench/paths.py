"""Paths as people type them: what is too long, holds a NUL or may not be looked at is no path."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


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


def describe_problem(error: OSError | ValueError) -> str:
    """Say in a few words why a path cannot be used."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
