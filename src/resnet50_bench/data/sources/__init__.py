"""Where images come from: folders, tars and shards of several kinds, all read in place.

The parent lists images with this package, so it imports neither numpy nor OpenCV. Nothing is ever
written or extracted.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from resnet50_bench.data.sources.base import (
    EXPECTED,
    IMAGE_SUFFIXES,
    ImageRef,
    ImageSource,
    Kind,
    OnListing,
    OwnLabels,
    Skipped,
    UnreadableImage,
    sum_sizes,
)
from resnet50_bench.data.sources.folder import FolderSource, list_folder
from resnet50_bench.data.sources.other_formats import find_other_format
from resnet50_bench.data.sources.parquet import (
    PARQUET_SUFFIX,
    ParquetSource,
    find_parquet,
    list_parquet,
)
from resnet50_bench.data.sources.shard_names import choose_set, expand_range, is_range
from resnet50_bench.data.sources.tar import TarSource, TrainingTarSource, index_tar, open_tar
from resnet50_bench.data.sources.tfrecord import (
    TFRecordSource,
    find_shards,
    list_shards,
)
from resnet50_bench.data.sources.webdataset import (
    WebDatasetSource,
    find_webdataset,
    list_webdataset,
)
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "IMAGE_SUFFIXES",
    "FolderSource",
    "ImageRef",
    "ImageSource",
    "Kind",
    "OnListing",
    "OwnLabels",
    "ParquetSource",
    "Skipped",
    "TFRecordSource",
    "TarSource",
    "TrainingTarSource",
    "UnreadableImage",
    "WebDatasetSource",
    "ignore_listing",
    "open_source",
    "reopen",
    "sum_sizes",
]


def ignore_listing(images: int, share: float | None) -> None:
    """Nobody looks on."""


def open_source(path: Path, on_listing: OnListing = ignore_listing) -> ImageSource:
    """List the images of a folder, an uncompressed tar, or shards of several kinds.

    Raises:
        DatasetError: there is nothing at `path`, it is nothing that can be read here, it cannot be
            read, or it holds no image.

    """
    try:
        source = _list(path, on_listing)
        if not source.refs and source.kind == "folder":
            other = find_other_format(path)
            if other is not None:
                raise other
    except FileNotFoundError as error:
        raise DatasetError(f"--dataset {path}: does not exist", EXPECTED) from error
    except OSError as error:
        raise DatasetError(
            f"--dataset {path}: cannot be read: {error.strerror}",
            "check the permissions of the --dataset path and of the folders above it",
        ) from error
    if not source.refs:
        raise DatasetError(f"--dataset {path}: holds no image{_seen(source.skipped)}", EXPECTED)
    return source


def reopen(path: Path, refs: Sequence[ImageRef]) -> ImageSource:
    """Return a source over images that were listed before, in this or another process.

    Nothing is listed or checked again: a file that has gone since is found when it is read.
    """
    if any(ref.row is not None for ref in refs):
        return ParquetSource(path, tuple(refs))
    shards = {ref.shard for ref in refs if ref.shard is not None}
    if shards:
        is_tar = all(shard.endswith(".tar") for shard in shards)
        return (WebDatasetSource if is_tar else TFRecordSource)(path, tuple(refs))
    kind = FolderSource if path.is_dir() else TarSource
    return kind(path, tuple(refs))


def _list(path: Path, on_listing: OnListing) -> ImageSource:
    if is_range(path) and not path.exists():
        return _list_named(path, expand_range(path), on_listing)
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and path.suffix == PARQUET_SUFFIX:
        return list_parquet(path, (path.name,), on_listing)
    if stat.S_ISREG(mode):
        return _list_tar(path, on_listing)
    if not stat.S_ISDIR(mode):
        raise DatasetError(f"--dataset {path}: neither a folder nor a file", EXPECTED)
    return _list_folder(path, on_listing)


def _list_named(path: Path, names: Sequence[str], on_listing: OnListing) -> ImageSource:
    """List the images of files that are all of one kind, which their names tell."""
    is_parquet = path.suffix == PARQUET_SUFFIX
    return (list_parquet if is_parquet else list_webdataset)(path, names, on_listing)


def _list_tar(path: Path, on_listing: OnListing) -> ImageSource:
    contents = index_tar(path, on_listing)
    if contents.classes:
        return list_webdataset(path, (path.name,), on_listing)
    return open_tar(path, contents)


def _list_folder(path: Path, on_listing: OnListing) -> ImageSource:
    records = find_shards(path)
    if records:
        return list_shards(path, records, on_listing)
    found = list_folder(path, on_listing)
    if found.refs:
        return found
    if parquet := find_parquet(path):
        return list_parquet(path, choose_set(path, parquet), on_listing)
    tars = find_webdataset(path)
    return list_webdataset(path, choose_set(path, tars), on_listing) if tars else found


def _seen(skipped: tuple[Skipped, ...]) -> str:
    if not skipped:
        return ""
    first = skipped[0]
    return f" ({len(skipped)} skipped, the first: {first.name}: {first.reason})"
