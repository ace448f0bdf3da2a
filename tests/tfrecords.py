"""Writes TFRecord shards with tf.train.Examples, for tests without TensorFlow.

The CRC-32C is its own, from the polynomial: what reads the shards is checked against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


def divide(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_REMAINDERS = tuple(map(divide, range(256)))


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _REMAINDERS[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return ((rotated + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def frame(data: bytes) -> bytes:
    length = len(data).to_bytes(8, "little")
    return length + masked(length) + data + masked(data)


def write_shard(path: Path, *records: bytes) -> Path:
    path.write_bytes(b"".join(map(frame, records)))
    return path


def write_shards(folder: Path, shards: list[list[bytes]], stem: str = "validation") -> list[Path]:
    """Write `stem-00000-of-0000N` files with these records."""
    folder.mkdir(exist_ok=True)
    return [
        write_shard(folder / f"{stem}-{number:05d}-of-{len(shards):05d}", *records)
        for number, records in enumerate(shards)
    ]


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
