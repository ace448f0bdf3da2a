"""WebDataset shards: tars in which the files of one sample, `key.jpg` and `key.cls`, share a key.

Named as a folder that holds the shards, as one shard, or as a range of them,
`val-{000000..000063}.tar`.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from resnet50_bench.data.sources.base import (
    ImageRef,
    Kind,
    ShardSource,
    Skipped,
    by_name,
    find_root,
)
from resnet50_bench.data.sources.tar import CLASS_SUFFIX, TarContents, index_tar
from resnet50_bench.data.sources.tar_members import DamagedTar, walk_members

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet50_bench.data.sources.base import OnListing

_FIRST_MEMBERS = 32
"""Among so many, a shard has the class of a sample."""


@dataclass(frozen=True, slots=True)
class WebDatasetSource(ShardSource):
    """The images in the shards of a WebDataset."""

    kind: ClassVar[Kind] = "webdataset"
    form: ClassVar[str] = "WebDataset"
    labels: ClassVar[str] = ".cls files of the WebDataset"


def find_webdataset(folder: Path) -> tuple[str, ...]:
    """Return the names of the tars right in a folder that begin as WebDataset shards do, sorted.

    Raises:
        OSError: the folder or a tar in it cannot be read.

    """
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name for entry in entries if entry.name.endswith(".tar") and entry.is_file()
        )
    return tuple(name for name in names if _begins_with_classes(folder / name))


def list_webdataset(path: Path, names: Sequence[str], on_listing: OnListing) -> WebDatasetSource:
    """List the images of shards, each with the class that stands beside it.

    An image whose name an earlier shard has, as where every shard counts its keys from 0, is named
    `SHARD/NAME`.

    Args:
        path: the folder, or the range of shards in it.
        names: of the shards.
        on_listing: called after each image.

    Raises:
        DatasetError: a shard is not an uncompressed tar.
        OSError: a shard cannot be read.

    """
    refs: dict[str, ImageRef] = {}
    skipped: list[Skipped] = []
    for number, name in enumerate(names):

        def tell(images: int, share: float | None, number: int = number) -> None:
            on_listing(len(refs) + images, (number + (share or 0.0)) / len(names))

        contents = index_tar(find_root(path) / name, tell, name)
        skipped += contents.skipped
        for ref in label_images(contents):
            own_name = f"{name}/{ref.name}" if ref.name in refs else ref.name
            refs[own_name] = replace(ref, name=own_name)
    return WebDatasetSource(path, tuple(sorted(refs.values(), key=by_name)), tuple(skipped))


def label_images(contents: TarContents) -> list[ImageRef]:
    """Return the images of a tar, each with the class that has its key."""
    return [
        replace(ref, label=contents.classes.get(find_key(ref.name)))
        for ref in contents.images.values()
    ]


def find_key(name: str) -> str:
    """Return the key of a member: its path up to the first point of its last part.

    As webdataset.tariterators.base_plus_ext.
    """
    folders, slash, base = name.rpartition("/")
    return f"{folders}{slash}{base.partition('.')[0]}"


def _begins_with_classes(path: Path) -> bool:
    with path.open("rb", buffering=0) as file:
        members = walk_members(lambda offset, count: os.pread(file.fileno(), count, offset))
        try:
            first = list(itertools.islice(members, _FIRST_MEMBERS))
        except DamagedTar:
            return False
    return any(member.name.endswith(CLASS_SUFFIX) for member in first)
