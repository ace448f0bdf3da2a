"""The images in an uncompressed tar, indexed by its headers and read in place."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from resnet50_bench.data.sources.base import (
    EXPECTED,
    ImageRef,
    Kind,
    Skipped,
    by_name,
    hash_source,
    is_image_name,
    printable,
    read_range,
)
from resnet50_bench.data.sources.tar_members import DamagedTar, walk_members
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.data.sources.tar_members import Member

_MAGIC_BYTES = 6
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
_TYPES = {
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "FIFO",
}


@dataclass(frozen=True, slots=True)
class TarSource:
    """The images in an uncompressed tar, read at their offsets."""

    kind: ClassVar[Kind] = "tar"
    path: Path
    refs: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()

    def describe(self) -> str:
        """Say what the source is, in one line."""
        return f"tar {printable(str(self.path))}"

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes."""
        return read_range(self.path, ref, "tar")

    def fingerprint(self) -> str:
        """Return a hash of the images' names and places and of the tar's size and time."""
        return hash_source(self.kind, self.refs, (self.path,))


def list_tar(path: Path) -> TarSource:
    """List the images of a tar by its headers; nothing is extracted.

    Raises:
        DatasetError: it is not an uncompressed tar.
        OSError: it cannot be read.

    """
    refs: dict[str, ImageRef] = {}
    skipped: list[Skipped] = []
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        archive_bytes = os.fstat(descriptor).st_size

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(descriptor, count, offset) if offset < archive_bytes else b""

        try:
            for member in walk_members(read_at):
                _sort_member(member, archive_bytes, refs, skipped)
        except DamagedTar as damage:
            if damage.offset == 0:
                raise _not_a_tar(path, read_at(0, _MAGIC_BYTES)) from damage
            skipped.append(Skipped(printable(path.name), _describe_damage(damage, archive_bytes)))
    return TarSource(path, tuple(sorted(refs.values(), key=by_name)), tuple(skipped))


def _sort_member(
    member: Member, archive_bytes: int, refs: dict[str, ImageRef], skipped: list[Skipped]
) -> None:
    name = "/".join(part for part in member.name.split("/") if part != ".")
    if member.type == tarfile.DIRTYPE or (member.is_file and not is_image_name(name)):
        return
    reason = _refusal(member, archive_bytes)
    if reason is not None:
        skipped.append(Skipped(printable(member.name), reason))
        return
    if name in refs:  # as when extracting: the last one counts
        skipped.append(Skipped(name, "replaced by a later member of the same name"))
    refs[name] = ImageRef(name, member.size_bytes, member.offset)


def _refusal(member: Member, archive_bytes: int) -> str | None:
    """Say why a member is not used; None when it is."""
    if not member.is_file:
        return f"is a {_TYPES.get(member.type, f'member of unknown type {member.type!r}')}"
    if member.is_sparse:
        return "is stored as a sparse file"
    if member.offset + member.size_bytes > archive_bytes:
        return "its data reaches beyond the end of the archive"
    return _name_refusal(member.name)


def _name_refusal(name: str) -> str | None:
    if name.startswith("/"):
        return "its name is absolute"
    if ".." in name.split("/"):
        return "its name has a .. in it"
    if printable(name) != name:
        return "its name is not UTF-8"
    return None


def _not_a_tar(path: Path, magic: bytes) -> DatasetError:
    for start, kind in _COMPRESSED.items():
        if magic.startswith(start):
            return DatasetError(
                f"--dataset {path}: is compressed ({kind}), so its images cannot be read in place",
                "decompress it first and give --dataset the .tar, or extract it and give "
                "--dataset the folder",
            )
    return DatasetError(f"--dataset {path}: is not a tar archive", EXPECTED)


def _describe_damage(damage: DamagedTar, archive_bytes: int) -> str:
    if damage.is_cut:
        return (
            f"the archive ends at byte {archive_bytes} without an end mark: "
            "it may have been cut short"
        )
    return f"the archive is damaged at byte {damage.offset}: what follows is not listed"
