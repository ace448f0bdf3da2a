"""Where images come from: a folder, an uncompressed tar, or TFRecord shards, all read in place.

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
    Skipped,
    UnreadableImage,
)
from resnet50_bench.data.sources.folder import FolderSource, list_folder
from resnet50_bench.data.sources.tar import TarSource, list_tar
from resnet50_bench.data.sources.tfrecord import (
    TFRecordSource,
    find_shards,
    list_shards,
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
    "Skipped",
    "TFRecordSource",
    "TarSource",
    "UnreadableImage",
    "open_source",
    "reopen",
]


def open_source(path: Path) -> ImageSource:
    """List the images of a folder, an uncompressed tar, or a folder of TFRecord shards.

    Raises:
        DatasetError: there is nothing at `path`, it is none of the three, it cannot be read, or
            it holds no image.

    """
    try:
        source = _list(path)
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
    if any(ref.shard is not None for ref in refs):
        return TFRecordSource(path, tuple(refs))
    kind = FolderSource if path.is_dir() else TarSource
    return kind(path, tuple(refs))


def _list(path: Path) -> ImageSource:
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return list_tar(path)
    if not stat.S_ISDIR(mode):
        raise DatasetError(f"--dataset {path}: neither a folder nor a file", EXPECTED)
    shards = find_shards(path)
    return list_shards(path, shards) if shards else list_folder(path)


def _seen(skipped: tuple[Skipped, ...]) -> str:
    if not skipped:
        return ""
    first = skipped[0]
    return f" ({len(skipped)} skipped, the first: {first.name}: {first.reason})"
