"""The images in uncompressed tars, indexed by their headers and read in place.

ImageNet's training set is a tar of 1,000 tars, one a class: the images in them are found as well,
for what lies in a tar in a tar lies in the outer one in one piece.
"""

from __future__ import annotations

import os
import re
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from resnet50_bench.data.sources.base import (
    ImageRef,
    Kind,
    Skipped,
    by_name,
    hash_source,
    is_image_name,
    printable,
    read_range,
)
from resnet50_bench.data.sources.other_formats import refuse_file
from resnet50_bench.data.sources.tar_members import DamagedTar, walk_members

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.data.sources.base import OnListing
    from resnet50_bench.data.sources.tar_members import Member, ReadAt

CLASS_SUFFIX = ".cls"
"""Of the member beside an image that holds its class, in WebDataset shards."""

_CLASS_TAR = re.compile(r"n\d{8}\.tar", re.ASCII)
_CLASS_TEXT = re.compile(rb"\s*(\d{1,6})\s*", re.ASCII)
_MAX_CLASS_BYTES = 64
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
    own_labels: ClassVar[None] = None

    @property
    def containers(self) -> tuple[Path]:
        """The tar."""
        return (self.path,)

    def describe(self) -> str:
        """Say what the source is, in one line."""
        return f"{self.kind} {printable(str(self.path))}"

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes."""
        return read_range(self.path, ref, "tar")

    def fingerprint(self) -> str:
        """Return a hash of the images' names and places and of the tar's size and time."""
        return hash_source(self)


@dataclass(frozen=True, slots=True)
class TrainingTarSource(TarSource):
    """ImageNet's training images, or some of them: a tar of tars, each named after its class."""

    kind: ClassVar[Kind] = "training tar"


@dataclass(slots=True)
class TarContents:
    """What the headers of one tar tell.

    Attributes:
        images: by name.
        skipped: members that are not used.
        classes: what the `.cls` members say, by the name up to their ending.
        class_tars: how many tars of a class are in it.

    """

    images: dict[str, ImageRef] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    class_tars: int = 0


def index_tar(path: Path, on_listing: OnListing, shard: str | None = None) -> TarContents:
    """List the members of a tar by their headers; nothing is extracted.

    Args:
        path: the tar.
        on_listing: called after each image.
        shard: what to call the file in the refs.

    Raises:
        DatasetError: it is not an uncompressed tar.
        OSError: it cannot be read.

    """
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        archive_bytes = os.fstat(descriptor).st_size

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(descriptor, count, offset) if offset < archive_bytes else b""

        walk = _Walk(read_at, archive_bytes, on_listing, shard)
        try:
            for member in walk_members(read_at):
                walk.sort(member)
        except DamagedTar as damage:
            if damage.offset == 0:
                raise refuse_file(path) from damage
            text = _describe_damage(damage, archive_bytes)
            walk.found.skipped.append(Skipped(printable(path.name), text))
    return walk.found


class _Walk:
    """Sorts the members of one tar.

    Attributes:
        found: what was sorted so far.

    """

    def __init__(
        self, read_at: ReadAt, archive_bytes: int, on_listing: OnListing, shard: str | None
    ) -> None:
        self.found = TarContents()
        self._read_at = read_at
        self._archive_bytes = archive_bytes
        self._on_listing = on_listing
        self._shard = shard

    def sort(self, member: Member) -> None:
        """Take a member of the tar itself."""
        name = _plain(member.name)
        if member.is_file and _CLASS_TAR.fullmatch(name.rpartition("/")[2]):
            self.found.class_tars += 1
            self._enter(member, name.removesuffix(".tar"))
        elif member.is_file and name.endswith(CLASS_SUFFIX):
            self._take_class(member, name.removesuffix(CLASS_SUFFIX))
        else:
            self._take_image(member, name)

    def _enter(self, outer: Member, folder: str) -> None:
        """Take the images in a tar that is a member."""
        start, end = outer.offset, min(outer.offset + outer.size_bytes, self._archive_bytes)

        def read_inside(offset: int, count: int) -> bytes:
            inside = min(count, end - start - offset)
            return self._read_at(start + offset, inside) if inside > 0 else b""

        try:
            for member in walk_members(read_inside):
                self._take_image(member.moved(start), f"{folder}/{_plain(member.name)}")
        except DamagedTar as damage:
            text = _describe_damage(damage, end - start)
            self.found.skipped.append(Skipped(printable(outer.name), text))

    def _take_class(self, member: Member, key: str) -> None:
        data = self._read_at(member.offset, min(member.size_bytes, _MAX_CLASS_BYTES))
        match = _CLASS_TEXT.fullmatch(data)
        if match is None:
            reason = f"holds no number of a class: {data[:20]!r}"
            self.found.skipped.append(Skipped(printable(member.name), reason))
        else:
            self.found.classes[key] = int(match[1])

    def _take_image(self, member: Member, name: str) -> None:
        if member.type == tarfile.DIRTYPE or (member.is_file and not is_image_name(name)):
            return
        found, reason = self.found, _refusal(member, self._archive_bytes)
        if reason is not None:
            found.skipped.append(Skipped(printable(member.name), reason))
            return
        if name in found.images:  # as when extracting: the last one counts
            found.skipped.append(Skipped(name, "replaced by a later member of the same name"))
        found.images[name] = ImageRef(name, member.size_bytes, member.offset, self._shard)
        self._on_listing(len(found.images), member.offset / self._archive_bytes)


def open_tar(path: Path, contents: TarContents) -> TarSource:
    """Return the source of one tar's images."""
    kind = TrainingTarSource if contents.class_tars else TarSource
    refs = tuple(sorted(contents.images.values(), key=by_name))
    return kind(path, refs, tuple(contents.skipped))


def _plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part != ".")


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


def _describe_damage(damage: DamagedTar, archive_bytes: int) -> str:
    if damage.is_cut:
        return (
            f"the archive ends at byte {archive_bytes} without an end mark: "
            "it may have been cut short"
        )
    return f"the archive is damaged at byte {damage.offset}: what follows is not listed"
