"""The images under a folder, at any depth; class-per-folder trees among them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from resnet50_bench.data.sources.base import (
    ImageRef,
    Kind,
    Skipped,
    UnreadableImage,
    by_name,
    hash_source,
    is_image_name,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.data.sources.base import OnListing


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The images under a folder, at any depth."""

    kind: ClassVar[Kind] = "folder"
    path: Path
    refs: tuple[ImageRef, ...]
    skipped: tuple[Skipped, ...] = ()
    own_labels: ClassVar[None] = None

    @property
    def containers(self) -> Iterator[Path]:
        """The images' own files."""
        return (self.path / ref.name for ref in self.refs)

    def describe(self) -> str:
        """Say what the source is, in one line."""
        return f"folder {printable(str(self.path))}"

    def read(self, ref: ImageRef) -> bytes:
        """Return one image's encoded bytes."""
        try:
            return (self.path / ref.name).read_bytes()
        except OSError as error:
            raise UnreadableImage(ref.name, f"cannot be read: {error.strerror}") from error

    def fingerprint(self) -> str:
        """Return a hash of the images' names and of their files' sizes and times."""
        return hash_source(self)


def list_folder(root: Path, on_listing: OnListing) -> FolderSource:
    """List the images of a folder without reading them.

    Args:
        root: the folder.
        on_listing: called after each image.

    Raises:
        OSError: the folder itself cannot be read.

    """
    refs: list[ImageRef] = []
    skipped: list[Skipped] = []

    def note_unreadable(error: OSError) -> None:
        if error.filename == str(root):
            raise error
        name = os.path.relpath(error.filename, root)
        skipped.append(Skipped(printable(name), f"folder cannot be read: {error.strerror}"))

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
        for name in filter(is_image_name, files):
            found = _inspect_file(Path(folder, name), (inner / name).as_posix())
            if isinstance(found, ImageRef):
                refs.append(found)
                on_listing(len(refs), None)
            else:
                skipped.append(found)
    return FolderSource(root, tuple(sorted(refs, key=by_name)), tuple(sorted(skipped, key=by_name)))


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
    if printable(name) != name:
        return Skipped(printable(name), "its name is not UTF-8")
    try:
        status = path.stat()
    except OSError as error:
        return Skipped(name, f"cannot be read: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return Skipped(name, "not a regular file")
    return ImageRef(name, status.st_size, None)
