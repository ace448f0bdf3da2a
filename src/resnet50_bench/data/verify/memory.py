"""What was found out about a data set, remembered until it changes.

One JSON file a path, in the cache. It counts only while the files' sizes, modification times and
inodes are the same, and the published figures they were compared with. A hash that was interrupted
is not among it: hashlib gives no access to its state, so it can only be computed from the start.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench.data.verify.facts import Facts
from resnet50_bench.errors import DatasetError
from resnet50_bench.files.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_VERSION = 1
"""Raised whenever other facts are read from the same files."""

_KEY_DIGITS = 32


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    fingerprint: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Memory:
    """The facts remembered in one folder."""

    folder: Path

    def recall(self, path: Path, fingerprint: str) -> Facts | None:
        """Return what is known of a path that has not changed; None when nothing is."""
        try:
            entry = msgspec.json.decode(self._file(path).read_bytes(), type=_Entry)
        except (OSError, msgspec.DecodeError):
            return None
        return (
            entry.facts if (entry.path, entry.fingerprint) == (ascii(path), fingerprint) else None
        )

    def remember(self, path: Path, fingerprint: str, facts: Facts) -> None:
        """Keep what is known of a path, in place of what was.

        Raises:
            OSError: the folder cannot be written.

        """
        self.folder.mkdir(parents=True, exist_ok=True)
        entry = _Entry(ascii(path), fingerprint, facts)
        write_atomically(self._file(path), msgspec.json.encode(entry))

    def _file(self, path: Path) -> Path:
        key = hashlib.sha256(os.fsencode(path)).hexdigest()
        return self.folder / f"{key[:_KEY_DIGITS]}.json"


def read_fingerprint(files: Iterable[Path], compared_with: str) -> str:
    """Return what changes when one of the files does: its path, size, modification time or inode.

    Args:
        files: all there are, in a fixed order.
        compared_with: what the facts depend on besides.

    Raises:
        DatasetError: one of them is gone or cannot be asked for.

    """
    digest = hashlib.sha256(f"{_VERSION} {compared_with}".encode())
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise DatasetError(f"{file} cannot be read: {error.strerror}") from error
        line = f"\0{status.st_size} {status.st_mtime_ns} {status.st_dev} {status.st_ino}\n"
        digest.update(os.fsencode(file) + line.encode())
    return digest.hexdigest()
