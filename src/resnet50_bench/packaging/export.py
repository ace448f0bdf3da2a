"""What `/export-logs` yields: a tar with `status` and the logs."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedIOBase, RawIOBase
    from pathlib import Path

STATUS_FILE = "status"


def list_new(folder: Path, before: set[str]) -> list[str]:
    """Return the names in the folder that were not there before, without hidden ones, sorted."""
    return sorted(
        item.name
        for item in folder.iterdir()
        if item.name not in before and not item.name.startswith(".")
    )


def write_tar(stream: RawIOBase | BufferedIOBase, folder: Path, names: Sequence[str]) -> None:
    """Write the tar: `status` first; everything belongs to nobody in particular."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(names, key=lambda item: (item != STATUS_FILE, item)):
            archive.add(folder / name, arcname=name, filter=_forget_owner)


def _forget_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
