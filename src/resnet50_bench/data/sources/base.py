"""What every kind of source has in common: references to images, and what is said of the rest."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias

from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Kind = Literal["tar", "training tar", "folder", "tfrecord", "webdataset", "parquet"]

OnListing: TypeAlias = "Callable[[int, float | None], None]"
"""Called while a source is listed: how many images were found so far, and the share of the files'
bytes that were gone through, 0..1; None where it is not known before the end."""

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
"""Endings of the names that are taken for images, in any case."""

EXPECTED = (
    "give --dataset a folder with .JPEG, .jpg or .png images (at any depth), "
    "an uncompressed .tar of them such as ILSVRC2012_img_val.tar, the folder that itself holds "
    "the TFRecord shards validation-00000-of-00128 and so on, or WebDataset or Parquet shards: "
    "their folder or 'val-{000000..000063}.tar'"
)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image of a source, not yet read.

    Attributes:
        name: path inside the folder or archive, with `/` between its parts; of TFRecords
            `image/filename`.
        size_bytes: length of the encoded file; None in Parquet, where only reading it would tell.
        offset: byte position of its data in the tar or shard; None in a folder and in Parquet.
        shard: the file that holds it, where there are several: its path in the source's folder.
        label: its class as the source itself numbers it, from 0; see `OwnLabels`. None where
            labels come from elsewhere.
        row: its number in its Parquet file, from 0; None elsewhere.

    """

    name: str
    size_bytes: int | None
    offset: int | None
    shard: str | None = None
    label: int | None = None
    row: int | None = None

    @property
    def place(self) -> str:
        """What tells it from every other image of its source, on one line."""
        row = "" if self.row is None else f"\0{self.row}"
        return f"{self.name}\0{self.shard}\0{self.offset}\0{self.size_bytes}{row}"


@dataclass(frozen=True, slots=True)
class OwnLabels:
    """What a source says of the labels it holds itself.

    Attributes:
        origin: where in the source they stand, in a few words.
        classes: the names of the classes, in the order of their numbers, where the source has
            them; None for the order of the 1000 sorted synsets.

    """

    origin: str
    classes: tuple[str, ...] | None = None


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
        """The images, sorted by name; those of Parquet by their places, to read each part once."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What was found and is not used."""

    @property
    def own_labels(self) -> OwnLabels | None:
        """What the labels of the refs mean; None where this kind of source holds none."""

    @property
    def containers(self) -> Iterable[Path]:
        """The files that hold the images, each once, in a fixed order."""

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


@dataclass(frozen=True, slots=True)
class ShardSource:
    """The images in several files of a folder, read at their offsets.

    Attributes:
        form: of the shards, as people call it.
        labels: where in them the labels stand, in a few words.
        path: the folder, or the file or range of files in it that was named.
        classes: the names of the classes, as the files state them.
        root: the folder that the shards' paths begin in.

    """

    kind: ClassVar[Kind]
    form: ClassVar[str]
    labels: ClassVar[str]
    path: Path
    refs: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()
    classes: tuple[str, ...] | None = None
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", find_root(self.path))

    @property
    def own_labels(self) -> OwnLabels:
        """What the labels mean."""
        return OwnLabels(self.labels, self.classes)

    @property
    def containers(self) -> list[Path]:
        """The shards that hold images, sorted by their names."""
        names = {ref.shard for ref in self.refs if ref.shard is not None}
        return [self.root / name for name in sorted(names)]

    def describe(self) -> str:
        """Say what the source is, in one line."""
        return f"{self.form} shards {printable(str(self.path))}"

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes."""
        if ref.shard is None:
            raise UnreadableImage(ref.name, "has no shard")
        return read_range(self.root / ref.shard, ref, "shard")

    def fingerprint(self) -> str:
        """Return a hash of the images' names and places, and of the shards' sizes and times."""
        return hash_source(self)


def hash_source(source: ImageSource) -> str:
    """Return a source's fingerprint, see `ImageSource.fingerprint`."""
    digest = hashlib.sha256(f"{source.kind}\n".encode())
    for ref in source.refs:
        digest.update(f"{ref.place}\n".encode())
    for path in source.containers:
        try:
            status = path.stat()
        except OSError as error:
            raise DatasetError(
                f"--dataset: {printable(str(path))}: cannot be read: {error.strerror}",
                "leave the files of --dataset alone while a run uses them",
            ) from error
        digest.update(f"{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def sum_sizes(refs: Sequence[ImageRef]) -> int | None:
    """Return the bytes of all images together; None where their sizes are not known."""
    sizes = [ref.size_bytes for ref in refs if ref.size_bytes is not None]
    return sum(sizes) if len(sizes) == len(refs) else None


def find_root(path: Path) -> Path:
    """Return the folder that the shards' paths begin in: the source's own, or that of its file."""
    return path if path.is_dir() else path.parent


def read_range(path: Path, ref: ImageRef, container: str) -> bytes:
    """Return an image's bytes from the file that holds it, here called `container`.

    The file is opened for each image: microseconds beside milliseconds of decoding, and there is
    no descriptor to share between threads or to close.

    Raises:
        UnreadableImage: the file cannot be read, or ends before the image does.

    """
    if ref.offset is None or ref.size_bytes is None:
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
