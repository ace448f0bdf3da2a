"""What a file, or a folder of files, is known by: its SHA-256."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from resnet50_bench.files.paths import is_folder, open_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BLOCK_BYTES = 1 << 20


def hash_path(path: Path, beside: Sequence[Path] = ()) -> tuple[str, int]:
    """Return the SHA-256 of a file, or of all files of a folder with their names, and their size.

    Args:
        path: the file or folder.
        beside: files that belong to a file, and are hashed with their names.

    Raises:
        OSError: it cannot be read.
    """
    parts = [path, *beside]
    if is_folder(path):
        parts = sorted(part for part in path.rglob("*") if part.is_file())
    digest = hashlib.sha256()
    size_bytes = 0
    for part in parts:
        if part != path:
            digest.update(f"{part.name}\n{part.stat().st_size}\n".encode())
        with open_file(part) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                size_bytes += len(block)
    return digest.hexdigest(), size_bytes
