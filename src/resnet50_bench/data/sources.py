"""Where images come from: a folder, or an uncompressed tar that is read in place.

The parent lists images with this module, so it imports neither numpy nor OpenCV. Nothing is ever
written or extracted.
"""

from __future__ import annotations

import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
"""Endings of the names that are taken for images, in any case."""

_EXPECTED = (
    "give --dataset a folder with .JPEG, .jpg or .png images (at any depth), "
    "or an uncompressed .tar of them such as ILSVRC2012_img_val.tar"
)

_MAGIC_BYTES = 6
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image of a source, not yet read.

    Attributes:
        name: path inside the folder or archive, with `/` between its parts.
        size_bytes: length of the encoded file.
        offset: byte position of its data in the tar or shard; None in a folder.
        shard: name of the file in the folder that holds it; None outside TFRecords.
        label: its class, 0..999 in the order of the sorted synsets, where the source itself says
            so; None where labels come from elsewhere.

    """

    name: str
    size_bytes: int
    offset: int | None
    shard: str | None = None
    label: int | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """One file that is not used, and why."""

    name: str
    reason: str


class UnreadableImage(DatasetError):
    """One image that cannot be read or decoded.

    Attributes:
        name: the image's name in its source.
        reason: what is wrong with it, in a few words.

    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class ImageSource(Protocol):
    """A set of images in a fixed order."""

    @property
    def refs(self) -> tuple[ImageRef, ...]:
        """The images, sorted by name."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was found and is not used."""

    def describe(self) -> str:
        """Say what the source is, in one line."""

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes; safe to call from several threads.

        Raises:
            UnreadableImage: the file cannot be read or is shorter than when it was listed.

        """


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The images under a folder, at any depth."""

    path: Path
    refs: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()

    def describe(self) -> str:
        """Say what the source is, in one line."""
        return f"folder {_printable(str(self.path))}"

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes."""
        try:
            return (self.path / ref.name).read_bytes()
        except OSError as error:
            raise UnreadableImage(ref.name, f"cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class TarSource:
    """The images in an uncompressed tar, read at their offsets."""

    path: Path
    refs: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()

    def describe(self) -> str:
        """Say what the source is, in one line."""
        return f"tar {_printable(str(self.path))}"

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes.

        The archive is opened for each image: microseconds beside milliseconds of decoding, and
        there is no descriptor to share between threads or to close.
        """
        if ref.offset is None:
            raise UnreadableImage(ref.name, "has no position in the tar")
        try:
            with self.path.open("rb", buffering=0) as archive:
                data = os.pread(archive.fileno(), ref.size_bytes, ref.offset)
        except OSError as error:
            raise UnreadableImage(ref.name, f"cannot be read: {error.strerror}") from error
        if len(data) != ref.size_bytes:
            raise UnreadableImage(
                ref.name, f"only {len(data)} of its {ref.size_bytes} bytes are in the tar"
            )
        return data


def open_source(path: Path) -> ImageSource:
    """List the images of a folder or an uncompressed tar.

    Raises:
        DatasetError: there is nothing at `path`, it is neither of the two, it cannot be read, or
            it holds no image.

    """
    source: FolderSource | TarSource
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            source = FolderSource(path, *_list_folder(path))
        elif stat.S_ISREG(mode):
            source = TarSource(path, *_list_tar(path))
        else:
            raise DatasetError(f"--dataset {path}: neither a folder nor a file", _EXPECTED)
    except FileNotFoundError as error:
        raise DatasetError(f"--dataset {path}: does not exist", _EXPECTED) from error
    except OSError as error:
        raise DatasetError(
            f"--dataset {path}: cannot be read: {error.strerror}",
            "check the permissions of the --dataset path and of the folders above it",
        ) from error
    if not source.refs:
        raise DatasetError(f"--dataset {path}: holds no image{_seen(source.skipped)}", _EXPECTED)
    return source


def reopen(path: Path, refs: Sequence[ImageRef]) -> ImageSource:
    """Return a source over images that were listed before, in this or another process.

    Nothing is listed or checked again: a file that has gone since is found when it is read.
    """
    kind = FolderSource if path.is_dir() else TarSource
    return kind(path, tuple(refs))


def _seen(skipped: tuple[Skipped, ...]) -> str:
    if not skipped:
        return ""
    first = skipped[0]
    return f" ({len(skipped)} skipped, the first: {first.name}: {first.reason})"


