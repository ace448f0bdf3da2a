"""ImageNet as TensorFlow's TFRecord shards, indexed without TensorFlow and read in place.

A record is framed as: its length (8 bytes, little-endian), a checksum of these 8 bytes, the data,
a checksum of the data (tensorflow/core/lib/io/record_writer.h). Indexing checks the lengths'
checksums, which is what keeps images and labels together, and reads little else; the data's are for
`data.verify_tfrecord`, which reads everything.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from resnet50_bench.data.sources.base import (
    ImageRef,
    Kind,
    ShardSource,
    Skipped,
    by_name,
)
from resnet50_bench.data.sources.example import DamagedExample, Window, read_example
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet50_bench.data.sources.base import OnListing

_SHARD = re.compile(r"validation-(\d{5})-of-(\d{5})", re.ASCII)
_CLASSES = 1000

ZERO_LABEL = f"its image/class/label 0 is not 1..{_CLASSES}"
"""The reason that tells labels which begin at 0 from those which begin at 1."""

_HEADER = struct.Struct("<QI")
_LENGTH_BYTES = 8
_CRC_BYTES = 4
_CRC_MASK_DELTA = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h


@dataclass(frozen=True, slots=True)
class TFRecordSource(ShardSource):
    """The images in the TFRecord shards of a folder."""

    kind: ClassVar[Kind] = "tfrecord"
    form: ClassVar[str] = "TFRecord"
    labels: ClassVar[str] = "image/class/label of the TFRecords"


def find_shards(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder that are those of validation shards, sorted.

    Raises:
        OSError: the folder cannot be read.

    """
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if _SHARD.fullmatch(entry.name)))


def list_shards(folder: Path, names: tuple[str, ...], on_listing: OnListing) -> TFRecordSource:
    """Index the images of shards, in one pass that skips the images themselves.

    An image is named after `image/filename`, or `SHARD#N` (N from 0) where that is missing, holds
    a `#`, or an earlier record has it. A record without `image/class/label` has no label.

    Raises:
        DatasetError: the shards are of several sets.

    """
    refs: dict[str, ImageRef] = {}
    skipped = [Skipped(name, "this shard is missing") for name in _find_missing(folder, names)]
    for number, name in enumerate(names):
        try:
            for own_name, item in _index_shard(folder / name):
                on_listing(len(refs), number / len(names))
                if isinstance(item, Skipped):
                    skipped.append(item)
                elif item.name in refs:
                    refs[own_name] = replace(item, name=own_name)
                else:
                    refs[item.name] = item
        except _DamagedShard as damage:
            skipped.append(Skipped(name, f"{damage}: what follows is not listed"))
        except OSError as error:
            skipped.append(Skipped(name, f"cannot be read: {error.strerror}"))
    return TFRecordSource(folder, tuple(sorted(refs.values(), key=by_name)), tuple(skipped))


class _DamagedShard(Exception):
    """The framing is broken, so that no later record can be found."""


def _find_missing(folder: Path, names: tuple[str, ...]) -> list[str]:
    counts = Counter(name.rpartition("-")[2] for name in names)
    if len(counts) > 1:
        found = ", ".join(f"{count} of {total}" for total, count in sorted(counts.items()))
        raise DatasetError(
            f"--dataset {folder}: holds shards of several sets ({found}), whose images may be the "
            "same",
            "give --dataset a folder with the shards of one set",
        )
    (total,) = counts
    expected = (f"validation-{number:05d}-of-{total}" for number in range(int(total)))
    return sorted(set(expected) - set(names))


def _index_shard(path: Path) -> Iterator[tuple[str, ImageRef | Skipped]]:
    """Yield each record's own name, `SHARD#N`, and what it holds."""
    if not stat.S_ISREG(path.stat().st_mode):  # a FIFO would block when opened
        yield path.name, Skipped(path.name, "not a regular file")
        return
    with path.open("rb", buffering=0) as file:
        window = Window(file.fileno())
        for number, (start, length) in enumerate(_walk_records(file.fileno())):
            own_name = f"{path.name}#{number}"
            yield own_name, _index_record(window, (start, start + length), path.name, own_name)


def _index_record(
    window: Window, span: tuple[int, int], shard: str, own_name: str
) -> ImageRef | Skipped:
    try:
        parts = read_example(window, *span)
    except DamagedExample as damage:
        return Skipped(own_name, f"is not an Example: {damage}")
    if parts.image is None:
        return Skipped(own_name, "has no image/encoded")
    if parts.label is not None and not 1 <= parts.label <= _CLASSES:
        return Skipped(own_name, f"its image/class/label {parts.label} is not 1..{_CLASSES}")
    start, end = parts.image
    name = own_name if parts.filename is None or "#" in parts.filename else parts.filename
    label = None if parts.label is None else parts.label - 1
    return ImageRef(name, end - start, start, shard, label)


def _walk_records(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield the first byte and the length of each record's data."""
    size = os.fstat(descriptor).st_size
    position = number = 0
    while position < size:
        header = os.pread(descriptor, _HEADER.size, position)
        where = f"record {number} at byte {position}"
        if len(header) < _HEADER.size:
            raise _DamagedShard(f"{where} is cut short")
        length, expected = _HEADER.unpack(header)
        if mask_crc32c(header[:_LENGTH_BYTES]) != expected:
            raise _DamagedShard(f"the length of {where} does not match its checksum")
        start = position + _HEADER.size
        position = start + length + _CRC_BYTES
        if position > size:
            raise _DamagedShard(f"{where} is cut short")
        yield start, length
        number += 1


def mask_crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes as TFRecords store it: rotated right by 15, plus a constant."""
    import google_crc32c  # in the listing process only: a worker never needs it

    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _CRC_MASK_DELTA) & 0xFFFFFFFF
