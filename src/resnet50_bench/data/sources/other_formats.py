"""Files that hold images in a form that is not read here, told by their first bytes or names."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet50_bench.data.sources.base import EXPECTED, IMAGE_SUFFIXES
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES = 512
_MANY_FILES = 1000

_DECOMPRESS = {
    b"\x1f\x8b": ("gzip", "gzip -dc"),
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"\xfd7zXZ\x00": ("xz", "xz -dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -dc"),
}
"""How a compressed stream begins: what it is called, and the command that writes it out."""

_AS_FILES = "write its images, as files, into a folder or a .tar, and give --dataset that"

# Where each begins its file. LMDB: MDB_MAGIC in the first page, behind its header (lmdb, mdb.c).
# RecordIO: kMagic (dmlc-core, recordio.h). SquashFS: the superblock's first word.
_FORMATS = (
    (16, b"\xde\xc0\xef\xbe", "an LMDB database", _AS_FILES),
    (0, b"\x0a\x23\xd7\xce", "an MXNet RecordIO file (.rec)", _AS_FILES),
    (
        0,
        b"hsqs",
        "a SquashFS image",
        "mount it (mount -o loop,ro, or squashfuse) and give --dataset the folder where it is "
        "mounted; or unpack it with unsquashfs",
    ),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _AS_FILES),
    (
        0,
        b"ARROW1",
        "an Arrow file",
        "write it as Parquet (datasets.Dataset.to_parquet), or give --dataset the images' files",
    ),
    (
        0,
        b"version https://git-lfs",
        "a Git LFS pointer, not the file it stands for",
        "fetch the file in that clone: git lfs pull",
    ),
    (0, b"<!DOCTYPE", "a web page: the download got no file", EXPECTED),
    (0, b"<html", "a web page: the download got no file", EXPECTED),
)

_TFRECORD_SHARD = re.compile(r".+-\d{5}-of-\d{5}", re.ASCII)
_BY_SUFFIX = {".beton": "an FFCV file (.beton)", ".rec": "an MXNet RecordIO file (.rec)"}


@dataclass(frozen=True, slots=True)
class OtherFormat:
    """What a file is instead.

    Attributes:
        what: it is, with its article.
        advice: the next step.

    """

    what: str
    advice: str


def refuse_file(path: Path) -> DatasetError:
    """Return the error for a file that is no source: what it is, as far as that can be told.

    Raises:
        OSError: it cannot be read.

    """
    found = recognise_file(path) or OtherFormat("not a tar archive", EXPECTED)
    return DatasetError(f"--dataset {path}: is {found.what}", found.advice)


def find_other_format(folder: Path) -> DatasetError | None:
    """Return the error for a folder without images that holds them in another form, if it does.

    Raises:
        OSError: the folder or a file in it cannot be read.

    """
    entries = sorted(folder.iterdir())[:_MANY_FILES]
    for path in entries:
        found = recognise_file(path) if path.is_file() else None
        if found is not None:
            where = f"--dataset {folder}"
            return DatasetError(
                f"{where}: holds no image, but {path.name}, which is {found.what}", found.advice
            )
    return None


def recognise_file(path: Path) -> OtherFormat | None:
    """Tell what a file that is no source is; None when it begins like nothing known.

    Raises:
        OSError: it cannot be read.

    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for start, (name, command) in _DECOMPRESS.items():
        if head.startswith(start):
            return _describe_compressed(path, name, command)
    if head.startswith(b"PK\x03\x04"):
        words = f"unzip -q -d {shlex.quote(path.stem)} {shlex.quote(str(path))}"
        return OtherFormat(
            "compressed (zip), so its images cannot be read in place",
            f"extract it, then give --dataset {shlex.quote(path.stem)}: {words}",
        )
    for offset, magic, what, advice in _FORMATS:
        if head[offset:].startswith(magic):
            return OtherFormat(what, advice)
    return _recognise_name(path)


def _describe_compressed(path: Path, name: str, command: str) -> OtherFormat:
    stem = path.name.removesuffix(path.suffix) if path.suffix else path.name
    target = shlex.quote(stem if stem.endswith(".tar") else f"{stem}.tar")
    return OtherFormat(
        f"compressed ({name}), so its images cannot be read in place",
        f"decompress it once, which takes no more room for JPEGs, then give --dataset {target}: "
        f"{command} {shlex.quote(str(path))} > {target}",
    )


def _recognise_name(path: Path) -> OtherFormat | None:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return OtherFormat("a single image", "give --dataset the folder it lies in")
    if path.suffix in _BY_SUFFIX:
        return OtherFormat(_BY_SUFFIX[path.suffix], _AS_FILES)
    if _TFRECORD_SHARD.fullmatch(path.name):
        return OtherFormat("a single TFRecord shard", "give --dataset the folder of all shards")
    return None