def _printable(name: str) -> str:
    """Return the name with bytes that are not UTF-8 escaped, so that it can go into a record."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_image_name(name: str) -> bool:
    """Tell whether a path is named like an image and no part of it is hidden (`.x`, `._x`)."""
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return not hidden and parts[-1].lower().endswith(IMAGE_SUFFIXES)


def _list_folder(root: Path) -> tuple[tuple[ImageRef, ...], tuple[Skipped, ...]]:
    refs: list[ImageRef] = []
    skipped: list[Skipped] = []

    def note_unreadable(error: OSError) -> None:
        if error.filename == str(root):
            raise error
        name = os.path.relpath(error.filename, root)
        skipped.append(Skipped(_printable(name), f"folder cannot be read: {error.strerror}"))

    seen = {_identity(root)}
    # Links are followed, because image sets are often folders of links; each real folder is
    # visited once, which also ends loops.
    for folder, subfolders, files in os.walk(root, onerror=note_unreadable, followlinks=True):
        subfolders[:] = [
            name
            for name in sorted(subfolders)
            if not name.startswith(".") and _is_first_visit(Path(folder, name), seen)
        ]
        inner = Path(folder).relative_to(root)
        for name in filter(_is_image_name, files):
            found = _inspect_file(Path(folder, name), (inner / name).as_posix())
            if isinstance(found, ImageRef):
                refs.append(found)
            else:
                skipped.append(found)
    return tuple(sorted(refs, key=_by_name)), tuple(sorted(skipped, key=_by_name))


def _by_name(item: ImageRef | Skipped) -> str:
    return item.name


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_first_visit(folder: Path, seen: set[tuple[int, int]]) -> bool:
    identity = _identity(folder)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _inspect_file(path: Path, name: str) -> ImageRef | Skipped:
    if _printable(name) != name:
        return Skipped(_printable(name), "its name is not UTF-8")
    try:
        status = path.stat()
    except OSError as error:
        return Skipped(name, f"cannot be read: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return Skipped(name, "not a regular file")
    return ImageRef(name, status.st_size, None)


def _list_tar(path: Path) -> tuple[tuple[ImageRef, ...], tuple[Skipped, ...]]:
    refs: dict[str, ImageRef] = {}
    skipped: list[Skipped] = []
    archive_bytes = path.stat().st_size
    with _open_tar(path) as archive:
        for member in _members(archive):
            name = "/".join(part for part in member.name.split("/") if part != ".")
            if member.isdir() or (member.isreg() and not _is_image_name(name)):
                continue
            reason = _refusal(member, archive_bytes)
            if reason is not None:
                skipped.append(Skipped(_printable(member.name), reason))
                continue
            if name in refs:  # as when extracting: the last one counts
                skipped.append(Skipped(name, "replaced by a later member of the same name"))
            refs[name] = ImageRef(name, member.size, member.offset_data)
        ending = _describe_ending(path, archive.offset)
    if ending is not None:
        skipped.append(Skipped(_printable(path.name), ending))
    return tuple(sorted(refs.values(), key=_by_name)), tuple(skipped)


def _open_tar(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except tarfile.TarError as error:
        with path.open("rb") as file:
            magic = file.read(_MAGIC_BYTES)
        for start, kind in _COMPRESSED.items():
            if magic.startswith(start):
                raise DatasetError(
                    f"--dataset {path}: is compressed ({kind}), so its images cannot be read "
                    "in place",
                    "decompress it first and give --dataset the .tar, or extract it and give "
                    "--dataset the folder",
                ) from error
        raise DatasetError(f"--dataset {path}: is not a tar archive", _EXPECTED) from error


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members up to the archive's end or to the first header that cannot be read."""
    try:
        yield from archive
    except (tarfile.TarError, ValueError):
        return  # where and why it ended is told by _describe_ending


def _refusal(member: tarfile.TarInfo, archive_bytes: int) -> str | None:
    """Say why a member is not used; None when it is."""
    if not member.isreg():
        return f"is a {_kind(member)}"
    if member.issparse():
        return "is stored as a sparse file"
    if member.offset_data + member.size > archive_bytes:
        return "its data reaches beyond the end of the archive"
    return _name_refusal(member.name)


def _name_refusal(name: str) -> str | None:
    if name.startswith("/"):
        return "its name is absolute"
    if ".." in name.split("/"):
        return "its name has a .. in it"
    if _printable(name) != name:
        return "its name is not UTF-8"
    return None


def _kind(member: tarfile.TarInfo) -> str:
    kinds = {
        tarfile.SYMTYPE: "symbolic link",
        tarfile.LNKTYPE: "hard link",
        tarfile.CHRTYPE: "device",
        tarfile.BLKTYPE: "device",
        tarfile.FIFOTYPE: "FIFO",
    }
    return kinds.get(member.type, f"member of unknown type {member.type!r}")


def _describe_ending(path: Path, offset: int) -> str | None:
    """Say what is wrong with the archive after its last readable member; None when it just ends.

    The library stops silently at a damaged header in the middle, which would lose images without
    a word; a whole archive has a block of zeros there.
    """
    with path.open("rb") as file:
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
    if block == bytes(tarfile.BLOCKSIZE):
        return None
    if len(block) == tarfile.BLOCKSIZE:
        return f"the archive is damaged at byte {offset}: what follows is not listed"
    size = path.stat().st_size
    return f"the archive ends at byte {size} without an end mark: it may have been cut short"
