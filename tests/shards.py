"""A small writer of TFRecord shards with tf.train.Examples, for tests without TensorFlow."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import google_crc32c

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def chunk(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def bytes_feature(*values: bytes) -> bytes:
    return chunk(1, b"".join(chunk(1, value) for value in values))


def int_feature(*values: int, packed: bool = True) -> bytes:
    if packed:
        return chunk(3, chunk(1, b"".join(map(varint, values))))
    return chunk(3, b"".join(varint(1 << 3) + varint(value) for value in values))


def example(features: Iterable[tuple[str, bytes]]) -> bytes:
    entries = (chunk(1, chunk(1, key.encode()) + chunk(2, value)) for key, value in features)
    return chunk(1, b"".join(entries))


def image_example(image: bytes, label: int | None = 1, filename: str | None = None) -> bytes:
    features = [("image/height", int_feature(1)), ("image/format", bytes_feature(b"JPEG"))]
    if label is not None:
        features.append(("image/class/label", int_feature(label)))
    features.append(("image/encoded", bytes_feature(image)))
    if filename is not None:
        features.append(("image/filename", bytes_feature(filename.encode())))
    return example(features)


def masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked_crc(length) + data + masked_crc(data)


def write_shard(path: Path, *examples: bytes) -> Path:
    path.write_bytes(b"".join(map(frame, examples)))
    return path
