"""Writes TFRecords with a CRC-32C of its own, bit by bit from the polynomial."""

from __future__ import annotations

from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return ((rotated + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def frame(data: bytes) -> bytes:
    length = len(data).to_bytes(8, "little")
    return length + masked(length) + data + masked(data)


def write_shards(folder: Path, shards: list[list[bytes]], stem: str = "validation") -> list[Path]:
    """Write `stem-00000-of-0000N` files with these records."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, records in enumerate(shards):
        path = folder / f"{stem}-{number:05d}-of-{len(shards):05d}"
        path.write_bytes(b"".join(map(frame, records)))
        paths.append(path)
    return paths
