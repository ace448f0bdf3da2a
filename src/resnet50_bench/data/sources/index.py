"""Lists of images that took long to make, kept until one of their files changes.

One file a path, in a folder beside the prepared crops. A list counts while every file that holds
its images, and every other file right in the folders of these, has the same name, size and time of
change. A folder of images is always listed anew: to see whether its list is stale, each image would
have to be asked for its size and time, and that is what listing is.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from resnet50_bench.data.sources import (
    ImageRef,
    Kind,
    OnListing,
    ParquetSource,
    Skipped,
    TarSource,
    TFRecordSource,
    TrainingTarSource,
    WebDatasetSource,
    ignore_listing,
    open_source,
)
from resnet50_bench.data.sources.base import find_root
from resnet50_bench.files.atomic import write_atomically

if TYPE_CHECKING:
    from resnet50_bench.data.sources import ImageSource

SLOW_S = 2.0
"""What takes longer to list is kept: the next time it is there within a second or so."""

_VERSION = 1
"""Raised whenever the same files would be listed otherwise."""

_COARSEST_NS = 2_000_000_000
"""Of a file's time of change: a change may be stamped so much too early. Linux stamps by the last
tick of its clock, some milliseconds ago; FAT keeps even seconds."""

_KEY_DIGITS = 32

_KINDS = {
    kind.kind: kind
    for kind in (TarSource, TrainingTarSource, TFRecordSource, WebDatasetSource, ParquetSource)
}

_Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
_Row: TypeAlias = tuple[str, int | None, int | None, str | None, int | None, int | None]


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    """A list as it is kept.

    Attributes:
        version: `_VERSION`.
        path: of the source, in ASCII.
        stamp: name, size and time of change (nanoseconds) of each file it depends on.
        kind: of the source.
        rows: the fields of each image's ref, in their order.
        skipped: as of the source.
        classes: as of a Parquet source.

    """

    version: int
    path: str
    stamp: _Stamp
    kind: Kind
    rows: tuple[_Row, ...]
    skipped: tuple[Skipped, ...]
    classes: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Opener:
    """How sources are opened.

    Attributes:
        folder: where lists are kept, see `plan_index_folder`; None to keep none.
        on_listing: is told while a source is listed.
        clock: seconds.

    """

    folder: Path | None = None
    on_listing: OnListing = ignore_listing
    clock: Callable[[], float] = time.monotonic

    def open(self, path: Path) -> ImageSource:
        """Return the images at a path, from the kept list if nothing has changed.

        Raises:
            DatasetError: as `open_source`.

        """
        if self.folder is None:
            return open_source(path, self.on_listing)
        file = self.folder / f"{_hash_path(path)}.msgpack"
        known = _recall(file, path)
        if known is not None:
            return known
        began_s, began_ns = self.clock(), time.time_ns()
        source = open_source(path, self.on_listing)
        if source.kind in _KINDS and self.clock() - began_s > SLOW_S:
            _keep(file, path, source, began_ns)
        return source


def plan_index_folder(cache_dir: Path) -> Path:
    """Return where lists are kept, beside the prepared crops.

    Args:
        cache_dir: `model.cache.default_cache_dir`.

    """
    return cache_dir.with_name("indexes")


def _recall(file: Path, path: Path) -> ImageSource | None:
    """Return the source that was listed before; None when it was not, or has changed."""
    try:
        index = msgspec.msgpack.decode(file.read_bytes(), type=_Index)
        stamp = _read_stamp(path, {Path(name).parent for name, _, _ in index.stamp})
    except (OSError, msgspec.DecodeError):
        return None
    if (index.version, index.path, index.stamp) != (_VERSION, ascii(path.absolute()), stamp):
        return None
    refs = tuple(ImageRef(*row) for row in index.rows)
    source = _KINDS[index.kind](path, refs, index.skipped)
    return replace(source, classes=index.classes) if isinstance(source, ParquetSource) else source


def _keep(file: Path, path: Path, source: ImageSource, began_ns: int) -> None:
    """Keep a list, unless a file was changed meanwhile; what cannot be kept is made again."""
    try:
        folders = {item.absolute().parent for item in source.containers}
        stamp = _read_stamp(path, folders | {find_root(path).absolute()})
        if any(changed_ns >= began_ns - _COARSEST_NS for _, _, changed_ns in stamp):
            return
        index = _Index(
            version=_VERSION,
            path=ascii(path.absolute()),
            stamp=stamp,
            kind=source.kind,
            rows=tuple(
                (ref.name, ref.size_bytes, ref.offset, ref.shard, ref.label, ref.row)
                for ref in source.refs
            ),
            skipped=source.skipped,
            classes=source.classes if isinstance(source, ParquetSource) else None,
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, msgspec.msgpack.encode(index))
    except OSError:
        return


def _read_stamp(path: Path, folders: set[Path]) -> _Stamp:
    """Return name, size and time of change of one file, or of all there is right in the folders."""
    if path.is_file():
        paths = [path.absolute()]
    else:
        paths = [Path(item) for folder in sorted(folders) for item in os.scandir(folder)]
    stats = ((str(item), item.stat()) for item in sorted(paths))
    return tuple((name, status.st_size, status.st_mtime_ns) for name, status in stats)


def _hash_path(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:_KEY_DIGITS]
