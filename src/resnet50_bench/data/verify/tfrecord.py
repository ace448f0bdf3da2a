"""Verifies files of TFRecords: are all shards there, and does every record's checksum hold.

A record is its length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes (4), the data,
and the masked CRC-32C of the data (4). Format and mask: tensorflow/core/lib/io/record_writer.h and
tensorflow/core/lib/hash/crc32c.h.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from resnet50_bench.data.sources.tfrecord import mask_crc32c
from resnet50_bench.data.verify.facts import Damage, Shards, Step, found
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from resnet50_bench.data.verify.facts import OnProgress

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER_BYTES = _LENGTH.size + _CRC.size

_NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")
_SUFFIXES = (".tfrecord", ".tfrecords")


def find_shards(path: Path) -> tuple[Path, ...]:
    """Return the files of TFRecords in a folder, or the file itself, by their names, sorted.

    Names are `validation-00000-of-00128`, `imagenet2012-validation.tfrecord-00000-of-00064` or
    end in `.tfrecord`.
    """
    files = path.iterdir() if path.is_dir() else (path,)
    return tuple(sorted(file for file in files if _is_shard_name(file.name) and file.is_file()))


def describe_shards(shards: Sequence[Path]) -> Shards:
    """Tell how many shards there are and which are missing between the first and the last.

    A single file that was named by itself is not asked for the others of its set.
    """
    names = {shard.name for shard in shards}
    sets = {
        (match["stem"], int(match["count"]))
        for match in map(_NUMBERED.fullmatch, sorted(names))
        if match is not None
    }
    wanted = [
        f"{stem}-{number:05d}-of-{count:05d}"
        for stem, count in sorted(sets)
        for number in range(count)
    ]
    total_bytes = sum(shard.stat().st_size for shard in shards)
    return Shards(len(shards), total_bytes, found(name for name in wanted if name not in names))


def check_records(shards: Sequence[Path], on_progress: OnProgress) -> Damage:
    """Read every record of every shard and compare its checksums.

    Raises:
        DatasetError: a shard cannot be read.

    """
    total_bytes = sum(shard.stat().st_size for shard in shards)
    before = 0
    records = 0
    problems: list[str] = []
    on_progress(Step.RECORDS, 0, total_bytes)
    for shard in shards:
        for number, record in enumerate(_read_shard(shard)):
            records += 1
            if record.problem is not None:
                place = f"record {number} at byte {record.start}"
                problems.append(f"{shard.name}: {place} {record.problem}")
            on_progress(Step.RECORDS, before + record.end, total_bytes)
        before += shard.stat().st_size
    return Damage(records, found(problems))


def _is_shard_name(name: str) -> bool:
    hidden = name.startswith(".")
    return not hidden and (bool(_NUMBERED.fullmatch(name)) or name.endswith(_SUFFIXES))


@dataclass(frozen=True, slots=True)
class _Record:
    """Its first byte, the byte after it, and what is wrong with it."""

    start: int
    end: int
    problem: str | None


def _read_shard(path: Path) -> Iterator[_Record]:
    try:
        with path.open("rb") as file:
            yield from _read_records(file)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror}", "check its permissions and the disk"
        ) from error


def _read_records(file: BinaryIO) -> Iterator[_Record]:
    """Yield the records; after a damaged length nothing more can be found."""
    size_bytes = os.fstat(file.fileno()).st_size
    start = 0
    while start < size_bytes:
        header = file.read(_HEADER_BYTES)
        end, problem = _read_header(header, start, size_bytes)
        if problem is None:
            data = file.read(end - start - _HEADER_BYTES - _CRC.size)
            if file.read(_CRC.size) != _CRC.pack(mask_crc32c(data)):
                problem = "has damaged data"
        yield _Record(start, end, problem)
        start = end


def _read_header(header: bytes, start: int, size_bytes: int) -> tuple[int, str | None]:
    """Return where the record ends, and why nothing can be read from here on."""
    if len(header) == _HEADER_BYTES:
        length_bytes = header[: _LENGTH.size]
        if _CRC.pack(mask_crc32c(length_bytes)) != header[_LENGTH.size :]:
            return size_bytes, "has a damaged length: the rest of the file cannot be read"
        end: int = start + _HEADER_BYTES + _LENGTH.unpack(length_bytes)[0] + _CRC.size
        if end <= size_bytes:
            return end, None
    return size_bytes, "is cut short"
