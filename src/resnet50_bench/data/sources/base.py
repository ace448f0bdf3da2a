"""What every kind of source has in common: references to images, and what is said of the rest."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Kind = Literal["tar", "folder", "tfrecord"]

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
"""Endings of the names that are taken for images, in any case."""

EXPECTED = (
    "give --dataset a folder with .JPEG, .jpg or .png images (at any depth), "
    "an uncompressed .tar of them such as ILSVRC2012_img_val.tar, or the folder that itself holds "
    "the TFRecord shards validation-00000-of-00128 and so on"
)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image of a source, not yet read.

    Attributes:
        name: path inside the folder or archive, with `/` between its parts; of TFRecords
            `image/filename`.
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
    def kind(self) -> Kind:
        """What holds the images."""

    @property
    def path(self) -> Path:
        """The folder or file."""

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

    def fingerprint(self) -> str:
        """Return a hexadecimal SHA-256 that changes when the images do.

        It covers the kind, the names, sizes and positions of the images, and the size and time of
        change (nanoseconds) of every file that holds them. The images themselves are not read, so
        bytes changed in place are not noticed when the file's size stays and its time was set
        back, or its file system keeps coarser times. A copy without its times counts as another
        source; one moved or renamed as a whole does not. Labels are not covered.

        Raises:
            DatasetError: a file is gone or cannot be looked at.

        """


def hash_source(kind: Kind, refs: Sequence[ImageRef], containers: Iterable[Path]) -> str:
    """Return the fingerprint of a source whose images lie in `containers`."""
    digest = hashlib.sha256(f"{kind}\n".encode())
    for ref in refs:
        digest.update(f"{ref.name}\0{ref.shard}\0{ref.offset}\0{ref.size_bytes}\n".encode())
    for path in containers:
        try:
            status = path.stat()
        except OSError as error:
            raise DatasetError(
                f"--dataset: {printable(str(path))}: cannot be read: {error.strerror}",
                "leave the files of --dataset alone while a run uses them",
            ) from error
        digest.update(f"{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read_range(path: Path, ref: ImageRef, container: str) -> bytes:
    """Return an image's bytes from the file that holds it, here called `container`.

    The file is opened for each image: microseconds beside milliseconds of decoding, and there is
    no descriptor to share between threads or to close.

    Raises:
        UnreadableImage: the file cannot be read, or ends before the image does.

    """
    if ref.offset is None:
        raise UnreadableImage(ref.name, f"has no position in the {container}")
    try:
        with path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), ref.size_bytes, ref.offset)
    except OSError as error:
        raise UnreadableImage(ref.name, f"cannot be read: {error.strerror}") from error
    if len(data) != ref.size_bytes:
        raise UnreadableImage(
            ref.name, f"only {len(data)} of its {ref.size_bytes} bytes are in the {container}"
        )
    return data


def printable(name: str) -> str:
    """Return the name with bytes that are not UTF-8 escaped, so that it can go into a record."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_image_name(name: str) -> bool:
    """Tell whether a path is named like an image and no part of it is hidden (`.x`, `._x`)."""
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return not hidden and parts[-1].lower().endswith(IMAGE_SUFFIXES)


def by_name(item: ImageRef | Skipped) -> str:
    """Return what lists are sorted by."""
    return item.name
